"""Reads real plate crops with their texts, for validation and, where permitted, for training.

A folder contains crops or photos and a CSV file with the columns `file` (relative to the CSV), `plate_text`, and for photos the box of the
plate `x1, y1, x2, y2`. Rows without text are skipped, and rows with `plate_also_in_plate_crops` = yes, which are reserved for evaluation.
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
"""Margin around the box, relative to its width and height."""
_DEFAULT_NAMES = ("plates_train.csv", "plate_crops.csv")


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
    """`path`: the CSV file, or a folder with one. Raises ConfigError, also if no row has both an image and a text."""
    table = _table(path)
    crops = tuple(_crops(table))
    if not crops:
        raise ConfigError(f"{table} has no row with an image and a text: it needs the columns file and plate_text")
    return crops


def _table(path: Path) -> Path:
    if path.is_file():
        return path
    tables = sorted(path.glob("*.csv")) if path.is_dir() else []
    default = [path / name for name in _DEFAULT_NAMES if path / name in tables]
    if not tables or (len(tables) > 1 and not default):
        raise ConfigError(
            f"{path} has {'no' if not tables else 'more than one'} CSV file: give the path of the one with file and plate_text"
        )
    return default[0] if default else tables[0]


def _crops(table: Path) -> Iterator[LabelledCrop]:
    with table.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            text = normalise(row.get("plate_text") or "")
            if not text or not row.get("file") or row.get("plate_also_in_plate_crops") == "yes" or not set(text) <= set(CHARACTERS):
                continue
            image = cv2.imread(str(table.parent / row["file"]))
            if image is None:
                raise ConfigError(f"{table}: {row['file']} is not an image")
            yield LabelledCrop(jpeg=cv2.imencode(".png", _crop(image, row))[1].tobytes(), text=text)


def _crop(image: "Image", row: dict[str, str]) -> "Image":
    if not row.get("x1"):
        return image
    x1, y1, x2, y2 = (float(row[key]) for key in ("x1", "y1", "x2", "y2"))
    margin_x, margin_y = _MARGIN * (x2 - x1), _MARGIN * (y2 - y1)
    return image[max(0, int(y1 - margin_y)) : int(y2 + margin_y) + 1, max(0, int(x1 - margin_x)) : int(x2 + margin_x) + 1]


def augment(crop: LabelledCrop, rng: np.random.Generator) -> TrainingSample:
    """A random variation of the crop in geometry, brightness, size, noise and compression."""
    image = _warp(crop.image, rng)
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
    return TrainingSample(line=detect_lines(np.asarray(image, dtype=np.uint8)).main, text=crop.text, max_width=WIDTH)


def _warp(image: "Image", rng: np.random.Generator) -> "Image":
    height, width = image.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32)
    grown = (corners - corners.mean(axis=0)) * rng.uniform([0.98, 0.95], [1.08, 1.2]) + corners.mean(axis=0)
    grown[:, 1] += (grown[:, 0] - width / 2) * rng.normal(0, 0.05)
    grown += rng.normal(0, 0.012, (4, 2)) * (width, height)
    matrix = cv2.getPerspectiveTransform(grown.astype(np.float32), corners)
    warped: Image = cv2.warpPerspective(image, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return warped
