"""Labelled photos of riders: helmets.csv and its pictures, in the layout described in docs/evaluating.md.

The whole table is checked before the evaluation starts.
"""

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from etle.errors import ConfigError
from etle.types import Box

TABLE: Final = "helmets.csv"
_REQUIRED_COLUMNS: Final = ("file", "more_than_two_riders", "boxes")
_MAX_PROBLEMS: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class RiderHead:
    box: Box
    helmet: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RiderPhoto:
    path: Path
    heads: tuple[RiderHead, ...]
    """Those that have a box; a picture may show more."""
    three_on_one: bool
    """Whether three persons or more ride one of the motorcycles."""


def load_rider_photos(folder: Path) -> tuple[RiderPhoto, ...]:
    """Raises ConfigError that names the wrong rows."""
    table = folder / TABLE
    photos, problems = [], []
    for row, fields in _rows(table):
        try:
            photos.append(_photo(folder, fields))
        except ValueError as error:
            problems.append(f"row {row}: {error}")
    if problems:
        more = [f"... and {len(problems) - _MAX_PROBLEMS} more"] if len(problems) > _MAX_PROBLEMS else []
        raise ConfigError("\n  ".join([f"{table} cannot be evaluated:", *problems[:_MAX_PROBLEMS], *more]))
    if not photos:
        raise ConfigError(f"{table} has no rows")
    return tuple(photos)


def _rows(table: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Row numbers of the file and fields by column; the header is row 1."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines, restval="")
            missing = [name for name in _REQUIRED_COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise ConfigError(f"{table} has no column {', '.join(missing)}; it needs {', '.join(_REQUIRED_COLUMNS)}")
            for number, fields in enumerate(reader, 2):
                yield number, {name: (value or "").strip() for name, value in fields.items() if isinstance(name, str)}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{table} cannot be read: {error}") from error


def _photo(folder: Path, fields: Mapping[str, str]) -> RiderPhoto:
    path = folder / fields["file"]
    if not fields["file"] or not path.is_file():
        raise ValueError(f"there is no picture {path}")
    if fields["more_than_two_riders"] not in ("0", "1"):
        raise ValueError(f"more_than_two_riders is {fields['more_than_two_riders']!r}, not 0 or 1")
    return RiderPhoto(path=path, heads=_heads(fields["boxes"]), three_on_one=fields["more_than_two_riders"] == "1")


def _heads(field: str) -> tuple[RiderHead, ...]:
    try:
        rows = json.loads(field or "[]")
        heads = tuple(RiderHead(box=Box(*(float(edge) for edge in row["box"])), helmet=bool(row["helmet"])) for row in rows)
    except (ValueError, TypeError, KeyError):
        raise ValueError(f'boxes {field!r} is not a list such as [{{"helmet": 1, "box": [x1, y1, x2, y2]}}]') from None
    if any(head.box.width <= 0 or head.box.height <= 0 for head in heads):
        raise ValueError("a box is empty")
    return heads
