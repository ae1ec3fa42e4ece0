"""Lines of text as the reader will meet them, cut from rendered plates, each with what stands on it.

Most are number lines, cut by the same search for lines that the reader uses (with its mistakes) or by where the number truly is; some are
expiry lines, digits only; some are no plate at all, and their text is empty.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from models.plates.readers.lines import detect_lines, rectify
from models.synthetic.plates import CapturedPlate, no_plate, render_plate, seen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from etle.types import Image, Point

HEIGHT = 48
WIDTH = 192
"""Pixels of the network's input. Nine in ten number lines are at most four times as wide as high; wider ones are squeezed."""
EXPIRY_WIDTH = 176

_EXPIRIES, _NOTHING = 0.12, 0.07
_FOUND = 0.6
_CORNERS_OFF = 0.05
"""Of the line's height, one sigma: what the search for lines leaves on average."""
_ATTEMPTS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSample:
    line: "Image"
    text: str
    """Empty where there is nothing to read."""
    widest: int
    """The line may take up so many pixels of the network's input."""


def draw_sample(rng: np.random.Generator) -> TrainingSample:
    kind = rng.random()
    if kind < _NOTHING:
        return TrainingSample(line=_line_of_nothing(rng), text="", widest=WIDTH)
    if kind < _NOTHING + _EXPIRIES:
        for _ in range(_ATTEMPTS):
            plate = seen(render_plate(rng), rng)
            if plate.expiry is not None:
                return TrainingSample(line=_expiry_line(plate, rng), text=plate.expiry.replace("·", ""), widest=EXPIRY_WIDTH)
    plate = seen(render_plate(rng), rng)
    return TrainingSample(line=_number_line(plate, rng), text=plate.text, widest=WIDTH)


def network_input(line: "Image", widest: int, stretch: float = 1.0, width: int = WIDTH) -> "NDArray[np.float32]":
    """At the network's height, as wide as it comes out times `stretch`, padded with grey: what the reader does, at a stretch of 1."""
    own = min(widest, max(16, int(np.ceil(HEIGHT * line.shape[1] / line.shape[0] * stretch))))
    blob = np.zeros((3, HEIGHT, width), dtype=np.float32)
    blob[:, :, :own] = cv2.resize(line, (own, HEIGHT)).astype(np.float32).transpose(2, 0, 1) / 127.5 - 1
    return blob


def _line_of_nothing(rng: np.random.Generator) -> "Image":
    image = no_plate(rng)
    return detect_lines(image).main if rng.random() < _FOUND else image


def _number_line(plate: CapturedPlate, rng: np.random.Generator) -> "Image":
    """As the reader finds it, or where it truly is, its corners off a little and with more or less around it."""
    if rng.random() < _FOUND:
        return detect_lines(plate.image).main
    return _cut(plate.image, plate.main_corners, (rng.uniform(0.1, 0.7), rng.uniform(0.02, 0.35)), rng)


def _expiry_line(plate: CapturedPlate, rng: np.random.Generator) -> "Image":
    assert plate.expiry_corners is not None
    if rng.random() < _FOUND and (line := detect_lines(plate.image).expiry) is not None:
        return line
    return _cut(plate.image, plate.expiry_corners, (rng.uniform(0.1, 1.0), rng.uniform(0.05, 0.5)), rng)


def _cut(image: "Image", corners: "Sequence[Point]", around: tuple[float, float], rng: np.random.Generator) -> "Image":
    true = np.array(corners, dtype=np.float32)
    height = float(np.linalg.norm(true[3] - true[0]) + np.linalg.norm(true[2] - true[1])) / 2
    told = true + rng.normal(0, _CORNERS_OFF * height, true.shape).astype(np.float32)
    return rectify(image, told, around)
