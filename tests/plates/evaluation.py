"""Datasets written by a test, and engines with scripted results for their pictures.

Each row's plate is painted in its own colour. The reader returns the text that the test set for the colour in the middle of the crop,
whatever the margin. The plate detector identifies a photo by the colour of its upper left pixel.
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from etle.testing.values import BEGIN
from etle.types import Box, CharacterRead, Detection, PlateBox, PlateColour, PlateRead, digest_of
from pipeline.evaluation.dataset import load_dataset
from pipeline.evaluation.run import EvaluatedEngines, Outcomes, T, run_engines

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


class PaintDetector:
    name = "paint-detector"
    digest = digest_of(name.encode())

    def __init__(self, finds: Mapping[Paint, tuple[PlateBox, ...]]) -> None:
        self._finds = finds

    def detect_crops(self, images: "Sequence[Image]") -> Sequence[tuple[PlateBox, ...]]:
        return [() for _ in images]

    def detect_frames(self, images: "Sequence[Image]") -> Sequence[tuple[PlateBox, ...]]:
        return [self._finds.get(tuple(image[0, 0].tolist()), ()) for image in images]


class NoVehicleDetector:
    name = "no-vehicles"
    digest = digest_of(name.encode())

    def detect(self, images: "Sequence[Image]") -> Sequence[tuple[Detection, ...]]:
        return [() for _ in images]

    def detect_part(self, image: "Image", part: Box, zoom: float = 1.0) -> tuple[Detection, ...]:
        return ()


def no_progress(items: Sequence[T], description: str) -> Iterable[T]:
    return items


def evaluated_engines(folder: Path, finds: Mapping[str, tuple[PlateBox, ...]], reads: Sequence[PlateRead]) -> EvaluatedEngines:
    """`finds`: detected plates by file. `reads`: the read of each row's plate, rows of photos, crops and foreign photos in order."""
    corners = {tuple(cv2.imread(str(folder / file))[0, 0].tolist()): plates for file, plates in finds.items()}
    paints = [_colour(name, number) for name in HEADS if (folder / name).is_file() for number in range(_rows(folder / name))]
    reader = PaintReader(dict(zip(paints, reads, strict=True)))
    return EvaluatedEngines(vehicle_detector=NoVehicleDetector(), plate_detector=PaintDetector(corners), readers=(reader,), at=BEGIN)


def _rows(table: Path) -> int:
    return len(table.read_text(encoding="utf-8").splitlines()) - 1


def outcomes(folder: Path, finds: Mapping[str, tuple[PlateBox, ...]], reads: Sequence[PlateRead]) -> Outcomes:
    return run_engines(load_dataset(folder), evaluated_engines(folder, finds, reads), no_progress)


def found(*boxes: tuple[float, float, float, float]) -> tuple[PlateBox, ...]:
    return tuple(PlateBox(box=Box(*box), score=0.9) for box in boxes)


def read(text: str, probability: float = 0.999, **more: str) -> PlateRead:
    """A read with this probability for each character and another one as the alternative, mostly 8 or O."""
    others = ((({"8": "3", "O": "Q"}.get(c, "8" if c.isdigit() else "O"), 1 - probability),) for c in text)
    characters = tuple(
        CharacterRead(character=c, probability=probability, alternatives=other) for c, other in zip(text, others, strict=True)
    )
    colour = PlateColour(more.get("colour", "unknown"))
    return PlateRead(reader="scripted", text=text, characters=characters, colour=colour, expiry=more.get("expiry"))
