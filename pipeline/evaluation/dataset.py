"""Labelled photos: three tables and their pictures, in the layout described in docs/evaluating.md.

All tables and pictures are checked before the evaluation starts, so that a wrong row is reported after seconds, not after half an hour.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from etle.errors import ConfigError, SourceError
from etle.plates import is_plate, normalise, parse_expiry
from etle.types import Box, PlateColour
from pipeline.evaluation.labels import check_problems, read_rows
from pipeline.evaluation.pictures import clip_boxes

T = TypeVar("T")

PHOTOS, CROPS, FOREIGN = "plates_full.csv", "plate_crops.csv", "plates_foreign.csv"
_BOX_COLUMNS = ("x1", "y1", "x2", "y2")
_REQUIRED_COLUMNS: Mapping[str, tuple[str, ...]] = {
    PHOTOS: ("file", "plate_text", *_BOX_COLUMNS),
    CROPS: ("file", "plate_text"),
    FOREIGN: ("file",),
}
_SEPARATORS = frozenset(" .-·•")
"""Characters that people put between the parts of a plate; any other sign marks a character that they could not read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledPlate:
    """One row. None means unknown. A plate without a text counts for detection only, one without a box for nothing."""

    row: int
    text: str | None
    box: Box | None
    vehicle: str
    colour: PlateColour | None
    source: str
    expiry: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledPhoto:
    name: str
    """As in the table."""
    path: Path
    plates: tuple[LabelledPlate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """None for a table that does not exist."""

    photos: tuple[LabelledPhoto, ...] | None
    crops: tuple[LabelledPhoto, ...] | None
    foreign: tuple[LabelledPhoto, ...] | None
    remarks: tuple[str, ...]
    """What the evaluation leaves out, and why."""


def load_dataset(folder: Path, limit: int | None = None) -> Dataset:
    """`limit`: maximum number of pictures of each table, spread evenly. Raises ConfigError that names the wrong rows."""
    if not any((folder / name).is_file() for name in _REQUIRED_COLUMNS):
        raise ConfigError(f"{folder} contains none of {', '.join(_REQUIRED_COLUMNS)}; at least one is required (see docs/evaluating.md)")
    remarks: list[str] = []
    problems: list[str] = []
    photos, crops, foreign = (_pictures(folder, name, limit, remarks, problems) for name in _REQUIRED_COLUMNS)
    check_problems(folder, problems)
    return Dataset(photos=photos, crops=crops, foreign=foreign, remarks=tuple(remarks))


def sample_evenly(items: Sequence[T], limit: int | None) -> tuple[T, ...]:
    """At most `limit` items, spread evenly over the sequence."""
    if limit is None or limit >= len(items):
        return tuple(items)
    return tuple(items[i * len(items) // limit] for i in range(limit))


def _pictures(folder: Path, table: str, limit: int | None, remarks: list[str], problems: list[str]) -> tuple[LabelledPhoto, ...] | None:
    if not (folder / table).is_file():
        remarks.append(f"{table} does not exist; its figures are left out")
        return None
    plates_by_file: dict[str, list[LabelledPlate]] = {}
    for row, fields in read_rows(folder / table, _REQUIRED_COLUMNS[table]):
        try:
            plates_by_file.setdefault(_file(fields), []).append(_plate(row, fields, table, remarks))
        except ValueError as error:
            problems.append(f"{table} row {row}: {error}")
    pictures = [LabelledPhoto(name=name, path=folder / name, plates=tuple(plates)) for name, plates in plates_by_file.items()]
    for picture in pictures:
        problems += [f"{table} {problem}" for problem in _duplicates(picture, table)]
    return tuple(_checked(picture, table, problems) for picture in sample_evenly(pictures, limit))


def _file(fields: Mapping[str, str]) -> str:
    if not fields["file"]:
        raise ValueError("`file` is empty")
    return fields["file"]


def _plate(row: int, fields: Mapping[str, str], table: str, remarks: list[str]) -> LabelledPlate:
    def check(valid: bool, key: str, problem: str) -> None:
        if fields.get(key) and not valid:
            remarks.append(f"{table} row {row}: {key} {fields[key]!r} {problem}; counted as blank")

    text, colour, expiry = (
        _text(fields.get("plate_text", "")),
        _colour(fields.get("plate_colour", "")),
        _expiry(fields.get("expiry", "")),
    )
    check(text is not None, "plate_text", "contains other characters than letters and digits")
    check(colour is not None, "plate_colour", "is not a plate colour")
    check(expiry is not None, "expiry", "is not a month and year")
    return LabelledPlate(
        row=row,
        text=text,
        box=_box(fields),
        vehicle=fields.get("vehicle") or "unknown",
        colour=colour,
        source=fields.get("source") or "unknown",
        expiry=expiry,
    )


def _text(field: str) -> str | None:
    if not field or any(not (c.isascii() and c.isalnum()) and c not in _SEPARATORS for c in field):
        return None
    text = normalise(field)
    return (text if is_plate(text) else text.replace("-", "")) or None


def _expiry(field: str) -> str | None:
    """Adds the leading zero of `05.27` and `0527`, which spreadsheets remove."""
    return parse_expiry(re.sub(r"^(?=\d{3}$|\d\D)", "0", field.replace("/", ".")))


def _colour(field: str) -> PlateColour | None:
    known = {str(colour): colour for colour in PlateColour if colour is not PlateColour.UNKNOWN}
    return known.get(field.lower())


def _box(fields: Mapping[str, str]) -> Box | None:
    values = [fields.get(side, "") for side in _BOX_COLUMNS]
    if not any(values):
        return None
    try:
        box = Box(*(float(value) for value in values))
    except ValueError:
        raise ValueError(
            f"x1, y1, x2, y2 are {', '.join(repr(value) for value in values)}; they must be four numbers or all blank"
        ) from None
    if not (box.x2 > box.x1 and box.y2 > box.y1):
        raise ValueError(f"the box {box.x1:g}, {box.y1:g}, {box.x2:g}, {box.y2:g} is empty")
    return box


def _duplicates(picture: LabelledPhoto, table: str) -> Iterator[str]:
    rows: dict[object, int] = {}
    for plate in picture.plates:
        key = None if table == CROPS else plate.box or plate.text
        if key in rows and (table == CROPS or key is not None):
            yield f"row {plate.row}: duplicate of row {rows[key]}, the same plate of {picture.name}"
        rows.setdefault(key, plate.row)


def _checked(picture: LabelledPhoto, table: str, problems: list[str]) -> LabelledPhoto:
    """The photo with boxes clipped to the picture; adds to `problems` if the picture or a box is wrong."""
    boxes = [plate.box for plate in picture.plates]
    try:
        clipped = clip_boxes(picture.path, boxes)
    except SourceError as error:
        problems.append(f"{table} row {picture.plates[0].row}: {error}")
        return picture
    return replace(picture, plates=tuple(replace(plate, box=box) for plate, box in zip(picture.plates, clipped, strict=True)))
