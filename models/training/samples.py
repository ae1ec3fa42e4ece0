"""Lines of text as the reader will meet them, cut from rendered plates, each with what stands on it.

Most are number lines, cut half by the same search for lines that the reader uses (with its mistakes) and half by where the number truly
is; some are expiry lines, digits only; some are no plate at all, and their text is empty.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from models.reading.lines import find_lines
from models.rendering import SeenPlate, no_plate, render_plate, seen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from etle.types import Image, Point

HEIGHT = 48
WIDTH = 192
"""Pixels of the network's input. Nine in ten number lines are at most four times as wide as high; wider ones are squeezed."""
EXPIRY_WIDTH = 128

_EXPIRIES, _NOTHING = 0.12, 0.07
_FOUND, _TRUE = 0.55, 0.45
_LEAST_LINE_PX = 6
_ATTEMPTS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    line: "Image"
    text: str
    """Empty where there is nothing to read."""
    widest: int
    """The line may take up so many pixels of the network's input."""


def draw_sample(rng: np.random.Generator) -> Sample:
    kind = rng.random()
    if kind < _NOTHING:
        return Sample(line=_line_of_nothing(rng), text="", widest=WIDTH)
    if kind < _NOTHING + _EXPIRIES:
        for _ in range(_ATTEMPTS):
            plate = seen(render_plate(rng), rng)
            if plate.expiry is not None:
                return Sample(line=_expiry_line(plate, rng), text=plate.expiry.replace("·", ""), widest=EXPIRY_WIDTH)
    plate = seen(render_plate(rng), rng)
    return Sample(line=_number_line(plate, rng), text=plate.text, widest=WIDTH)


def network_input(line: "Image", widest: int, stretch: float = 1.0, width: int = WIDTH) -> "NDArray[np.float32]":
    """At the network's height, as wide as it comes out times `stretch`, padded with grey: what the reader does, at a stretch of 1."""
    own = min(widest, max(16, int(np.ceil(HEIGHT * line.shape[1] / line.shape[0] * stretch))))
    blob = np.zeros((3, HEIGHT, width), dtype=np.float32)
    blob[:, :, :own] = cv2.resize(line, (own, HEIGHT)).astype(np.float32).transpose(2, 0, 1) / 127.5 - 1
    return blob


def _line_of_nothing(rng: np.random.Generator) -> "Image":
    image = no_plate(rng)
    return find_lines(image).main if rng.random() < _FOUND else image


def _number_line(plate: SeenPlate, rng: np.random.Generator) -> "Image":
    if rng.random() < _FOUND:
        line = find_lines(plate.image).main
        if line.shape[0] >= _LEAST_LINE_PX:
            return line
    level, corners = _levelled(plate.image, plate.main_corners, plate.main_corners, rng)
    height = max(4.0, corners[:, 1].max() - corners[:, 1].min())
    return _rows(level, corners[:, 1].min() - rng.uniform(0.02, 0.35) * height, corners[:, 1].max() + rng.uniform(0.02, 0.3) * height)


def _expiry_line(plate: SeenPlate, rng: np.random.Generator) -> "Image":
    """Half the crop's width, from below the number, as the reader takes it."""
    assert plate.expiry_corners is not None
    level, main = _levelled(plate.image, plate.main_corners, plate.main_corners, rng)
    _, expiry = _levelled(plate.image, plate.expiry_corners, plate.main_corners, None)
    height, bottom = main[:, 1].max() - main[:, 1].min(), main[:, 1].max()
    top = min(bottom + rng.uniform(-0.08, 0.1) * height, expiry[:, 1].min() - 1)
    part = _rows(level, top, max(bottom + rng.uniform(0.55, 0.9) * height, expiry[:, 1].max() + 1))
    half = 0.5 * part.shape[1]
    first = rng.uniform(min(expiry[:, 0].max() - half, expiry[:, 0].min()), expiry[:, 0].min())
    first = float(np.clip(first, 0, max(0.0, part.shape[1] - half)))
    return part[:, int(first) : int(first + half) + 1]


def _levelled(
    image: "Image", corners: "Sequence[Point]", level_by: "Sequence[Point]", rng: np.random.Generator | None
) -> "tuple[Image, NDArray[np.float64]]":
    """Columns moved so that the number's line is level, or nearly, and the corners with them."""
    a, b, c, d = (np.array(corner) for corner in level_by)
    slope = float(((b[1] - a[1]) + (c[1] - d[1])) / max(1.0, (b[0] - a[0]) + (c[0] - d[0])))
    middle = image.shape[1] / 2
    moved = np.array([(x, y - slope * (x - middle)) for x, y in corners])
    if rng is None:
        return image, moved
    slope += rng.normal(0, 0.015)
    matrix = np.array([[1, 0, 0], [-slope, 1, slope * middle]], dtype=np.float32)
    level: Image = cv2.warpAffine(image, matrix, (image.shape[1], image.shape[0]), borderMode=cv2.BORDER_REPLICATE)
    return level, moved


def _rows(image: "Image", top: float, bottom: float) -> "Image":
    first = int(np.clip(top, 0, max(0, image.shape[0] - _LEAST_LINE_PX)))
    return image[first : max(first + _LEAST_LINE_PX, int(np.ceil(bottom)))]
