"""Where a vehicle that was seen some times is now, and how wrong that may be.

Everything is measured in the vehicle's own size (the root of its box's area) and in seconds, so that one set of numbers serves near and
far vehicles at any frame rate.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import exp, hypot, log, sqrt
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
_ANY_SPEED = 4.0
"""Sizes a second, one sigma, of a vehicle that was seen once: twice that is a motorcycle crossing at 50 km/h, seen at an angle."""
_ACCELERATION = 2.0
"""Sizes per second squared, one sigma: a car that brakes at 4 m/s2 sideways, a motorcycle along the view."""
_STARTING = 0.7
"""The same of a vehicle that stands; one that rolls at so many sizes a second has so much more, up to that."""
_LOST = 2.5
_LOST_SIDE = 0.6
"""No more error than that is granted to a vehicle that was seen once, at however slow a rate."""
_GROWTH = 0.25
"""Error of the logarithm of its sides after a second; twice that where the growth is not known."""
_STILL_IT, _SAME_PLACE = 0.35, 10.0
"""A box that overlaps so much with where a vehicle surely should be is as surprising as it is apart from there, whatever its shape:
detectors draw a motorcycle now with its rider and now without."""
_FOOT, _WITHIN = 0.12, 0.6
_EDGE = 0.004
"""Of the picture's longer side: boxes that come so near to the edge are cut off by it."""
_SLIVER = 0.1
"""A vehicle of which so little would be left in the picture has gone."""
_FARTHEST_GROWTH = 0.7
"""No box is expected to shrink to less than half, or grow to more than twice: it would be a misread growth."""


@dataclass(frozen=True, slots=True)
class PredictedBox:
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


def expected(track: Track, at: datetime) -> PredictedBox:
    """Linear in place and in the logarithm of the sides, from the last half second of sightings."""
    last = track.last
    ahead_s = (at - last.captured_at).total_seconds()
    x, y, log_width, log_height = _shape(last.box)
    seen = _recent(track.sightings)
    span_s = (last.captured_at - seen[0].captured_at).total_seconds()
    size = sqrt(max(last.box.area, 1.0))
    if span_s <= 0:
        place, side = min(_TREMBLE + _ANY_SPEED * ahead_s, _LOST), min(_TREMBLE + 2 * _GROWTH * ahead_s, _LOST_SIDE)
        return PredictedBox(x, y, log_width, log_height, size, place, side)
    speed_x, speed_y, *growth = _slopes(seen, _shape)
    acceleration = min(_ACCELERATION, _STARTING + hypot(speed_x, speed_y) / size)
    grown = [max(-_FARTHEST_GROWTH, min(_FARTHEST_GROWTH, rate * ahead_s)) for rate in growth]
    return PredictedBox(
        x + speed_x * ahead_s,
        y + speed_y * ahead_s,
        log_width + grown[0],
        log_height + grown[1],
        size,
        _TREMBLE * (1 + ahead_s / span_s) + acceleration * ahead_s**2 / 2,
        _TREMBLE + _GROWTH * ahead_s,
    )


def matching_cost(vehicles: Sequence[PredictedBox], detections: Sequence[Detection]) -> "NDArray[np.float64]":
    """How little each detection (column) fits each vehicle (row): minus the logarithm of its likelihood, 0 for one just where a
    well-known vehicle should be. Vague expectations pay for their vagueness, or a newcomer would take what is somebody else's."""
    seen = np.array([_shape(detection.box) for detection in detections]).reshape(1, -1, 4)
    there = np.array([(v.x, v.y, v.log_width, v.log_height) for v in vehicles]).reshape(-1, 1, 4)
    size, place, side = (np.array([getattr(v, name) for v in vehicles])[:, None] for name in ("size", "place_error", "side_error"))
    off = (seen - there) ** 2
    misplaced = (off[..., 0] + off[..., 1]) / (place * size) ** 2
    misshapen = (off[..., 2] + off[..., 3]) / side**2
    result: NDArray[np.float64] = (misplaced + misshapen) / 2 + 2 * np.log(place / _TREMBLE) + 2 * np.log(side / _TREMBLE)
    shared = _overlaps(seen, there)
    known = (shared > _STILL_IT) & (place < 2.5 * _TREMBLE)
    return np.where(known, np.minimum(result, _SAME_PLACE * (1 - shared)), result)


def _overlaps(seen: "NDArray[np.float64]", there: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """How much each expected box (row) and each seen one (column) are one; both as centre and logarithms of the sides.

    Intersection over union; of two that stand on the same foot, a part of how far the smaller lies in the larger.
    """
    sides, seen_sides = np.exp(there[..., 2:]), np.exp(seen[..., 2:])
    low = np.maximum(there[..., :2] - sides / 2, seen[..., :2] - seen_sides / 2)
    high = np.minimum(there[..., :2] + sides / 2, seen[..., :2] + seen_sides / 2)
    shared = np.clip(high - low, 0, None).prod(axis=-1)
    areas, seen_areas = sides.prod(axis=-1), seen_sides.prod(axis=-1)
    foot_apart = np.abs(there[..., 1] + sides[..., 1] / 2 - seen[..., 1] - seen_sides[..., 1] / 2)
    on_one_foot = foot_apart < _FOOT * np.maximum(sides[..., 1], seen_sides[..., 1])
    within = np.where(on_one_foot, _WITHIN * shared / np.minimum(areas, seen_areas), 0.0)
    overlaps: NDArray[np.float64] = np.maximum(shared / (areas + seen_areas - shared), within)
    return overlaps


def has_left(track: Track, at: datetime, picture: tuple[int, int]) -> bool:
    """Whether the vehicle, last seen cut off by the picture's edge and on its way out, is past that edge by now.

    What enters there is another vehicle, however much its first box looks like the last one of this.
    """
    last = track.last.box
    reach = _EDGE * max(picture)
    cut = (last.x1 <= reach, last.y1 <= reach, last.x2 >= picture[0] - reach, last.y2 >= picture[1] - reach)
    seen = _recent(track.sightings)
    if not any(cut) or seen[0] is track.last:
        return False
    ahead_s = (at - track.last.captured_at).total_seconds()
    x1, y1, x2, y2 = (slope * ahead_s for slope in _slopes(seen, tuple))
    width, height = (_SLIVER * max(getattr(sighting.box, side) for sighting in seen) for side in ("width", "height"))
    gone = (
        x2 < 0 and last.x2 + x2 < width,
        y2 < 0 and last.y2 + y2 < height,
        x1 > 0 and last.x1 + x1 > picture[0] - width,
        y1 > 0 and last.y1 + y1 > picture[1] - height,
    )
    return any(at_edge and past for at_edge, past in zip(cut, gone, strict=True))


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


def _slopes(seen: Sequence[Sighting], shape: Callable[[Box], tuple[float, ...]]) -> list[float]:
    """Change a second of a box's numbers, by least squares."""
    start = seen[0].captured_at
    times = [(sighting.captured_at - start).total_seconds() for sighting in seen]
    mean = sum(times) / len(times)
    spread = sum((time - mean) ** 2 for time in times)
    shapes = zip(*(shape(sighting.box) for sighting in seen), strict=True)
    return [sum((time - mean) * value for time, value in zip(times, values, strict=True)) / spread for values in shapes]


def _shape(box: Box) -> tuple[float, float, float, float]:
    return (box.x1 + box.x2) / 2, (box.y1 + box.y2) / 2, log(max(box.width, 1.0)), log(max(box.height, 1.0))
