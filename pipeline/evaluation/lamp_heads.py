"""Labelled signal heads: lamps.csv and the pictures in lamps/, in the layout described in docs/evaluating.md.

The whole table is checked before the evaluation starts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from etle.types import Box, Lamp
from pipeline.evaluation.labels import load_labels

TABLE: Final = "lamps.csv"
PICTURES: Final = "lamps"
_REQUIRED_COLUMNS: Final = ("file", "label", "lamps", "source")
_LAMPS: Final = {lamp.value: lamp for lamp in (Lamp.RED, Lamp.YELLOW, Lamp.GREEN)}
LABELS: Final = {**_LAMPS, "off": Lamp.UNKNOWN, "redyellow": Lamp.UNKNOWN}
"""What is right for each label: of a dark head, and of one with two lit lamps, no lamp may be told."""


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
    return load_labels(folder / TABLE, _REQUIRED_COLUMNS, lambda fields: _head(folder / PICTURES, fields))


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
