"""What every benchmark says: a table for the eye, and one JSON with its ratio as a key at the top."""

import argparse
import json
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from etle import __version__


def parser(name: str, description: str | None) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog=f"python -m benchmark.{name}", description=description)
    made.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file")
    made.add_argument("--seed", type=int, default=1, metavar="N", help="of whatever is drawn at random (default: %(default)s)")
    return made


def show(title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    table = Table(title=title, title_justify="left")
    for heading in rows[0]:
        table.add_column(heading, justify="left" if isinstance(rows[0][heading], str) else "right")
    for row in rows:
        table.add_row(*(f"{value:.3g}" if isinstance(value, float) else str(value) for value in row.values()))
    Console().print(table)


def save(file: Path | None, figures: Mapping[str, Any]) -> None:
    """Nothing without a file. Where and with what it was measured goes with it."""
    if file is None:
        return
    where = {"etle": __version__, "python": platform.python_version(), "machine": platform.machine()}
    file.write_text(json.dumps({**figures, "measured_with": where}, indent=2) + "\n", encoding="utf-8")
