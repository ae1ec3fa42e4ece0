"""The way that a vehicle drove, as points of its path that are far enough apart to tell its heading."""

from collections.abc import Sequence
from itertools import pairwise
from math import atan2, pi
from statistics import median
from typing import Final, NamedTuple

from etle.geometry import distance
from etle.types import Point, Sighting, Track, TrackId
from pipeline.scene.calibration import Calibration
from pipeline.scene.sighting_memory import remember

STEP_M: Final = 1.5
"""Distance between the points."""
MAX_JITTER_M: Final = 0.4
"""Where feet jitter more, headings over STEP_M say nothing."""


class Knot(NamedTuple):
    """A point of the path. `sighting`: its index in the track; `at`: the median of three feet, because single feet jump."""

    sighting: int
    at: Point


class PathMemory:
    """The knots of tracks, extended by the sightings that came since. Needs metres."""

    def __init__(self, calibration: Calibration) -> None:
        self._calibration = calibration
        self._known: dict[TrackId, tuple[tuple[Sighting, ...], list[Knot]]] = {}

    def of(self, track: Track) -> Sequence[Knot]:
        """All but the newest sighting, whose foot has no neighbour on one side yet."""
        sightings, knots = self._known.pop(track.id, ((), []))
        start = max(0, len(sightings) - 1)
        if track.sightings[: len(sightings)] != sightings:  # some have been thinned out since, or hidden ones left out
            start, knots = 0, []
        for index in range(start, len(track.sightings) - 1):
            if self._calibration.foot_jitter(track.sightings[index]) <= MAX_JITTER_M:
                at = self._median_foot(track.sightings, index)
                if not knots or distance(knots[-1].at, at) >= STEP_M:
                    knots.append(Knot(index, at))
        remember(self._known, track.id, (track.sightings, knots))
        return knots

    def _median_foot(self, sightings: Sequence[Sighting], index: int) -> Point:
        feet = [self._calibration.ground(each.box.foot) for each in sightings[max(0, index - 1) : index + 2]]
        return Point(median(foot.x for foot in feet), median(foot.y for foot in feet))


def heading(start: Point, end: Point) -> float:
    """Direction from one point to another, in radians."""
    return atan2(end.y - start.y, end.x - start.x)


def wrapped(angle: float) -> float:
    """The same angle between -pi and pi."""
    return (angle + pi) % (2 * pi) - pi


def bends(knots: Sequence[Knot]) -> list[float]:
    """Change of heading at each knot but the first and the last, in radians; positive to the left."""
    headings = [heading(one.at, two.at) for one, two in pairwise(knots)]
    return [wrapped(two - one) for one, two in pairwise(headings)]
