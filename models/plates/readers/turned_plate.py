"""Locates the number of a strongly turned plate in a loose box.

There the line detector may take edges of the fairing for the number's. So it looks from several starts, the area and a smaller one, each
also turned to either side, and follows each to a level crop. The corners of a number are found again where they were expected, and from
several starts; edges of a fairing seldom are.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from models.plates.readers.level_crop import drift, in_image, is_plausible, level_crop
from models.plates.readers.lines import LineDetector, line_size

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etle.types import Box, Image
    from models.plates.readers.lines import Corners

_TURNS_DEG = (0.0, -25.0, 25.0)
_SHARES = (1.0, 0.8)
"""Of the area's width and height."""
_TURNED_HEIGHT = 0.8
"""Height of a turned start relative to a level one: the plate is level in it."""
_ROUNDS = 3
_MAX_DRIFT, _SETTLED_DRIFT = 0.2, 0.15
"""Drift above which corners are not a number's, and from which another round would not improve them."""
_SAME_NUMBER = 0.35
"""Mean distance of the corners, in heights of the number, below which two starts found the same number."""
_SAME_SLOPE_DEG, _SAME_HEIGHT, _SAME_LINE = 10.0, 1.5, 0.5
"""Limits to the angle between two numbers on the same line, the ratio of their heights, and their distance across it in heights. The
smaller starts may cut characters off, so that they find a part of the number."""
_MIN_AGREEING = 2
_MAX_WIDTH = 1.15
"""Width of a number relative to the diagonal of the area."""


@dataclass(frozen=True, slots=True)
class LocatedNumber:
    """A number that was found again in the crop that its corners make level."""

    crop: "Image"
    """Level."""
    number: "Corners"
    """In pixels of the crop, 4 x 2."""
    in_image: "Corners"
    """In pixels of the image."""
    drift: float
    """Distance of the corners in the crop from where they were expected, in heights of the number."""

    def confirms(self, corners: "Corners") -> bool:
        """Whether these corners, in pixels of the image, are those of the same number."""
        return float(np.linalg.norm(self.in_image - corners, axis=1).mean()) < _SAME_NUMBER * line_size(self.in_image)[1]

    def is_along(self, corners: "Corners") -> bool:
        """Whether these corners are on the same line: one of both may be a part of the other."""
        height, other_height = line_size(self.in_image)[1], line_size(corners)[1]
        direction, other = _direction(self.in_image), _direction(corners)
        apart = self.in_image.mean(axis=0) - corners.mean(axis=0)
        beside = abs(float(apart[0] * other[1] - apart[1] * other[0]))
        alike = max(height, other_height) <= _SAME_HEIGHT * min(height, other_height)
        parallel = float(direction @ other) >= math.cos(math.radians(_SAME_SLOPE_DEG))
        return bool(alike and parallel and beside <= _SAME_LINE * other_height)


def locate_turned(image: "Image", area: "Box", detector: LineDetector) -> LocatedNumber | None:
    """None if no number is found again from two starts. Raises InferenceError."""
    followed = (_follow(image, crop, to_crop, detector) for crop, to_crop in _starts(image, area))
    found = [each for each in followed if each and _is_within(each.in_image, area)]
    agreeing = max((_agreeing(each, found) for each in found), key=_support, default=())
    best = min(agreeing, key=lambda each: each.drift, default=None)
    return best if best and len(agreeing) >= _MIN_AGREEING and best.drift <= _MAX_DRIFT else None


def _starts(image: "Image", area: "Box") -> "Iterator[tuple[Image, NDArray[np.float64]]]":
    """Crops around the centre of the area, and the 3 x 3 matrix from pixels of the image to those of each."""
    x, y = area.centre
    for share in _SHARES:
        for turn in _TURNS_DEG:
            width = max(8, round(share * area.width))
            height = max(6, round(share * area.height * (_TURNED_HEIGHT if turn else 1.0)))
            rotation = np.vstack([cv2.getRotationMatrix2D((x, y), turn, 1.0), (0, 0, 1)])
            matrix = np.array([[1, 0, width / 2 - x], [0, 1, height / 2 - y], [0, 0, 1]]) @ rotation
            yield cv2.warpPerspective(image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), matrix


def _follow(image: "Image", crop: "Image", to_crop: "NDArray[np.float64]", detector: LineDetector) -> LocatedNumber | None:
    """The number in the level crop in which it is best found again; None if none is found."""
    number, _ = detector.corners(crop)
    best: LocatedNumber | None = None
    for _ in range(_ROUNDS):
        if not is_plausible(number) or not _is_inside(corners := in_image(number, to_crop), image):
            break
        crop, to_crop = level_crop(image, corners)
        number, _ = detector.corners(crop)
        if not is_plausible(number):
            break
        found = LocatedNumber(crop, number, in_image(number, to_crop), drift(number, crop))
        best = min(best or found, found, key=lambda each: each.drift)
        if found.drift < _SETTLED_DRIFT:
            break
    return best


def _is_inside(corners: "Corners", image: "Image") -> bool:
    """Whether the number may be in the image; others would make huge crops."""
    width, height = line_size(corners)
    return bool(width <= image.shape[1] + image.shape[0] and height <= image.shape[0])


def _is_within(corners: "Corners", area: "Box") -> bool:
    x, y = corners.mean(axis=0)
    width, _ = line_size(corners)
    diagonal = math.hypot(area.width, area.height)
    return bool(area.x1 <= x <= area.x2 and area.y1 <= y <= area.y2 and width <= _MAX_WIDTH * diagonal)


def _agreeing(one: LocatedNumber, found: Sequence[LocatedNumber]) -> Sequence[LocatedNumber]:
    return [each for each in found if one.confirms(each.in_image)]


def _support(agreeing: Sequence[LocatedNumber]) -> float:
    return float(sum(np.exp(-each.drift / 0.1) for each in agreeing))


def _direction(corners: "Corners") -> "NDArray[np.float32]":
    """Unit vector along the number."""
    along = corners[1] + corners[2] - corners[0] - corners[3]
    unit: NDArray[np.float32] = along / max(1e-6, float(np.linalg.norm(along)))
    return unit
