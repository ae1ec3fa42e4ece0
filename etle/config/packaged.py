"""The folder of the files that ship with etle and are not code: law, plate tables, JSON Schema.

An installed package has them in `etle/_configs`, a checkout in `configs/` beside the packages.
"""

from pathlib import Path

from etle.errors import ConfigError


def configs_folder() -> Path:
    """The folder of the configuration that ships with etle."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "_configs", package.parent / "configs"):
        if folder.is_dir():
            return folder
    raise ConfigError(f"etle is incomplete: neither {package / '_configs'} nor {package.parent / 'configs'} exists. Install it again.")
