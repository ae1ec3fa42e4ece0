"""Predicts the box of a tracked vehicle and its standard error, and the cost of matching a detection to it.

Lengths are relative to the vehicle's size (the square root of its box's area) and times in seconds, so that the same constants hold for
near and distant vehicles at any frame rate.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from math import exp, hypot, log, sqrt
from operator import mul
from typing import TYPE_CHECKING

import numpy as np

from etle.types import Box, Detection, Sighting, Track

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FIT_S = 0.6
"""The motion is fitted to this time before the last sighting: a longer one would smooth out braking, a shorter one fits detector noise."""
_FIT_POINTS = 6
_MAX_SIGHTING_GAP_S = 2.5
"""Maximum gap of two sightings from which a motion is computed."""
_MEASUREMENT_STD = 0.12
"""Standard deviation of a detected box's centre, and of the logarithm of its sides."""
_UNKNOWN_SPEED_STD = 4.0
"""Standard deviation of the speed of a vehicle seen once, in sizes per second; two of them are a motorcycle crossing at 50 km/h."""
_MAX_ACCELERATION_STD = 2.0
"""Maximum standard deviation of the acceleration, in sizes per second squared: a car seen from the side that brakes at 4 m/s2."""
_STANDING_ACCELERATION_STD = 0.7
"""The same of a standing vehicle; it increases by the speed in sizes per second, up to the maximum."""
_MAX_CENTRE_STD = 2.5
_MAX_SIDE_STD = 0.6
"""Upper limits of the errors of a vehicle seen once, at any frame rate."""
_GROWTH_STD = 0.25
"""Error of the logarithm of the sides after a second; doubled where the growth is unknown."""
_CUT_GROWTH_STD = 2.0
"""The same of a box that the image border cut: its sides grew because more of the vehicle came into view."""
_MAX_EDGE_ERRORS, _OTHER_VEHICLE_COST = 3.0, 1e3
"""An edge that is so many standard errors from its place is another vehicle's, and what that costs. Asked of the edges that a vehicle at
the border shows: its box tells nothing else precisely."""
_MIN_MATCHING_OVERLAP, _OVERLAP_COST = 0.35, 10.0
"""A detection that overlaps a precise prediction by at least this costs at most `_OVERLAP_COST` * (1 - overlap), whatever its shape:
detectors box a motorcycle sometimes with and sometimes without its rider."""
_MAX_FOOT_OFFSET, _CONTAINMENT_WEIGHT = 0.12, 0.6
"""Boxes with lower edges at most this far apart, relative to their height, also overlap by this times their containment."""
_BORDER = 0.004
"""Distance from the image border, relative to the longer side, within which a box is cut off by it."""
_MIN_VISIBLE = 0.1
"""A vehicle has left if the predicted box has less than this fraction of its width or height inside the image."""
_MAX_LOG_GROWTH = 0.7
"""Boxes are predicted to shrink to half or grow to twice their size at most: more would be an error of the fit."""


@dataclass(frozen=True, slots=True)
class PredictedBox:
    """Predicted centre (pixels), logarithms of the sides, size (pixels), and standard errors (`centre_std` in sizes)."""

    x: float
    y: float
    log_width: float
    log_height: float
    size: float
    centre_std: float
    side_std: float
    edges: tuple[float | None, ...] = ()
    """Of a vehicle that the image border cut: left, top, right, bottom; None for those that it cut. Empty for other vehicles."""
    edge_std: float = 0.0
    """In sizes."""

    @property
    def box(self) -> Box:
        width, height = exp(self.log_width), exp(self.log_height)
        return Box(self.x - width / 2, self.y - height / 2, self.x + width / 2, self.y + height / 2)


def predict(track: Track, at: datetime, image_size: tuple[int, int] | None = None) -> PredictedBox:
    """Linear extrapolation of centre and logarithm of the sides from the latest sightings.

    `image_size`: width and height; if given, a box that the image border cut tells neither how the vehicle grows nor how fast its middle
    moves: of two vehicles that come into view side by side each keeps its own box.
    """
    last = track.last
    ahead_s = (at - last.captured_at).total_seconds()
    x, y, log_width, log_height = _shape(last.box)
    seen = _recent(track.sightings)
    span_s = (last.captured_at - seen[0].captured_at).total_seconds()
    size = sqrt(max(last.box.area, 1.0))
    if span_s <= 0:
        centre = min(_MEASUREMENT_STD + _UNKNOWN_SPEED_STD * ahead_s, _MAX_CENTRE_STD)
        side = min(_MEASUREMENT_STD + 2 * _GROWTH_STD * ahead_s, _MAX_SIDE_STD)
        return PredictedBox(x, y, log_width, log_height, size, centre, side)
    speed_x, speed_y, *growth = _slopes(seen, _shape)
    acceleration = min(_MAX_ACCELERATION_STD, _STANDING_ACCELERATION_STD + hypot(speed_x, speed_y) / size)
    grown = [max(-_MAX_LOG_GROWTH, min(_MAX_LOG_GROWTH, rate * ahead_s)) for rate in growth]
    cut = tuple(map(any, zip(*(_cut_edges(sighting.box, image_size) for sighting in seen), strict=True))) if image_size else ()
    unseen_speed = hypot(speed_x, speed_y) / size if any(cut) else 0.0
    std = _MEASUREMENT_STD * (1 + ahead_s / span_s) + acceleration * ahead_s**2 / 2
    return PredictedBox(
        x + speed_x * ahead_s,
        y + speed_y * ahead_s,
        log_width + grown[0],
        log_height + grown[1],
        size,
        std + unseen_speed * ahead_s,
        min(_MEASUREMENT_STD + (_CUT_GROWTH_STD if any(cut) else _GROWTH_STD) * ahead_s, _MAX_SIDE_STD),
        _predicted_edges(seen, ahead_s, cut, image_size) if image_size and any(cut) else (),
        std,
    )


def _predicted_edges(
    seen: Sequence[Sighting], ahead_s: float, cut: Sequence[bool], image_size: tuple[int, int]
) -> tuple[float | None, ...]:  # fmt: skip
    """As `PredictedBox.edges`; no farther than the border, which cuts them there."""
    edges = zip(seen[-1].box, _slopes(seen, tuple), cut, (*image_size, *image_size), strict=True)
    return tuple(None if is_cut else min(max(edge + slope * ahead_s, 0.0), border) for edge, slope, is_cut, border in edges)


def matching_cost(vehicles: Sequence[PredictedBox], detections: Sequence[Detection]) -> "NDArray[np.float64]":
    """vehicles x detections, float64: negative log-likelihood of each match, 0 for a detection exactly at a precise prediction.

    Includes the log-determinant term, so that uncertain predictions do not win assignments.
    """
    detected = np.array([_shape(detection.box) for detection in detections]).reshape(1, -1, 4)
    predicted = np.array([(v.x, v.y, v.log_width, v.log_height) for v in vehicles]).reshape(-1, 1, 4)
    size, centre, side = (np.array([getattr(v, name) for v in vehicles])[:, None] for name in ("size", "centre_std", "side_std"))
    squared = (detected - predicted) ** 2
    centre_term = (squared[..., 0] + squared[..., 1]) / (centre * size) ** 2
    side_term = (squared[..., 2] + squared[..., 3]) / side**2
    log_determinant = 2 * np.log(centre / _MEASUREMENT_STD) + 2 * np.log(side / _MEASUREMENT_STD)
    result: NDArray[np.float64] = (centre_term + side_term) / 2 + log_determinant
    overlap = _overlaps(detected, predicted)
    precise = (overlap > _MIN_MATCHING_OVERLAP) & (centre < 2.5 * _MEASUREMENT_STD)
    result = np.where(precise, np.minimum(result, _OVERLAP_COST * (1 - overlap)), result)
    for row, vehicle in enumerate(vehicles):
        if vehicle.edges:
            result[row] += [_OTHER_VEHICLE_COST * _shows_other_edge(vehicle, detection.box) for detection in detections]
    return result


def _shows_other_edge(vehicle: PredictedBox, box: Box) -> bool:
    """Whether an edge that the border did not cut is where the vehicle cannot have it."""
    largest = _MAX_EDGE_ERRORS * vehicle.edge_std * vehicle.size
    return any(edge is not None and abs(edge - seen) > largest for edge, seen in zip(vehicle.edges, box, strict=True))


def _overlaps(detected: "NDArray[np.float64]", predicted: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """vehicles x detections, 0 to 1: intersection over union; for boxes with the same lower edge at least a part of their containment.

    `detected`: 1 x detections x 4, `predicted`: vehicles x 1 x 4, centre and logarithms of the sides.
    """
    sides, detected_sides = np.exp(predicted[..., 2:]), np.exp(detected[..., 2:])
    low = np.maximum(predicted[..., :2] - sides / 2, detected[..., :2] - detected_sides / 2)
    high = np.minimum(predicted[..., :2] + sides / 2, detected[..., :2] + detected_sides / 2)
    shared = np.clip(high - low, 0, None).prod(axis=-1)
    areas, detected_areas = sides.prod(axis=-1), detected_sides.prod(axis=-1)
    foot_offset = np.abs(predicted[..., 1] + sides[..., 1] / 2 - detected[..., 1] - detected_sides[..., 1] / 2)
    same_foot = foot_offset < _MAX_FOOT_OFFSET * np.maximum(sides[..., 1], detected_sides[..., 1])
    containment = np.where(same_foot, _CONTAINMENT_WEIGHT * shared / np.minimum(areas, detected_areas), 0.0)
    overlaps: NDArray[np.float64] = np.maximum(shared / (areas + detected_areas - shared), containment)
    return overlaps


def has_left(track: Track, at: datetime, image_size: tuple[int, int]) -> bool:
    """Whether the vehicle, which was cut off by the image border when it was last detected, has left the image by now.

    A detection there is then another vehicle, even if its first box resembles the last one of this track. `image_size`: width, height.
    """
    last = track.last.box
    cut = _cut_edges(last, image_size)
    seen = _recent(track.sightings)
    if not any(cut) or seen[0] is track.last:
        return False
    ahead_s = (at - track.last.captured_at).total_seconds()
    x1, y1, x2, y2 = (slope * ahead_s for slope in _slopes(seen, tuple))
    width, height = (_MIN_VISIBLE * max(getattr(sighting.box, side) for sighting in seen) for side in ("width", "height"))
    gone = (
        x2 < 0 and last.x2 + x2 < width,
        y2 < 0 and last.y2 + y2 < height,
        x1 > 0 and last.x1 + x1 > image_size[0] - width,
        y1 > 0 and last.y1 + y1 > image_size[1] - height,
    )
    return any(at_edge and past for at_edge, past in zip(cut, gone, strict=True))


def _cut_edges(box: Box, image_size: tuple[int, int]) -> tuple[bool, bool, bool, bool]:
    """Whether the image border cuts the box: left, top, right, bottom."""
    border = _BORDER * max(image_size)
    return box.x1 <= border, box.y1 <= border, box.x2 >= image_size[0] - border, box.y2 >= image_size[1] - border


def _recent(sightings: Sequence[Sighting]) -> list[Sighting]:
    """Up to `_FIT_POINTS` sightings, spread evenly over `_FIT_S`; at least the last two, if their gap is small enough."""
    last = len(sightings) - 1
    first, start = last, sightings[last].captured_at - timedelta(seconds=_FIT_S)
    while first > 0 and sightings[first - 1].captured_at >= start:
        first -= 1
    if first == last > 0 and (sightings[last].captured_at - sightings[last - 1].captured_at).total_seconds() <= _MAX_SIGHTING_GAP_S:
        first -= 1
    count = len(sightings) - first
    if count <= _FIT_POINTS:
        return list(sightings[first:])
    step = (count - 1) / (_FIT_POINTS - 1)
    return [sightings[first + round(i * step)] for i in range(_FIT_POINTS)]


def _slopes(seen: Sequence[Sighting], shape: Callable[[Box], tuple[float, ...]]) -> list[float]:
    """Change per second of each value of `shape`, by least squares."""
    start = seen[0].captured_at
    times = [(sighting.captured_at - start).total_seconds() for sighting in seen]
    mean = sum(times) / len(times)
    offsets = [time - mean for time in times]
    spread = sum([offset**2 for offset in offsets])
    shapes = zip(*[shape(sighting.box) for sighting in seen], strict=True)
    return [sum(map(mul, offsets, values)) / spread for values in shapes]


@lru_cache(maxsize=4096)
def _shape(box: Box) -> tuple[float, float, float, float]:
    return (box.x1 + box.x2) / 2, (box.y1 + box.y2) / 2, log(max(box.width, 1.0)), log(max(box.height, 1.0))
