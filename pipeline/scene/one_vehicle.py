"""Whether a track that was lost for a while continued with the vehicle that it held before, by what vehicles can do on the road.

A tracker predicts boxes in the picture, where a distant road is a few pixels: a vehicle that went away and one that comes towards the
camera are there in the same place. On the road they drive in opposite directions, or are many metres apart.
"""

from collections.abc import Callable, Sequence
from math import hypot
from typing import Final, NamedTuple

from etle.clock import seconds_between
from etle.types import Sighting, Track
from pipeline.scene.calibration import Calibration

_FIT_S: Final = 0.8
_MIN_FIT_S: Final = 0.15
_ACCELERATION_M_S2: Final = 6.0
"""Hard braking; nobody accelerates as fast."""
_MOVING_M_S: Final = 2.0
_OPPOSITE: Final = -0.5
"""Cosine of the angle from which two directions are opposite: nobody turns round in the time for which a track may be lost."""
_SLACK_M: Final = 1.5
_JITTER_COVERAGE: Final = 3.5


class _RoadVelocity(NamedTuple):
    """That of a straight line through feet (m/s), with its standard deviation."""

    velocity_x: float
    velocity_y: float
    noise: float

    @property
    def speed_at_least(self) -> float:
        return hypot(self.velocity_x, self.velocity_y) - 2 * self.noise


def gap_check(calibration: Calibration) -> Callable[[Track, int], bool] | None:
    """Whether the sightings of a track from an index on can be of the vehicle before it. None without metres."""
    if calibration.unit != "m":
        return None

    def can_be_one(track: Track, index: int) -> bool:
        before, after = _near(track.sightings[:index][::-1], calibration)[::-1], _near(track.sightings[index:], calibration)
        if not before or not after:
            return True
        return _can_be_one(before, after, calibration)

    return can_be_one


def _near(sightings: Sequence[Sighting], calibration: Calibration) -> list[Sighting]:
    """Those within `_FIT_S` of the first that show a foot."""
    made: list[Sighting] = []
    for sighting in sightings:
        if abs(seconds_between(sightings[0].captured_at, sighting.captured_at)) > _FIT_S:
            break
        if calibration.shows_foot(sighting.box):
            made.append(sighting)
    return made


def _can_be_one(before: Sequence[Sighting], after: Sequence[Sighting], calibration: Calibration) -> bool:
    one, two = _velocity(before, before[-1], calibration), _velocity(after, after[0], calibration)
    gap_s = seconds_between(before[-1].captured_at, after[0].captured_at)
    known = [line for line in (one, two) if line is not None]
    if not known:
        return True
    if one is not None and two is not None and _are_opposite(one, two):
        return False
    start, end = calibration.ground(before[-1].box.foot), calibration.ground(after[0].box.foot)
    x, y = (sum(values) / len(known) for values in zip(*((line.velocity_x, line.velocity_y) for line in known), strict=True))
    off = hypot(end.x - start.x - gap_s * x, end.y - start.y - gap_s * y)
    driven = _ACCELERATION_M_S2 * gap_s**2 / (4 if len(known) == 2 else 2)
    jitter = hypot(calibration.foot_jitter(before[-1]), calibration.foot_jitter(after[0]), gap_s * max(line.noise for line in known))
    return off <= driven + _SLACK_M + _JITTER_COVERAGE * jitter


def _are_opposite(one: _RoadVelocity, two: _RoadVelocity) -> bool:
    if min(one.speed_at_least, two.speed_at_least) < _MOVING_M_S:
        return False
    along = one.velocity_x * two.velocity_x + one.velocity_y * two.velocity_y
    return along < _OPPOSITE * hypot(one.velocity_x, one.velocity_y) * hypot(two.velocity_x, two.velocity_y)


def _velocity(sightings: Sequence[Sighting], end: Sighting, calibration: Calibration) -> _RoadVelocity | None:
    """Least squares; None for too few sightings, or too short a time."""
    times = [seconds_between(end.captured_at, each.captured_at) for each in sightings]
    if len(times) < 3 or times[-1] - times[0] < _MIN_FIT_S:
        return None
    feet = [calibration.ground(each.box.foot) for each in sightings]
    mean = sum(times) / len(times)
    spread = sum((t - mean) ** 2 for t in times)
    velocity_x = sum((t - mean) * foot.x for t, foot in zip(times, feet, strict=True)) / spread
    velocity_y = sum((t - mean) * foot.y for t, foot in zip(times, feet, strict=True)) / spread
    noise = calibration.foot_jitter(end) / spread**0.5
    return _RoadVelocity(velocity_x, velocity_y, noise)
