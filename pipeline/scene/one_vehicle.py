"""Whether a track that was lost for a while continued with the vehicle that it held before, by what vehicles can do on the road.

A tracker predicts boxes in the picture, where a distant road is a few pixels: a vehicle that went away and one that comes towards the
camera are there in the same place. On the road they drive in opposite directions, or are many metres apart.
"""

from collections.abc import Callable, Sequence
from math import hypot, inf, log
from typing import Final, NamedTuple

from etle.clock import seconds_between
from etle.geometry import distance
from etle.types import Box, Point, Sighting, Track
from pipeline.scene.calibration import HEIGHT_M, Calibration
from pipeline.scene.camera_position import camera_position

_FIT_S: Final = 0.8
_MIN_FIT_S: Final = 0.15
_ACCELERATION_M_S2: Final = 6.0
"""Hard braking; nobody accelerates as fast."""
_MOVING_M_S: Final = 2.0
_OPPOSITE: Final = -0.5
"""Cosine of the angle from which two directions are opposite: nobody turns round in the time for which a track may be lost."""
_SLACK_M: Final = 1.5
_JITTER_COVERAGE: Final = 3.5
_LOST_PART: Final = 0.2
"""Change of the logarithm of height / width."""
_EDGE_PX, _MAX_UPPER_JITTER_M = 1.5, 0.5
"""Standard deviation of an edge of a box, and how much it may be on the road; an upper edge near the horizon tells nothing."""


class _RoadVelocity(NamedTuple):
    """That of a straight line through feet (m/s), with its standard deviation."""

    velocity_x: float
    velocity_y: float
    noise: float

    @property
    def speed_at_least(self) -> float:
        return hypot(self.velocity_x, self.velocity_y) - 2 * self.noise


class _RoadPlace(NamedTuple):
    """Of one sighting, in metres, with its standard deviation from frame to frame."""

    at: Point
    jitter: float


_Place = Callable[[Sighting], _RoadPlace]


def gap_check(calibration: Calibration) -> Callable[[Track, int], bool] | None:
    """Whether the sightings of a track from an index on can be of the vehicle before it. None without metres.

    Where the box lost or gained its lower part meanwhile, behind another vehicle, its upper edge may tell instead of the foot.
    """
    if calibration.unit != "m":
        return None
    upper_place = _upper_place(calibration)

    def foot_place(sighting: Sighting) -> _RoadPlace:
        return _RoadPlace(calibration.ground(sighting.box.foot), calibration.foot_jitter(sighting))

    def can_be_one(track: Track, index: int) -> bool:
        before, after = _near(track.sightings[:index][::-1], calibration)[::-1], _near(track.sightings[index:], calibration)
        if not before or not after or _can_be_one(before, after, foot_place):
            return True
        if upper_place is None or not _lost_lower_part(before[-1].box, after[0].box):
            return False
        near = all(upper_place(each).jitter < _MAX_UPPER_JITTER_M for each in (before[-1], after[0]))
        return near and _can_be_one(before, after, upper_place)

    return can_be_one


def _upper_place(calibration: Calibration) -> _Place | None:
    """What the upper edge of a vehicle tells of its place, up to a constant; None where the camera's height is unknown."""
    camera = camera_position(calibration)
    if camera is None:
        return None

    def place(sighting: Sighting) -> _RoadPlace:
        box, share = sighting.box, 1 - HEIGHT_M[sighting.vehicle][0] / camera.height
        if calibration.is_horizon_between(box.foot, Point(box.foot.x, box.y1 - _EDGE_PX)):
            return _RoadPlace(calibration.ground(box.foot), inf)
        at, above = (calibration.ground(Point(box.foot.x, y)) for y in (box.y1, box.y1 - _EDGE_PX))
        below = camera.below
        return _RoadPlace(Point(below.x + share * (at.x - below.x), below.y + share * (at.y - below.y)), share * distance(at, above))

    return place


def _lost_lower_part(one: Box, two: Box) -> bool:
    """Whether one of the boxes is much lower than the other, for its width."""
    one_shape, two_shape = (log(max(box.height, 1.0) / max(box.width, 1.0)) for box in (one, two))
    return abs(one_shape - two_shape) > _LOST_PART


def _near(sightings: Sequence[Sighting], calibration: Calibration) -> list[Sighting]:
    """Those within `_FIT_S` of the first that show a foot."""
    made: list[Sighting] = []
    for sighting in sightings:
        if abs(seconds_between(sightings[0].captured_at, sighting.captured_at)) > _FIT_S:
            break
        if calibration.shows_foot(sighting.box):
            made.append(sighting)
    return made


def _can_be_one(before: Sequence[Sighting], after: Sequence[Sighting], place: _Place) -> bool:
    one, two = _velocity(before, before[-1], place), _velocity(after, after[0], place)
    gap_s = seconds_between(before[-1].captured_at, after[0].captured_at)
    known = [line for line in (one, two) if line is not None]
    if not known:
        return True
    if one is not None and two is not None and _are_opposite(one, two):
        return False
    start, end = place(before[-1]), place(after[0])
    x, y = (sum(values) / len(known) for values in zip(*((line.velocity_x, line.velocity_y) for line in known), strict=True))
    off = hypot(end.at.x - start.at.x - gap_s * x, end.at.y - start.at.y - gap_s * y)
    driven = _ACCELERATION_M_S2 * gap_s**2 / (4 if len(known) == 2 else 2)
    jitter = hypot(start.jitter, end.jitter, gap_s * max(line.noise for line in known))
    return off <= driven + _SLACK_M + _JITTER_COVERAGE * jitter


def _are_opposite(one: _RoadVelocity, two: _RoadVelocity) -> bool:
    if min(one.speed_at_least, two.speed_at_least) < _MOVING_M_S:
        return False
    along = one.velocity_x * two.velocity_x + one.velocity_y * two.velocity_y
    return along < _OPPOSITE * hypot(one.velocity_x, one.velocity_y) * hypot(two.velocity_x, two.velocity_y)


def _velocity(sightings: Sequence[Sighting], end: Sighting, place: _Place) -> _RoadVelocity | None:
    """Least squares; None for too few sightings, or too short a time."""
    times = [seconds_between(end.captured_at, each.captured_at) for each in sightings]
    if len(times) < 3 or times[-1] - times[0] < _MIN_FIT_S:
        return None
    feet = [place(each).at for each in sightings]
    mean = sum(times) / len(times)
    spread = sum((t - mean) ** 2 for t in times)
    velocity_x = sum((t - mean) * foot.x for t, foot in zip(times, feet, strict=True)) / spread
    velocity_y = sum((t - mean) * foot.y for t, foot in zip(times, feet, strict=True)) / spread
    noise = place(end).jitter / spread**0.5
    return _RoadVelocity(velocity_x, velocity_y, noise)
