"""Where a vehicle that was seen some times is now, and how wrong that may be.

Everything is measured in the vehicle's own size (the root of its box's area) and in seconds, so that one set of numbers serves near and
far vehicles at any frame rate.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import exp, log, sqrt
from typing import TYPE_CHECKING

import numpy as np

from etle.types import Box, Detection, Sighting, Track

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FIT_S = 0.6
"""The motion is that of so many seconds before the last sighting: longer averages braking away, shorter is the detector's tremble."""
_FIT_POINTS = 6
_NEAREST_S = 2.5
"""Two sightings farther apart than this tell no motion."""
_TREMBLE = 0.12
"""Standard error of a box's centre, and of the logarithm of its sides."""
_ANY_SPEED = 3.0
"""Sizes a second, one sigma, of a vehicle that was seen once: 2.5 of these are a motorcycle crossing at 50 km/h, seen at an angle."""
_ACCELERATION = 1.5
"""Sizes per second squared, one sigma: a car that brakes at 4 m/s2 sideways, a motorcycle along the view."""
_LOST_AT = 2.0
"""No vehicle may be looked for farther away than with this error, however long it is hidden."""
_GROWTH = 0.25
"""Error of the logarithm of its sides after a second; twice that where the growth is not known."""
_FARTHEST_GROWTH = 0.7
"""No box is expected to shrink to less than half, or grow to more than twice: it would be a misread growth."""


@dataclass(frozen=True, slots=True)
class Expected:
    """A vehicle at one moment: centre, logarithms of the box's sides, and standard errors in its own sizes."""

    x: float
    y: float
    log_width: float
    log_height: float
    size: float
    place_error: float
    side_error: float

    @property
    def box(self) -> Box:
        width, height = exp(self.log_width), exp(self.log_height)
        return Box(self.x - width / 2, self.y - height / 2, self.x + width / 2, self.y + height / 2)


def expected(track: Track, at: datetime) -> Expected:
    """Linear in place and in the logarithm of the sides, from the last half second of sightings."""
    last = track.last
    ahead_s = (at - last.captured_at).total_seconds()
    x, y, log_width, log_height = _shape(last.box)
    seen = _recent(track.sightings)
    span_s = (last.captured_at - seen[0].captured_at).total_seconds()
    size = sqrt(max(last.box.area, 1.0))
    if span_s <= 0:
        place, side = _TREMBLE + _ANY_SPEED * ahead_s, _TREMBLE + 2 * _GROWTH * ahead_s
        return Expected(x, y, log_width, log_height, size, min(place, _LOST_AT), side)
    dx, dy, grow_w, grow_h = (slope * ahead_s for slope in _slopes(seen))
    limit = _FARTHEST_GROWTH
    place = _TREMBLE * (1 + ahead_s / span_s) + _ACCELERATION * ahead_s**2 / 2
    return Expected(
        x + dx,
        y + dy,
        log_width + max(-limit, min(limit, grow_w)),
        log_height + max(-limit, min(limit, grow_h)),
        size,
        min(place, _LOST_AT),
        _TREMBLE + _GROWTH * ahead_s,
    )


def surprise(vehicles: Sequence[Expected], detections: Sequence[Detection]) -> "NDArray[np.float64]":
    """How little each detection (column) fits each vehicle (row): minus the logarithm of its likelihood, 0 for one just where a
    well-known vehicle should be. Vague expectations pay for their vagueness, or a newcomer would take what is somebody else's."""
    seen = np.array([_shape(detection.box) for detection in detections]).reshape(1, -1, 4)
    there = np.array([(v.x, v.y, v.log_width, v.log_height) for v in vehicles]).reshape(-1, 1, 4)
    size, place, side = (np.array([getattr(v, name) for v in vehicles])[:, None] for name in ("size", "place_error", "side_error"))
    off = (seen - there) ** 2
    misplaced = (off[..., 0] + off[..., 1]) / (place * size) ** 2
    misshapen = (off[..., 2] + off[..., 3]) / side**2
    result: NDArray[np.float64] = (misplaced + misshapen) / 2 + np.log(place / _TREMBLE) + np.log(side / _TREMBLE)
    return result


def _recent(sightings: Sequence[Sighting]) -> list[Sighting]:
    """At most a handful, spread evenly over the time the motion is taken from; the last two at least, if they are near enough."""
    end = sightings[-1].captured_at
    first = len(sightings) - 1
    while first > 0 and (end - sightings[first - 1].captured_at).total_seconds() <= _FIT_S:
        first -= 1
    if first == len(sightings) - 1 and first > 0 and (end - sightings[first - 1].captured_at).total_seconds() <= _NEAREST_S:
        first -= 1
    count = len(sightings) - first
    if count <= _FIT_POINTS:
        return list(sightings[first:])
    step = (count - 1) / (_FIT_POINTS - 1)
    return [sightings[first + round(i * step)] for i in range(_FIT_POINTS)]


def _slopes(seen: Sequence[Sighting]) -> list[float]:
    """Change a second of centre and log sides, by least squares."""
    start = seen[0].captured_at
    times = [(sighting.captured_at - start).total_seconds() for sighting in seen]
    mean = sum(times) / len(times)
    spread = sum((time - mean) ** 2 for time in times)
    shapes = zip(*(_shape(sighting.box) for sighting in seen), strict=True)
    return [sum((time - mean) * value for time, value in zip(times, values, strict=True)) / spread for values in shapes]


def _shape(box: Box) -> tuple[float, float, float, float]:
    return (box.x1 + box.x2) / 2, (box.y1 + box.y2) / 2, log(max(box.width, 1.0)), log(max(box.height, 1.0))
