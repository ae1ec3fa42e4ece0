"""Labelled signal heads: lamps.csv and the pictures in lamps/, in the layout described in docs/evaluating.md.

The whole table is checked before the evaluation starts.
"""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from etle.errors import ConfigError
from etle.types import Box, Lamp

TABLE: Final = "lamps.csv"
PICTURES: Final = "lamps"
_REQUIRED_COLUMNS: Final = ("file", "label", "lamps", "source")
_LAMPS: Final = {lamp.value: lamp for lamp in (Lamp.RED, Lamp.YELLOW, Lamp.GREEN)}
LABELS: Final = {**_LAMPS, "off": Lamp.UNKNOWN, "redyellow": Lamp.UNKNOWN}
"""What is right for each label: of a dark head, and of one with two lit lamps, no lamp may be told."""
_MAX_PROBLEMS: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class LampSample:
    path: Path
    lamp: Lamp
    order: tuple[Lamp, ...]
    source: str
    box: Box | None
    """The housing in the picture; None: the whole picture."""


def load_heads(folder: Path) -> tuple[LampSample, ...]:
    """Raises ConfigError that names the wrong rows."""
    table = folder / TABLE
    heads, problems = [], []
    for row, fields in _rows(table):
        try:
            heads.append(_head(folder / PICTURES, fields))
        except ValueError as error:
            problems.append(f"row {row}: {error}")
    if problems:
        more = [f"... and {len(problems) - _MAX_PROBLEMS} more"] if len(problems) > _MAX_PROBLEMS else []
        raise ConfigError("\n  ".join([f"{table} cannot be evaluated:", *problems[:_MAX_PROBLEMS], *more]))
    if not heads:
        raise ConfigError(f"{table} has no rows")
    return tuple(heads)


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


def _head(pictures: Path, fields: Mapping[str, str]) -> LampSample:
    label = fields["label"].lower()
    if label not in LABELS:
        raise ValueError(f"label {fields['label']!r} is none of {', '.join(LABELS)}")
    path = pictures / fields["file"]
    if not fields["file"] or not path.is_file():
        raise ValueError(f"there is no picture {path}")
    order = _order(fields["lamps"])
    if LABELS[label] not in (Lamp.UNKNOWN, *order):
        raise ValueError(f"the label is {label}, but the lamps are {fields['lamps']}")
    return LampSample(
        path=path, lamp=LABELS[label], order=order, source=fields["source"] or "unknown", box=_box(fields.get("head_box", ""))
    )


def _order(field: str) -> tuple[Lamp, ...]:
    names = field.lower().split("-")
    if not all(name in _LAMPS for name in names):
        raise ValueError(f"lamps {field!r} are not red, yellow and green, joined by hyphens, as in red-yellow-green")
    return tuple(_LAMPS[name] for name in names)


def _box(field: str) -> Box | None:
    if not field:
        return None
    try:
        x1, y1, x2, y2 = (float(value) for value in field.replace(",", " ").split())
    except ValueError:
        raise ValueError(f"head_box {field!r} is not four numbers x1 y1 x2 y2") from None
    if x2 <= x1 or y2 <= y1:
        raise ValueError(f"head_box {field!r} is empty")
    return Box(x1, y1, x2, y2)
