"""The law files that ship with etle, with the deadlines of the operator's own Poldas."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from etle.config.law import Law

DEADLINES: Final = "ETLE_DEADLINES"


def add_deadlines_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--deadlines",
        metavar="FILE.yaml",
        type=Path,
        help="deadlines of your Poldas, which replace those that ship with etle (default: ETLE_DEADLINES; form: configs/law/tenggat.yaml)",
    )


def open_law(deadlines: Path | None = None) -> "Law":
    """Raises ConfigError if a file is wrong."""
    from etle.config.law import load_law
    from etle.config.packaged import configs_folder

    named = os.environ.get(DEADLINES)
    return load_law(configs_folder() / "law", deadlines or (Path(named) if named else None))
