"""Training samples of the reader: text lines cropped from rendered plates, with their texts.

Most are number lines, cropped by the line detector that the reader uses (with its errors) or by their true corners. Some are expiry lines
(digits only), and some are negatives, images without a plate, whose text is empty.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from models.plates.readers.lines import detect_lines, rectify
from models.synthetic.plates import CapturedPlate, capture_plate, render_negative, render_plate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from etle.types import Image, Point

HEIGHT = 48
WIDTH = 192
"""Width of the network's input in pixels. Nine in ten number lines are at most four times as wide as high; wider ones are compressed."""
EXPIRY_WIDTH = 176

_EXPIRY_FRACTION, _NEGATIVE_FRACTION = 0.12, 0.07
_DETECTED_FRACTION = 0.6
"""Fraction of the lines that the line detector crops; the others are cropped by their true corners."""
_CORNER_STD = 0.05
"""Standard deviation of a corner relative to the line's height: the mean error of the line detector."""
_ATTEMPTS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSample:
    line: "Image"
    text: str
    """Empty for negatives."""
    max_width: int
    """Maximum width of the line in the network's input, in pixels."""


def draw_sample(rng: np.random.Generator) -> TrainingSample:
    kind = rng.random()
    if kind < _NEGATIVE_FRACTION:
        return TrainingSample(line=_negative_line(rng), text="", max_width=WIDTH)
    if kind < _NEGATIVE_FRACTION + _EXPIRY_FRACTION:
        for _ in range(_ATTEMPTS):
            plate = capture_plate(render_plate(rng), rng)
            if plate.expiry is not None:
                return TrainingSample(line=_expiry_line(plate, rng), text=plate.expiry.replace("·", ""), max_width=EXPIRY_WIDTH)
    plate = capture_plate(render_plate(rng), rng)
    return TrainingSample(line=_number_line(plate, rng), text=plate.text, max_width=WIDTH)


def network_input(line: "Image", max_width: int, stretch: float = 1.0, width: int = WIDTH) -> "NDArray[np.float32]":
    """The line scaled to the network's height and its width times `stretch`, padded with grey: 3 x HEIGHT x `width`, float32, -1 to 1.

    With a stretch of 1 the same as in `PpOcrPlateReader`.
    """
    own = min(max_width, max(16, int(np.ceil(HEIGHT * line.shape[1] / line.shape[0] * stretch))))
    blob = np.zeros((3, HEIGHT, width), dtype=np.float32)
    blob[:, :, :own] = cv2.resize(line, (own, HEIGHT)).astype(np.float32).transpose(2, 0, 1) / 127.5 - 1
    return blob


def _negative_line(rng: np.random.Generator) -> "Image":
    image = render_negative(rng)
    return detect_lines(image).main if rng.random() < _DETECTED_FRACTION else image


def _number_line(plate: CapturedPlate, rng: np.random.Generator) -> "Image":
    """The line as the line detector crops it, or by its true corners with random errors and margins."""
    if rng.random() < _DETECTED_FRACTION:
        return detect_lines(plate.image).main
    return _crop(plate.image, plate.main_corners, (rng.uniform(0.1, 0.7), rng.uniform(0.02, 0.35)), rng)


def _expiry_line(plate: CapturedPlate, rng: np.random.Generator) -> "Image":
    assert plate.expiry_corners is not None
    if rng.random() < _DETECTED_FRACTION and (line := detect_lines(plate.image).expiry) is not None:
        return line
    return _crop(plate.image, plate.expiry_corners, (rng.uniform(0.1, 1.0), rng.uniform(0.05, 0.5)), rng)


def _crop(image: "Image", corners: "Sequence[Point]", margin: tuple[float, float], rng: np.random.Generator) -> "Image":
    true = np.array(corners, dtype=np.float32)
    height = float(np.linalg.norm(true[3] - true[0]) + np.linalg.norm(true[2] - true[1])) / 2
    shifted = true + rng.normal(0, _CORNER_STD * height, true.shape).astype(np.float32)
    return rectify(image, shifted, margin)
