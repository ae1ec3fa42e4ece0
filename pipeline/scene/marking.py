"""A solid line along the road, and where vehicles are relative to it."""

from dataclasses import dataclass
from itertools import pairwise
from math import hypot
from typing import Final, NamedTuple

from etle.config import site as config
from etle.errors import ConfigError
from etle.geometry import distance
from etle.types import Point, Sighting
from pipeline.scene.calibration import Calibration

COVERAGE: Final = 2.0
_INSET: Final = 0.1
"""Fraction of a box's width by which detectors draw it wider than the vehicle's wheels."""
_U_PLACE_M: Final = 0.1
"""Standard uncertainty of the drawn marking and of the calibration across the road, in metres."""
_MIN_U_PX, _U_WIDTH = 1.5, 1 / 50
"""Standard uncertainty of a box's left or right edge: 1/50 of its width, at least 1.5 pixels."""
_MIN_U_FOOT_PX, _U_HEIGHT = 1.5, 1 / 50


class Place(NamedTuple):
    """One sighting of a vehicle, relative to a marking. `side`: 1 if all of its lower edge is certainly left of it, -1 if right, else 0."""

    side: int
    past: float
    """Distance of the foot left of the marking, in the calibration's unit; negative right of it."""
    along: float
    """Position of the foot along the marking, from its first point."""
    clear: float
    """Distance of the nearest end of the lower edge from the marking, on the side of the foot; negative if it reaches over it."""
    u: float
    """Standard uncertainty of `clear`."""


@dataclass(frozen=True, slots=True)
class MarkingOnRoad:
    """A marking of the site file in road coordinates. Left and right are those of its direction, seen from above."""

    calibration: Calibration
    course: tuple[Point, ...]
    crossable_side: int
    """1 or -1: the side from which vehicles may cross; 0 if from neither."""

    @classmethod
    def of(cls, marking: config.Marking, calibration: Calibration) -> "MarkingOnRoad":
        course = tuple(calibration.ground(Point(*point)) for point in marking.points)
        if any(distance(one, two) < 1e-9 for one, two in pairwise(course)):
            raise ConfigError(f"marking {marking.id!r}: two points that follow each other are the same")
        made = cls(calibration, course, 0)
        if marking.crossable_from is None:
            return made
        side = 1 if made.position(calibration.ground(Point(*marking.crossable_from)))[0] > 0 else -1
        return cls(calibration, course, side)

    @property
    def length(self) -> float:
        return sum(distance(one, two) for one, two in pairwise(self.course))

    def position(self, point: Point) -> tuple[float, float]:
        """Distance left of the marking (negative: right), and position along it. Before its first and beyond its last point it continues
        straight."""
        best: tuple[float, float, float] | None = None
        start_at, last = 0.0, len(self.course) - 2
        for number, (start, end) in enumerate(pairwise(self.course)):
            length = distance(start, end)
            x, y = (end.x - start.x) / length, (end.y - start.y) / length
            dx, dy = point.x - start.x, point.y - start.y
            along, left = dx * x + dy * y, dy * x - dx * y
            least, most = (-1e9 if number == 0 else 0.0), (1e9 if number == last else length)
            clamped = max(least, min(most, along))
            off = hypot(along - clamped, left)
            if best is None or off < best[0]:
                best = off, (off if left > 0 else -off), start_at + clamped
            start_at += length
        assert best is not None, "a marking has two points"
        return best[1], best[2]

    def place(self, sighting: Sighting) -> Place:
        box = sighting.box
        inset = _INSET * box.width
        past, along = self._at(box.foot)
        ends = [self._at(Point(x, box.y2))[0] for x in (box.x1 + inset, box.x2 - inset)]
        sign = 1 if past > 0 else -1
        clear = min(sign * end for end in ends)
        u = self._uncertainty(sighting, past)
        return Place(sign if clear > COVERAGE * u else 0, past, along, clear, u)

    def _at(self, pixel: Point) -> tuple[float, float]:
        return self.position(self.calibration.ground(pixel))

    def _uncertainty(self, sighting: Sighting, past: float) -> float:
        """Of the distance of the foot from the marking: of both coordinates of the pixel, mapped to the road, and of the marking's place.

        An error of the lower edge displaces the foot along the line of sight, which hardly matters where the marking runs along it.
        """
        box = sighting.box
        x_px, y_px = max(_MIN_U_PX, _U_WIDTH * box.width), max(_MIN_U_FOOT_PX, _U_HEIGHT * box.height)
        foot = box.foot
        by_x = self._at(Point(foot.x + x_px, foot.y))[0] - past
        by_y = self._at(Point(foot.x, foot.y - y_px))[0] - past
        place = _U_PLACE_M if self.calibration.unit == "m" else 1.0
        return hypot(by_x, by_y, place)
