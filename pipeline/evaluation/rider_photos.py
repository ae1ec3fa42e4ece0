"""Labelled photos of riders: helmets.csv and its pictures, in the layout described in docs/evaluating.md.

The whole table is checked before the evaluation starts.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from etle.types import Box
from pipeline.evaluation.labels import load_labels

TABLE: Final = "helmets.csv"
_REQUIRED_COLUMNS: Final = ("file", "more_than_two_riders", "boxes")


@dataclass(frozen=True, slots=True, kw_only=True)
class HelmetLabel:
    box: Box
    helmet: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RiderPhoto:
    path: Path
    heads: tuple[HelmetLabel, ...]
    """Those that have a box; a picture may show more."""
    three_on_one: bool
    """Whether three persons or more ride one of the motorcycles."""


def load_rider_photos(folder: Path) -> tuple[RiderPhoto, ...]:
    """Raises ConfigError that names the wrong rows."""
    return load_labels(folder / TABLE, _REQUIRED_COLUMNS, lambda fields: _photo(folder, fields))


def _photo(folder: Path, fields: Mapping[str, str]) -> RiderPhoto:
    path = folder / fields["file"]
    if not fields["file"] or not path.is_file():
        raise ValueError(f"there is no picture {path}")
    if fields["more_than_two_riders"] not in ("0", "1"):
        raise ValueError(f"more_than_two_riders is {fields['more_than_two_riders']!r}, not 0 or 1")
    return RiderPhoto(path=path, heads=_heads(fields["boxes"]), three_on_one=fields["more_than_two_riders"] == "1")


def _heads(field: str) -> tuple[HelmetLabel, ...]:
    try:
        rows = json.loads(field or "[]")
        heads = tuple(HelmetLabel(box=Box(*(float(edge) for edge in row["box"])), helmet=bool(row["helmet"])) for row in rows)
    except (ValueError, TypeError, KeyError):
        raise ValueError(f'boxes {field!r} is not a list such as [{{"helmet": 1, "box": [x1, y1, x2, y2]}}]') from None
    if any(head.box.width <= 0 or head.box.height <= 0 for head in heads):
        raise ValueError("a box is empty")
    return heads
