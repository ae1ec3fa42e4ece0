"""Photos whose plates are known: three tables and the pictures beside them, as docs/evaluating.md describes the layout.

All of it is read and looked at before the first plate is searched: a wrong row shows in seconds, not after half an hour.
"""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from etle.errors import ConfigError
from etle.plates import is_plate, normalise, parse_expiry
from etle.types import Box, PlateColour
from pipeline.evaluation.pictures import broken_or_box_outside

T = TypeVar("T")

PHOTOS, CROPS, FOREIGN = "plates_full.csv", "plate_crops.csv", "plates_foreign.csv"
_SIDES = ("x1", "y1", "x2", "y2")
_NEEDED: Mapping[str, tuple[str, ...]] = {PHOTOS: ("file", "plate_text", *_SIDES), CROPS: ("file", "plate_text"), FOREIGN: ("file",)}
_ORNAMENT = frozenset(" .-·•")
"""What people set between the parts of a plate; any other sign means that they could not read something."""
_MOST_TOLD = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledPlate:
    """One row. None means unknown: a blank text counts for finding only, a row without a box for neither."""

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
    """As the table calls it."""
    path: Path
    plates: tuple[LabelledPlate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """None for a table that is not there."""

    photos: tuple[LabelledPhoto, ...] | None
    crops: tuple[LabelledPhoto, ...] | None
    foreign: tuple[LabelledPhoto, ...] | None
    remarks: tuple[str, ...]
    """What was left out of the reckoning, and why."""


def load_truth(folder: Path, limit: int | None = None) -> Dataset:
    """`limit`: so many pictures of each table, spread evenly. Raises ConfigError, which names every row that is wrong."""
    if not any((folder / name).is_file() for name in _NEEDED):
        raise ConfigError(f"{folder} holds none of {', '.join(_NEEDED)}: one of them is needed (see docs/evaluating.md)")
    remarks: list[str] = []
    problems: list[str] = []
    photos, crops, foreign = (_pictures(folder, name, limit, remarks, problems) for name in _NEEDED)
    if problems:
        more = [f"... and {len(problems) - _MOST_TOLD} more"] if len(problems) > _MOST_TOLD else []
        raise ConfigError("\n  ".join([f"{folder} cannot be evaluated:", *problems[:_MOST_TOLD], *more]))
    return Dataset(photos=photos, crops=crops, foreign=foreign, remarks=tuple(remarks))


def spread(things: Sequence[T], limit: int | None) -> tuple[T, ...]:
    """At most `limit` of them, evenly from the first to the last."""
    if limit is None or limit >= len(things):
        return tuple(things)
    return tuple(things[i * len(things) // limit] for i in range(limit))


def _pictures(folder: Path, table: str, limit: int | None, remarks: list[str], problems: list[str]) -> tuple[LabelledPhoto, ...] | None:
    if not (folder / table).is_file():
        remarks.append(f"{table} is not there: what it would tell is left out")
        return None
    of_file: dict[str, list[LabelledPlate]] = {}
    for row, fields in _rows(folder / table):
        try:
            of_file.setdefault(_file(fields), []).append(_plate(row, fields, table, remarks))
        except ValueError as error:
            problems.append(f"{table} row {row}: {error}")
    pictures = [LabelledPhoto(name=name, path=folder / name, plates=tuple(plates)) for name, plates in of_file.items()]
    for picture in pictures:
        problems += [f"{table} {problem}" for problem in _doubles(picture, table)]
    return tuple(_looked_at(picture, table, problems) for picture in spread(pictures, limit))


def _rows(file: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows as the file counts them, its heading being row 1."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            table = csv.DictReader(lines, restval="")
            missing = [name for name in _NEEDED[file.name] if name not in (table.fieldnames or ())]
            if missing:
                raise ConfigError(f"{file} has no column {', '.join(missing)}")
            for number, fields in enumerate(table, 2):
                yield number, {name: (value or "").strip() for name, value in fields.items() if isinstance(name, str)}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{file} cannot be read: {error}") from error


def _file(fields: Mapping[str, str]) -> str:
    if not fields["file"]:
        raise ValueError("names no file")
    return fields["file"]


def _plate(row: int, fields: Mapping[str, str], table: str, remarks: list[str]) -> LabelledPlate:
    def unless(known: bool, key: str, what: str) -> None:
        if fields.get(key) and not known:
            remarks.append(f"{table} row {row}: {key} {fields[key]!r} is {what}: counted as blank")

    text, colour, expiry = (
        _text(fields.get("plate_text", "")),
        _colour(fields.get("plate_colour", "")),
        _expiry(fields.get("expiry", "")),
    )
    unless(text is not None, "plate_text", "not letters and digits alone")
    unless(colour is not None, "plate_colour", "none that a plate can have")
    unless(expiry is not None, "expiry", "no month and year")
    return LabelledPlate(
        row=row,
        text=text,
        box=_box(fields),
        vehicle=fields.get("vehicle") or "unknown",
        colour=colour,
        source=fields.get("source") or "unknown",
        expiry=expiry,
    )


def _text(told: str) -> str | None:
    if not told or any(not (c.isascii() and c.isalnum()) and c not in _ORNAMENT for c in told):
        return None
    text = normalise(told)
    return (text if is_plate(text) else text.replace("-", "")) or None


def _expiry(told: str) -> str | None:
    """Spreadsheets take the zero off `05.27` and `0527`."""
    return parse_expiry(re.sub(r"^(?=\d{3}$|\d\D)", "0", told.replace("/", ".")))


def _colour(told: str) -> PlateColour | None:
    known = {str(colour): colour for colour in PlateColour if colour is not PlateColour.UNKNOWN}
    return known.get(told.lower())


def _box(fields: Mapping[str, str]) -> Box | None:
    told = [fields.get(side, "") for side in _SIDES]
    if not any(told):
        return None
    try:
        box = Box(*(float(value) for value in told))
    except ValueError:
        raise ValueError(f"x1, y1, x2, y2 are {', '.join(repr(value) for value in told)}: four numbers, or all four blank") from None
    if not (box.x2 > box.x1 and box.y2 > box.y1):
        raise ValueError(f"the box {box.x1:g}, {box.y1:g}, {box.x2:g}, {box.y2:g} is empty")
    return box


def _doubles(picture: LabelledPhoto, table: str) -> Iterator[str]:
    seen: dict[object, int] = {}
    for plate in picture.plates:
        what = None if table == CROPS else plate.box or plate.text
        if what in seen and (table == CROPS or what is not None):
            yield f"row {plate.row}: {picture.name} has that plate in row {seen[what]} already"
        seen.setdefault(what, plate.row)


def _looked_at(picture: LabelledPhoto, table: str, problems: list[str]) -> LabelledPhoto:
    """With boxes that end in the picture."""
    boxes = [plate.box for plate in picture.plates]
    outcome = broken_or_box_outside(picture.path, boxes)
    if isinstance(outcome, str):
        problems.append(f"{table} row {picture.plates[0].row}: {outcome}")
        return picture
    return replace(picture, plates=tuple(replace(plate, box=box) for plate, box in zip(picture.plates, outcome, strict=True)))
