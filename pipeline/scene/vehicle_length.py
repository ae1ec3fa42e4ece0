"""How far ahead of its rear the front of a vehicle can be that is seen from behind, from its class and the width of its boxes.

A detector's class tells little about length: it calls a bus a car and a car a truck, in single frames or in all of them. The width tells
more: a box that is no wider than a car's at that place and heading holds no bus, and a wider one may hold anything.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from etle.geometry import distance
from etle.types import Point, Sighting, Track, VehicleClass, View
from models.tracking.vehicle_class import vehicle_class_of
from pipeline.scene.calibration import LENGTH_M, Calibration
from pipeline.scene.passage import FrontOffset

_LARGE: Final = (VehicleClass.BUS, VehicleClass.TRUCK)
_MIN_LARGE_M, _MAX_LARGE_M = 3.5, 18.5
"""What is detected as a bus or truck is anything from a pick-up to an articulated bus or a trailer."""
_COVERAGE: Final = 2.5
_CAR_M: Final = (5.4, 2.15)
"""Length and width of the largest car, mirrors included. Buses, and trucks that are longer than _MAX_NARROW_M, are 2.3 to 2.5 m wide."""
_MAX_NARROW_M: Final = 7.0
"""Small trucks that are no wider than a car."""
_SAMPLES: Final = 40
_HEADING_M: Final = 1.5
"""Distance between two sightings from which a heading is taken."""
_LARGEST: Final = 7
_MIN_WIDTH_PX: Final = 25.0
"""Narrower boxes say nothing: their edges are uncertain by two pixels."""
_CUT_PX: Final = 2.0


class _Pose(NamedTuple):
    """A sighting, its foot on the road, and the unit vector of the direction in which it drove on."""

    sighting: Sighting
    foot: Point
    heading: Point


def front_range(track: Track, calibration: Calibration) -> FrontOffset:
    """Smallest, most probable and largest distance from the foot to the front, in metres; zeros where the foot is the front."""
    if calibration.matrix is None or calibration.view is View.FRONT:
        return FrontOffset(0.0, 0.0, 0.0)
    vehicle = vehicle_class_of(track)
    length, u = LENGTH_M[vehicle]
    may_be_large = any(sighting.vehicle in _LARGE for sighting in track.sightings)
    if vehicle is VehicleClass.MOTORCYCLE and not may_be_large:
        return FrontOffset(length - _COVERAGE * u, length, length + _COVERAGE * u)
    is_narrow = _is_narrow(track, calibration)
    if may_be_large:
        return FrontOffset(_MIN_LARGE_M, length, _MAX_NARROW_M if is_narrow else _MAX_LARGE_M)
    return FrontOffset(length - _COVERAGE * u, length, _MAX_LARGE_M if is_narrow is False else length + _COVERAGE * u)


def _is_narrow(track: Track, calibration: Calibration) -> bool | None:
    """Whether its largest boxes are no wider than a car's; None if that cannot be measured."""
    wider = sorted(
        pose.sighting.box.width > _car_width_px(pose, calibration)
        for pose in sorted(_poses(track, calibration), key=lambda pose: -pose.sighting.box.height)[:_LARGEST]
    )
    return not wider[len(wider) // 2] if len(wider) >= 3 else None


def _poses(track: Track, calibration: Calibration) -> Iterator[_Pose]:
    """Sightings of the moving vehicle that are wide enough to measure."""
    sampled = track.sightings[:: 1 + len(track.sightings) // _SAMPLES]
    knots: list[tuple[Sighting, Point]] = []
    for sighting in sampled:
        foot = calibration.ground(sighting.box.foot)
        if not knots or distance(knots[-1][1], foot) >= _HEADING_M:
            knots.append((sighting, foot))
    for (sighting, foot), (_, after) in pairwise(knots):
        if sighting.box.width >= _MIN_WIDTH_PX and sighting.box.x1 > _CUT_PX:
            length = distance(foot, after)
            yield _Pose(sighting, foot, Point((after.x - foot.x) / length, (after.y - foot.y) / length))


def _car_width_px(pose: _Pose, calibration: Calibration) -> float:
    """Width in the picture of the ground under the largest car with this rear and heading."""
    xs = [calibration.pixel(corner).x for corner in _corners(pose, *_CAR_M)]
    return max(xs) - min(xs)


def _corners(pose: _Pose, length: float, width: float) -> Sequence[Point]:
    foot, ahead = pose.foot, pose.heading
    return [
        Point(foot.x + along * ahead.x - across * ahead.y, foot.y + along * ahead.y + across * ahead.x)
        for along in (0.0, length)
        for across in (-width / 2, width / 2)
    ]
