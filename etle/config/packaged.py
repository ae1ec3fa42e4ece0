"""Where the files are that ship with etle but are not code: law, plate tables, default settings.

An installed package carries them as `etle/_configs`; a checkout has them in `configs/` beside the packages. One place knows.
"""

from pathlib import Path

from etle.errors import ConfigError


def configs_folder() -> Path:
    """The folder of the configuration that ships with etle."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "_configs", package.parent / "configs"):
        if folder.is_dir():
            return folder
    raise ConfigError(f"etle is incomplete: neither {package / '_configs'} nor {package.parent / 'configs'} is there. Install it again.")
