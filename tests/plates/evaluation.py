"""Folders to evaluate, written by a test, and models that know its pictures.

Each row's plate is painted in a colour of its own; the reader says of a crop what the test wrote down for the colour in its middle, in
however many cuts it is shown. The finder knows a photo by its upper left corner.
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from etle.testing.values import BEGIN
from etle.types import Box, CharacterRead, Detection, PlateBox, PlateColour, PlateRead, digest_of
from pipeline.evaluation.dataset import load_truth
from pipeline.evaluation.run import EvaluatedEngines, Outcomes, T, look

if TYPE_CHECKING:
    from etle.types import Image

WIDTH, HEIGHT = 200, 100
PHOTOS, CROPS, FOREIGN = "plates_full.csv", "plate_crops.csv", "plates_foreign.csv"
HEADS = {
    PHOTOS: ("file", "plate_text", "x1", "y1", "x2", "y2", "vehicle", "plate_colour", "source"),
    CROPS: ("file", "plate_text", "source"),
    FOREIGN: ("file", "plate_text", "x1", "y1", "x2", "y2", "source"),
}
Paint = tuple[int, int, int]
Sides = tuple[float, float, float, float]


def row(file: str, text: str = "", box: Sides | None = None, **more: str) -> dict[str, str]:
    sides = dict(zip(("x1", "y1", "x2", "y2"), map(str, box), strict=True)) if box else {}
    return {"file": file, "plate_text": text, **sides, **more}


def write_table(folder: Path, name: str, rows: Sequence[Mapping[str, str]], *, pictures: bool = True) -> Path:
    heads = [*HEADS[name], *sorted({key for fields in rows for key in fields} - set(HEADS[name]))]
    with (folder / name).open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, heads, restval="")
        table.writeheader()
        table.writerows(rows)
    for file_name in dict.fromkeys(fields["file"] for fields in rows) if pictures else ():
        cv2.imwrite(str(folder / file_name), _painted(name, rows, file_name))
    return folder


def _painted(name: str, rows: Sequence[Mapping[str, str]], file: str) -> "Image":
    photo = [fields["file"] for fields in rows].index(file)
    image = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    for number, fields in enumerate(rows):
        if fields["file"] == file and name == CROPS:
            image[:] = _colour(name, number)
        elif fields["file"] == file and fields.get("x1"):
            x1, y1, x2, y2 = (max(0, round(float(fields[side]))) for side in ("x1", "y1", "x2", "y2"))
            image[y1:y2, x1:x2] = _colour(name, number)
    image[0, 0] = _colour(name, photo)
    return image


def _colour(name: str, number: int) -> Paint:
    return 10 * list(HEADS).index(name), number, 255


class PaintReader:
    name = "paint-reader"
    digest = digest_of(name.encode())

    def __init__(self, reads: Mapping[Paint, PlateRead]) -> None:
        self._reads = reads

    def read(self, crops: "Sequence[Image]") -> Sequence[PlateRead]:
        middles = [tuple(crop[crop.shape[0] // 2, crop.shape[1] // 2].tolist()) for crop in crops]
        return [self._reads.get(middle, read("")) for middle in middles]


class PaintFinder:
    name = "paint-finder"
    digest = digest_of(name.encode())

    def __init__(self, finds: Mapping[Paint, tuple[PlateBox, ...]]) -> None:
        self._finds = finds

    def find(self, images: "Sequence[Image]", *, whole: bool = False) -> Sequence[tuple[PlateBox, ...]]:
        return [self._finds.get(tuple(image[0, 0].tolist()), ()) if whole else () for image in images]


class NoVehicles:
    name = "no-vehicles"
    digest = digest_of(name.encode())

    def detect(self, images: "Sequence[Image]") -> Sequence[tuple[Detection, ...]]:
        return [() for _ in images]


def silent(things: Sequence[T], what: str) -> Iterable[T]:
    return things


def watchers(folder: Path, finds: Mapping[str, tuple[PlateBox, ...]], reads: Sequence[PlateRead]) -> EvaluatedEngines:
    """`finds`: what is found in which file. `reads`: what each row's plate looks like, row after row of photos, crops, foreign photos."""
    corners = {tuple(cv2.imread(str(folder / file))[0, 0].tolist()): plates for file, plates in finds.items()}
    paints = [_colour(name, number) for name in HEADS if (folder / name).is_file() for number in range(_rows(folder / name))]
    reader = PaintReader(dict(zip(paints, reads, strict=True)))
    return EvaluatedEngines(detector=NoVehicles(), finder=PaintFinder(corners), readers=(reader,), at=BEGIN)


def _rows(table: Path) -> int:
    return len(table.read_text(encoding="utf-8").splitlines()) - 1


def outcomes(folder: Path, finds: Mapping[str, tuple[PlateBox, ...]], reads: Sequence[PlateRead]) -> Outcomes:
    return look(load_truth(folder), watchers(folder, finds, reads), silent)


def found(*boxes: tuple[float, float, float, float]) -> tuple[PlateBox, ...]:
    return tuple(PlateBox(box=Box(*box), score=0.9) for box in boxes)


def read(text: str, sure: float = 0.999, **more: str) -> PlateRead:
    """Of a reader that is that sure of each character, and otherwise thinks of an 8 or an O."""
    others = ((("8" if c.isdigit() else "O", 1 - sure),) for c in text)
    characters = tuple(CharacterRead(character=c, probability=sure, alternatives=other) for c, other in zip(text, others, strict=True))
    colour = PlateColour(more.get("colour", "unknown"))
    return PlateRead(reader="scripted", text=text, characters=characters, colour=colour, expiry=more.get("expiry"))
