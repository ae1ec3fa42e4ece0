"""Plane geometry of points, lines and areas. Plain numbers: no numpy, so that every role can use it.

Points are pixels or metres; a function does not care, but never mixes the two.
"""

from collections.abc import Sequence
from math import hypot

from etle.types import Box, Point


def side_distance(point: Point, start: Point, end: Point, beyond: Point) -> float:
    """Distance of `point` from the line through `start` and `end`: positive on the side of `beyond`, negative before the line."""
    across = _cross(start, end, point) / hypot(end.x - start.x, end.y - start.y)
    return across if _cross(start, end, beyond) > 0 else -across


def along_share(point: Point, start: Point, end: Point) -> float:
    """Where the foot of the perpendicular from `point` falls: 0 at `start`, 1 at `end`, outside of both beyond them."""
    length = (end.x - start.x) ** 2 + (end.y - start.y) ** 2
    return ((point.x - start.x) * (end.x - start.x) + (point.y - start.y) * (end.y - start.y)) / length


def contains(corners: Sequence[Point], point: Point) -> bool:
    """Whether `point` lies in the polygon (even-odd rule)."""
    inside = False
    before = corners[-1]
    for corner in corners:
        if (corner.y > point.y) != (before.y > point.y):
            x = corner.x + (point.y - corner.y) * (before.x - corner.x) / (before.y - corner.y)
            inside ^= point.x < x
        before = corner
    return inside


def between(first: Point, second: Point, share: float) -> Point:
    """The point at `share` of the way from `first` (0) to `second` (1)."""
    return Point(first.x + (second.x - first.x) * share, first.y + (second.y - first.y) * share)


def distance(first: Point, second: Point) -> float:
    return hypot(second.x - first.x, second.y - first.y)


def progress(first: Point, second: Point, start: Point, end: Point) -> float:
    """How far the way from `first` to `second` leads along the arrow from `start` to `end`; negative against it."""
    length = hypot(end.x - start.x, end.y - start.y)
    return ((second.x - first.x) * (end.x - start.x) + (second.y - first.y) * (end.y - start.y)) / length


def overlap(first: Box, second: Box) -> float:
    """Intersection over union, 0 to 1."""
    shared = shared_area(first, second)
    union = first.area + second.area - shared
    return shared / union if union > 0 else 0.0


def shared_area(first: Box, second: Box) -> float:
    width = min(first.x2, second.x2) - max(first.x1, second.x1)
    height = min(first.y2, second.y2) - max(first.y1, second.y1)
    return max(0.0, width) * max(0.0, height)


def within(box: Box, point: Point) -> bool:
    return box.x1 <= point.x < box.x2 and box.y1 <= point.y < box.y2


def _cross(start: Point, end: Point, point: Point) -> float:
    return (end.x - start.x) * (point.y - start.y) - (end.y - start.y) * (point.x - start.x)
