"""Where a vehicle is against an area of the site file, and how long it has been standing in one.

The middle of a box's lower edge is not where the wheels are, above all for a vehicle seen at an angle: whether a vehicle is inside an area
is decided by the whole lower edge, and what lies on the border is neither certainly inside nor certainly outside.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Protocol

from etle.clock import seconds_between
from etle.geometry import iou, polygon_contains
from etle.types import Box, Measurement, Point, Sighting, Track
from pipeline.scene.calibration import Calibration
from pipeline.scene.scene import stand_uncertainty_s, stood_for_s

_EDGE = 0.1
"""Part of the lower edge, on each side, that a detector draws beyond the vehicle."""
_SAME_PLACE = 0.5
"""Intersection over union with the latest boxes from which a vehicle is in its place."""
_MAX_HIDDEN_S = 2.5
"""A vehicle that is not seen in its place for longer may have been another one before."""
_LATEST = 16
_MAX_BOXES = 60


class RoadArea(Protocol):
    """A zone or a lane of the site file."""

    @property
    def id(self) -> str: ...

    @property
    def corners(self) -> tuple[Point, ...]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """A vehicle that stands in an area at the end of its track. `stood`: for how long inside it, in seconds."""

    area: str
    stood: Measurement
    since: datetime


def is_certainly_in(area: RoadArea, box: Box) -> bool:
    """Whether the lower edge of the box lies inside."""
    return all(polygon_contains(area.corners, point) for point in _lower_edge(box))


def may_be_in(area: RoadArea, box: Box) -> bool:
    """Whether any part of the lower edge lies inside."""
    return any(polygon_contains(area.corners, point) for point in _lower_edge(box))


def stand_in(track: Track, areas: Sequence[RoadArea], calibration: Calibration) -> Stand | None:
    """None if the vehicle moves, or does not certainly stand in one of the areas."""
    near = [area for area in areas if polygon_contains(area.corners, track.last.box.foot)]
    stood_s = stood_for_s(track, calibration) if near else 0.0
    if stood_s <= 0:
        return None
    standing = _standing(track.sightings, track.last.captured_at - timedelta(seconds=stood_s), near)
    area = next((each for each in near if is_certainly_in(each, _median_box(standing))), None)
    if area is None:
        return None
    since = standing[0].captured_at
    stood = Measurement(
        name="stood",
        value=seconds_between(since, track.last.captured_at),
        unit="s",
        uncertainty=stand_uncertainty_s(track, calibration),
    )
    return Stand(area=area.id, stood=stood, since=since)


def _standing(sightings: Sequence[Sighting], since: datetime, areas: Sequence[RoadArea]) -> Sequence[Sighting]:
    """The sightings from that moment on in which the vehicle stood where it stands now, without those in which it was half hidden."""
    place = _median_box(sightings[-_LATEST:])
    standing = [sightings[-1]]
    for sighting in reversed(sightings[:-1]):
        if sighting.captured_at < since or seconds_between(sighting.captured_at, standing[-1].captured_at) > _MAX_HIDDEN_S:
            break
        if iou(place, sighting.box) >= _SAME_PLACE and any(polygon_contains(area.corners, sighting.box.foot) for area in areas):
            standing.append(sighting)
    return standing[::-1]


def _lower_edge(box: Box) -> tuple[Point, Point, Point]:
    return Point(box.x1 + _EDGE * box.width, box.y2), box.foot, Point(box.x2 - _EDGE * box.width, box.y2)


def _median_box(sightings: Sequence[Sighting]) -> Box:
    """Edge by edge, of boxes spread over them."""
    boxes = [sighting.box for sighting in sightings[:: 1 + len(sightings) // _MAX_BOXES]]
    return Box(*(median(box[edge] for box in boxes) for edge in range(4)))
