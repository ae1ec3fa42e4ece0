"""Folders to evaluate, written by a test: a grey picture for each file that a row names."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from etle.types import Box, CharacterRead, PlateBox, PlateColour, PlateRead

WIDTH, HEIGHT = 200, 100
HEADS = {
    "plates_full.csv": ("file", "plate_text", "x1", "y1", "x2", "y2", "vehicle", "plate_colour", "source"),
    "plate_crops.csv": ("file", "plate_text", "source"),
    "plates_foreign.csv": ("file", "plate_text", "x1", "y1", "x2", "y2", "source"),
}


def row(file: str, text: str = "", box: tuple[float, float, float, float] | None = None, **more: str) -> dict[str, str]:
    sides = dict(zip(("x1", "y1", "x2", "y2"), map(str, box), strict=True)) if box else {}
    return {"file": file, "plate_text": text, **sides, **more}


def write_table(folder: Path, name: str, rows: Sequence[Mapping[str, str]], *, pictures: bool = True) -> Path:
    heads = [*HEADS[name], *sorted({key for fields in rows for key in fields} - set(HEADS[name]))]
    with (folder / name).open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, heads, restval="")
        table.writeheader()
        table.writerows(rows)
    for fields in rows if pictures else ():
        path = folder / fields["file"]
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.full((HEIGHT, WIDTH, 3), 128, np.uint8))
    return folder


def found(*boxes: tuple[float, float, float, float]) -> tuple[PlateBox, ...]:
    return tuple(PlateBox(box=Box(*box), score=0.9) for box in boxes)


def read(text: str, sure: float = 0.999, **more: str) -> PlateRead:
    """Of a reader that is that sure of each character, and otherwise thinks of an 8 or an O."""
    others = ((("8" if c.isdigit() else "O", 1 - sure),) for c in text)
    characters = tuple(CharacterRead(character=c, probability=sure, alternatives=other) for c, other in zip(text, others, strict=True))
    colour = PlateColour(more.get("colour", "unknown"))
    return PlateRead(reader="scripted", text=text, characters=characters, colour=colour, expiry=more.get("expiry"))
