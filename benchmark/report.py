"""Output of the benchmarks: a table, and a JSON file with `ratio` at the top level."""

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
    result = argparse.ArgumentParser(prog=f"python -m benchmark.{name}", description=description)
    result.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file")
    result.add_argument("--seed", type=int, default=1, metavar="N", help="seed of random numbers (default: %(default)s)")
    return result


def show(title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    table = Table(title=title, title_justify="left")
    for heading in rows[0]:
        table.add_column(heading, justify="left" if isinstance(rows[0][heading], str) else "right")
    for row in rows:
        table.add_row(*(f"{value:.3g}" if isinstance(value, float) else str(value) for value in row.values()))
    Console().print(table)


def save(file: Path | None, figures: Mapping[str, Any]) -> None:
    """Writes the figures with the versions and the machine; does nothing without a file."""
    if file is None:
        return
    environment = {"etle": __version__, "python": platform.python_version(), "machine": platform.machine()}
    file.write_text(json.dumps({**figures, "measured_with": environment}, indent=2) + "\n", encoding="utf-8")
