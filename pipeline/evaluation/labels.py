"""Reads tables of labels (CSV). A table is checked as a whole before an evaluation starts, and an error names every wrong row."""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

from etle.errors import ConfigError

_MAX_PROBLEMS: Final = 12
"""Maximum number of problems in one error message."""
T = TypeVar("T")


def load_labels(table: Path, columns: Sequence[str], parse: Callable[[Mapping[str, str]], T]) -> tuple[T, ...]:
    """One value for each row. `columns`: those that the table must have; `parse` raises ValueError for a wrong row.

    Raises ConfigError, also for a table without rows.
    """
    labels, problems = [], []
    for number, fields in read_rows(table, columns):
        try:
            labels.append(parse(fields))
        except ValueError as error:
            problems.append(f"row {number}: {error}")
    check_problems(table, problems)
    if not labels:
        raise ConfigError(f"{table} has no rows")
    return tuple(labels)


def read_rows(table: Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Row numbers of the file and fields by column; the header is row 1. Raises ConfigError."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines, restval="")
            missing = [name for name in columns if name not in (reader.fieldnames or ())]
            if missing:
                raise ConfigError(f"{table} has no column {', '.join(missing)}; it needs {', '.join(columns)}")
            for number, fields in enumerate(reader, 2):
                yield number, {name: (value or "").strip() for name, value in fields.items() if isinstance(name, str)}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{table} cannot be read: {error}") from error


def check_problems(place: Path, problems: Sequence[str]) -> None:
    """Raises ConfigError with the first problems, if there are any."""
    if problems:
        more = [f"... and {len(problems) - _MAX_PROBLEMS} more"] if len(problems) > _MAX_PROBLEMS else []
        raise ConfigError("\n  ".join([f"{place} cannot be evaluated:", *problems[:_MAX_PROBLEMS], *more]))
