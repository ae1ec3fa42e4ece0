"""Detects the text lines in a plate crop, the number and the smaller expiry line below it, and rectifies them.

Detected plate boxes have margins, and plates on motorcycles are seen at an angle, but a recogniser needs one horizontal line without other
text: with the expiry line in the image a tenth of the plates is misread. A small network predicts the four corners of both lines. It is
trained on rendered plates, whose corners are known (`models.training.lines`).
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
"""Width and height of the network's input, into which the whole crop is scaled."""
_NUMBER_MARGIN = (0.3, 0.2)
"""Margins along and across the line, in line heights: the mean error of a corner is a twentieth of the height."""
_EXPIRY_MARGIN = (0.45, 0.3)
_MIN_NUMBER_PX = (8.0, 4.0)
"""Minimum width and height of a number line; below it the upper part of the crop is used unrectified."""
_UPPER_FRACTION = 0.7
_MIN_EXPIRY_PX = 6.5
"""Minimum width and height of a legible expiry line."""


@dataclass(frozen=True, slots=True)
class PlateLines:
    main: "Image"
    expiry: "Image | None"
    """None if the crop shows no expiry line, or its digits are too small to be read."""


class LineDetector:
    """Keeps the last results, because several readers ask for the lines of the same crop."""

    def __init__(self, path: Path) -> None:
        """Raises WeightsMissing, WeightsError, MissingExtra."""
        try:
            weights = path.read_bytes()
        except FileNotFoundError as error:
            raise WeightsMissing(f"Weights {path} of the plate line detector are missing: they are part of etle, reinstall it") from error
        self.digest = Digest(sha256(weights).hexdigest())
        self._network = OnnxSession(weights, "plate line detector")
        self._last: tuple[Image, PlateLines] | None = None
        self._last_corners: tuple[Image, tuple[Corners, Corners]] | None = None

    def detect(self, crop: "Image") -> PlateLines:
        """`crop`: height x width x 3, uint8, BGR. Raises InferenceError."""
        last = self._last
        if last is None or last[0] is not crop:
            self._last = last = (crop, self._detect(crop))
        return last[1]

    def _detect(self, crop: "Image") -> PlateLines:
        number, expiry = self.corners(crop)
        main = _rectify_if_plausible(crop, number, _NUMBER_MARGIN, _MIN_NUMBER_PX)
        if main is None:
            return PlateLines(crop[: max(1, round(_UPPER_FRACTION * crop.shape[0]))], None)
        return PlateLines(main, _rectify_if_plausible(crop, expiry, _EXPIRY_MARGIN, (_MIN_EXPIRY_PX, _MIN_EXPIRY_PX)))

    def corners(self, crop: "Image") -> "tuple[Corners, Corners]":
        """Corners of the number and of the expiry, each 4 x 2, float32, in pixels of the crop, clockwise from the upper left.

        They may lie outside the crop.
        """
        last = self._last_corners
        if last is None or last[0] is not crop:
            relative = self._network.run(network_input(crop)[None])[0].reshape(2, 4, 2)
            number, expiry = relative * np.array(crop.shape[1::-1], dtype=np.float32)
            self._last_corners = last = (crop, (number, expiry))
        return last[1]


def network_input(crop: "Image") -> "NDArray[np.float32]":
    """3 x height x width, float32, -1 to 1."""
    blob: NDArray[np.float32] = cv2.resize(crop, INPUT, interpolation=cv2.INTER_AREA).astype(np.float32).transpose(2, 0, 1) / 127.5 - 1
    return blob


def detect_lines(crop: "Image") -> PlateLines:
    """Detect with the shipped weights. Raises WeightsMissing, WeightsError, MissingExtra, InferenceError."""
    return shipped_line_detector().detect(crop)


@cache
def shipped_line_detector() -> LineDetector:
    from models.weights.locate import weight

    return LineDetector(weight(WEIGHTS))


def rectify(crop: "Image", corners: "Corners", margin: tuple[float, float]) -> "Image":
    """The quadrilateral (`corners`: 4 x 2) as a rectangle of its mean size; `margin` along and across the line in line heights."""
    width, height = line_size(corners)
    x, y = margin[0] * height, margin[1] * height
    size = (max(1, round(width + 2 * x)), max(1, round(height + 2 * y)))
    inside = np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]], dtype=np.float32)
    matrix = cv2.getPerspectiveTransform(corners.astype(np.float32), inside)
    line: Image = cv2.warpPerspective(crop, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return line


def _rectify_if_plausible(crop: "Image", corners: "Corners", margin: tuple[float, float], min_px: tuple[float, float]) -> "Image | None":
    """None if the line is smaller than `min_px` (width, height), not convex, or its centre is outside the crop."""
    width, height = line_size(corners)
    x, y = corners.mean(axis=0)
    inside = 0 <= x < crop.shape[1] and 0 <= y < crop.shape[0]
    if not inside or width < min_px[0] or height < min_px[1] or not cv2.isContourConvex(corners.astype(np.float32)):
        return None
    return rectify(crop, corners, margin)


def line_size(corners: "Corners") -> tuple[float, float]:
    """Mean width and height of the quadrilateral."""
    a, b, c, d = corners
    width = (np.linalg.norm(b - a) + np.linalg.norm(c - d)) / 2
    height = (np.linalg.norm(d - a) + np.linalg.norm(c - b)) / 2
    return float(width), float(height)
