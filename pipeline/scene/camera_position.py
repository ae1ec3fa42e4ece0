"""Where a camera is above the road, from its ground points.

Of a camera with square pixels and its optical axis in the middle of the picture, the mapping of a plane tells focal length and position
(Zhang, A Flexible New Technique for Camera Calibration, 2000, section 3.1).
"""

from math import hypot, sqrt
from typing import Final, NamedTuple

from etle.types import Point
from pipeline.scene.calibration import Calibration

_MAX_FOCAL: Final = 20.0
"""Longest focal length, in picture widths. A mapping that gives a longer one, or none, says nothing about the position."""
_MIN_FOCAL: Final = 0.3

_Vector = tuple[float, float, float]


class CameraPosition(NamedTuple):
    """In metres. `below`: the point of the road below the camera."""

    below: Point
    height: float


def camera_position(calibration: Calibration) -> CameraPosition | None:
    """None without metres, and where they do not tell it: a camera that looks straight down, or ground points that are far off."""
    if calibration.matrix is None or calibration.frame_size is None:
        return None
    (a, b, c), (d, e, f), (g, h, i) = calibration.matrix
    width, height = calibration.frame_size
    to_picture = (
        (e * i - f * h, f * g - d * i, d * h - e * g),
        (c * h - b * i, a * i - c * g, b * g - a * h),
        (b * f - c * e, c * d - a * f, a * e - b * d),
    )
    east, north, origin = (((x - z * width / 2) / width, (y - z * height / 2) / width, z) for x, y, z in to_picture)
    focal = _focal_length(east, north)
    if focal is None:
        return None
    x_axis, y_axis, centre = (_straight(vector, focal) for vector in (east, north, origin))
    squared = _length(x_axis) * _length(y_axis)
    below = Point(-_dot(x_axis, centre) / squared, -_dot(y_axis, centre) / squared)
    return CameraPosition(below, abs(_dot(_cross(x_axis, y_axis), centre)) / squared**1.5)


def _focal_length(one: _Vector, two: _Vector) -> float | None:
    """In picture widths, from the pictures of two directions of the road that are at right angles and have the same scale."""
    conditions = (
        (2 * (one[0] * two[0] + one[1] * two[1]), 2 * one[2] * two[2]),
        (one[0] ** 2 + one[1] ** 2 - two[0] ** 2 - two[1] ** 2, one[2] ** 2 - two[2] ** 2),
    )
    weight = sum(depth**2 for _, depth in conditions)
    squared = -sum(plane * depth for plane, depth in conditions) / weight if weight else 0.0
    return sqrt(squared) if _MIN_FOCAL**2 < squared < _MAX_FOCAL**2 else None


def _straight(vector: _Vector, focal: float) -> _Vector:
    """The direction of what the picture shows there, relative to the camera."""
    return vector[0] / focal, vector[1] / focal, vector[2]


def _cross(one: _Vector, two: _Vector) -> _Vector:
    return one[1] * two[2] - one[2] * two[1], one[2] * two[0] - one[0] * two[2], one[0] * two[1] - one[1] * two[0]


def _dot(one: _Vector, two: _Vector) -> float:
    return sum(x * y for x, y in zip(one, two, strict=True))


def _length(vector: _Vector) -> float:
    return hypot(*vector)
