"""Where the lines of text are on a plate crop: the number, and the smaller expiry line below it, each straightened.

A finder's box is loose, and a plate on a motorcycle hangs at an angle, but a recogniser wants one level line and nothing else: the
expiry line in the picture costs a tenth of the plates. A small network tells the four corners of both lines, and each is looked at as
if from straight before it. It learned from drawn plates, whose corners are known (`models.training.lines`).
"""

from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from etle.errors import WeightsMissing
from etle.types import Digest
from models.runtime.onnx_session import OnnxSession

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etle.types import Image

    Corners = NDArray[np.float32]

WEIGHTS = "plate-lines"
INPUT = (128, 48)
"""Width and height of what the network sees: the whole crop."""
_AROUND_NUMBER = (0.3, 0.2)
"""What is kept before and behind a line, and above and below it, in heights of the line: corners are off by a twentieth of it."""
_AROUND_EXPIRY = (0.45, 0.3)
_LEAST_PX = (8.0, 4.0)
"""Width and height of a number below which there is none; then the upper part of the crop is taken as it is."""
_UPPER_PART = 0.7
_LEAST_EXPIRY_PX = 6.5
"""Height of digits that can be read."""


@dataclass(frozen=True, slots=True)
class PlateLines:
    main: "Image"
    expiry: "Image | None"
    """None if the crop ends with the number, or its digits are too small to be read."""


class LineDetector:
    def __init__(self, path: Path) -> None:
        """Raises WeightsMissing, WeightsError, MissingExtra."""
        try:
            weights = path.read_bytes()
        except FileNotFoundError as error:
            raise WeightsMissing(f"Weights {path} of the plate's lines are missing: etle brings them, install it anew") from error
        self.digest = Digest(sha256(weights).hexdigest())
        self._network = OnnxSession(weights, "the finder of a plate's lines")
        self._last: tuple[Image, PlateLines] | None = None

    def find(self, crop: "Image") -> PlateLines:
        """The same answer without another look if it is asked about the same crop again, as by the next reader. Raises InferenceError."""
        last = self._last
        if last is None or last[0] is not crop:
            self._last = last = (crop, self._find(crop))
        return last[1]

    def _find(self, crop: "Image") -> PlateLines:
        number, expiry = self.corners(crop)
        main = _straightened(crop, number, _AROUND_NUMBER, _LEAST_PX)
        if main is None:
            return PlateLines(crop[: max(1, round(_UPPER_PART * crop.shape[0]))], None)
        return PlateLines(main, _straightened(crop, expiry, _AROUND_EXPIRY, (_LEAST_EXPIRY_PX, _LEAST_EXPIRY_PX)))

    def corners(self, crop: "Image") -> "tuple[Corners, Corners]":
        """Of the number and of the expiry, in pixels of the crop, each from the upper left one clockwise; they may lie outside."""
        told = self._network.run(network_input(crop)[None])[0].reshape(2, 4, 2)
        number, expiry = told * np.array(crop.shape[1::-1], dtype=np.float32)
        return number, expiry


def network_input(crop: "Image") -> "NDArray[np.float32]":
    """3 x height x width, about 0."""
    blob: NDArray[np.float32] = cv2.resize(crop, INPUT, interpolation=cv2.INTER_AREA).astype(np.float32).transpose(2, 0, 1) / 127.5 - 1
    return blob


def find_lines(crop: "Image") -> PlateLines:
    """With the weights that ship. Raises WeightsMissing, WeightsError, MissingExtra, InferenceError."""
    return shipped_line_finder().find(crop)


@cache
def shipped_line_finder() -> LineDetector:
    from models.weights.locate import weight

    return LineDetector(weight(WEIGHTS))


def straight(crop: "Image", corners: "Corners", around: tuple[float, float]) -> "Image":
    """The quadrilateral as a rectangle of its own size, and some of what is around it, in heights: along the line and across it."""
    width, height = _size(corners)
    x, y = around[0] * height, around[1] * height
    size = (max(1, round(width + 2 * x)), max(1, round(height + 2 * y)))
    inside = np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]], dtype=np.float32)
    matrix = cv2.getPerspectiveTransform(corners.astype(np.float32), inside)
    line: Image = cv2.warpPerspective(crop, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return line


def _straightened(crop: "Image", corners: "Corners", around: tuple[float, float], least: tuple[float, float]) -> "Image | None":
    """None if it is too small, or its middle is not in the crop."""
    width, height = _size(corners)
    x, y = corners.mean(axis=0)
    inside = 0 <= x < crop.shape[1] and 0 <= y < crop.shape[0]
    if not inside or width < least[0] or height < least[1] or not cv2.isContourConvex(corners.astype(np.float32)):
        return None
    return straight(crop, corners, around)


def _size(corners: "Corners") -> tuple[float, float]:
    """Mean of both sides."""
    a, b, c, d = corners
    width = (np.linalg.norm(b - a) + np.linalg.norm(c - d)) / 2
    height = (np.linalg.norm(d - a) + np.linalg.norm(c - b)) / 2
    return float(width), float(height)
