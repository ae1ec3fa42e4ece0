"""Real crops of plates with their texts: to measure with, and for those who may, to train with.

A folder has crops or photos and a CSV file that names them: `file` (relative to the CSV), `plate_text`, and in photos the plate's box
`x1, y1, x2, y2`. Rows without text are left out, and rows that say `plate_also_in_plate_crops`: yes, which are kept for measuring.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from etle.errors import ConfigError
from etle.plates.grammar import normalise
from models.plates.readers.lines import detect_lines
from models.training.recogniser import CHARACTERS
from models.training.samples import WIDTH, TrainingSample

if TYPE_CHECKING:
    from etle.types import Image

_MARGIN = 0.04
"""Of the box's sides, kept around it."""
_USUAL_NAMES = ("plates_train.csv", "plate_crops.csv")


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledCrop:
    jpeg: bytes
    text: str

    @property
    def image(self) -> "Image":
        image = cv2.imdecode(np.frombuffer(self.jpeg, dtype=np.uint8), cv2.IMREAD_COLOR)
        assert image is not None
        decoded: Image = image.astype(np.uint8, copy=False)
        return decoded


def read_labelled(path: Path) -> tuple[LabelledCrop, ...]:
    """`path` is the CSV file, or a folder with one. Raises ConfigError, also if no row has both a picture and a text."""
    table = _table(path)
    crops = tuple(_crops(table))
    if not crops:
        raise ConfigError(f"{table} names no crop with a plate's text: it needs the columns file and plate_text")
    return crops


def _table(path: Path) -> Path:
    if path.is_file():
        return path
    tables = sorted(path.glob("*.csv")) if path.is_dir() else []
    usual = [path / name for name in _USUAL_NAMES if path / name in tables]
    if not tables or (len(tables) > 1 and not usual):
        raise ConfigError(f"{path} has {'no' if not tables else 'more than one'} CSV file: name the one with file and plate_text")
    return usual[0] if usual else tables[0]


def _crops(table: Path) -> Iterator[LabelledCrop]:
    with table.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            text = normalise(row.get("plate_text") or "")
            if not text or not row.get("file") or row.get("plate_also_in_plate_crops") == "yes" or not set(text) <= set(CHARACTERS):
                continue
            image = cv2.imread(str(table.parent / row["file"]))
            if image is None:
                raise ConfigError(f"{table}: {row['file']} is no picture")
            yield LabelledCrop(jpeg=cv2.imencode(".png", _cut(image, row))[1].tobytes(), text=text)


def _cut(image: "Image", row: dict[str, str]) -> "Image":
    if not row.get("x1"):
        return image
    x1, y1, x2, y2 = (float(row[key]) for key in ("x1", "y1", "x2", "y2"))
    across, down = _MARGIN * (x2 - x1), _MARGIN * (y2 - y1)
    return image[max(0, int(y1 - down)) : int(y2 + down) + 1, max(0, int(x1 - across)) : int(x2 + across) + 1]


def jittered(crop: LabelledCrop, rng: np.random.Generator) -> TrainingSample:
    """The crop a little wider or narrower, turned, lighter or darker, smaller: one plate, many sightings."""
    image = _moved(crop.image, rng)
    image = cv2.convertScaleAbs(image, alpha=rng.uniform(0.6, 1.3), beta=rng.uniform(-20, 25))
    if rng.random() < 0.4:
        small = max(0.1, rng.uniform(28, 120) / image.shape[0])
        image = cv2.resize(image, None, fx=min(1.0, small), fy=min(1.0, small), interpolation=cv2.INTER_AREA)
    if rng.random() < 0.4:
        image = cv2.add(image, rng.normal(0, rng.uniform(1, 6), image.shape), dtype=cv2.CV_8U)
    if rng.random() < 0.5:
        done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.uniform(35, 92))])
        assert done
        image = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))
    return TrainingSample(line=detect_lines(np.asarray(image, dtype=np.uint8)).main, text=crop.text, widest=WIDTH)


def _moved(image: "Image", rng: np.random.Generator) -> "Image":
    height, width = image.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32)
    grown = (corners - corners.mean(axis=0)) * rng.uniform([0.98, 0.95], [1.08, 1.2]) + corners.mean(axis=0)
    grown[:, 1] += (grown[:, 0] - width / 2) * rng.normal(0, 0.05)
    grown += rng.normal(0, 0.012, (4, 2)) * (width, height)
    matrix = cv2.getPerspectiveTransform(grown.astype(np.float32), corners)
    moved: Image = cv2.warpPerspective(image, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return moved
