"""Plane geometry of points, lines and areas in plain Python, so that every role can use it without numpy.

Coordinates are pixels or metres; a call never mixes the two.
"""

from collections.abc import Sequence
from math import hypot

from etle.types import Box, Point


def signed_distance(point: Point, start: Point, end: Point, beyond: Point) -> float:
    """Distance of `point` from the line through `start` and `end`: positive on the side of `beyond`, negative on the other side."""
    across = _cross(start, end, point) / hypot(end.x - start.x, end.y - start.y)
    return across if _cross(start, end, beyond) > 0 else -across


def fraction_along(point: Point, start: Point, end: Point) -> float:
    """Where the perpendicular projection of `point` lies on the line: 0 at `start`, 1 at `end`, below 0 or above 1 outside of them."""
    length = (end.x - start.x) ** 2 + (end.y - start.y) ** 2
    return ((point.x - start.x) * (end.x - start.x) + (point.y - start.y) * (end.y - start.y)) / length


def polygon_contains(corners: Sequence[Point], point: Point) -> bool:
    """Whether `point` lies in the polygon (even-odd rule)."""
    inside = False
    before = corners[-1]
    for corner in corners:
        if (corner.y > point.y) != (before.y > point.y):
            x = corner.x + (point.y - corner.y) * (before.x - corner.x) / (before.y - corner.y)
            inside ^= point.x < x
        before = corner
    return inside


def distance(first: Point, second: Point) -> float:
    return hypot(second.x - first.x, second.y - first.y)


def displacement_along(first: Point, second: Point, start: Point, end: Point) -> float:
    """Component of the displacement from `first` to `second` in the direction from `start` to `end`; negative against it."""
    length = hypot(end.x - start.x, end.y - start.y)
    return ((second.x - first.x) * (end.x - start.x) + (second.y - first.y) * (end.y - start.y)) / length


def iou(first: Box, second: Box) -> float:
    """Intersection over union, 0 to 1; 0 for two boxes without area."""
    intersection = intersection_area(first, second)
    union = first.area + second.area - intersection
    return intersection / union if union > 0 else 0.0


def intersection_area(first: Box, second: Box) -> float:
    width = min(first.x2, second.x2) - max(first.x1, second.x1)
    height = min(first.y2, second.y2) - max(first.y1, second.y1)
    return max(0.0, width) * max(0.0, height)


def box_contains(box: Box, point: Point) -> bool:
    """Whether `point` lies in the box; the left and upper edges belong to it, the right and lower ones do not."""
    return box.x1 <= point.x < box.x2 and box.y1 <= point.y < box.y2


def _cross(start: Point, end: Point, point: Point) -> float:
    return (end.x - start.x) * (point.y - start.y) - (end.y - start.y) * (point.x - start.x)
