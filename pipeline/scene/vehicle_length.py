"""How far ahead of its rear the front of a vehicle can be that is seen from behind, from its class and the width of its boxes.

A detector's class tells little about length: it calls a bus a car and a car a truck, in single frames or in all of them. The width tells
more: a box that is no wider than a car's at that place and heading holds no bus, and a wider one may hold anything.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from etle.geometry import distance
from etle.types import Point, Sighting, Track, TrackId, VehicleClass, View
from models.tracking.vehicle_class import vehicle_class_of
from pipeline.scene.calibration import LENGTH_M, Calibration
from pipeline.scene.passage import FrontOffset
from pipeline.scene.sighting_memory import remember

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


class FrontOffsetMemory:
    """Smallest, most probable and largest distance from a vehicle's foot to its front, in metres; zeros where the foot is the front.

    Remembers the latest track, and of each track how wide its boxes are.
    """

    def __init__(self, calibration: Calibration) -> None:
        self._calibration = calibration
        self._foot_is_front = calibration.matrix is None or calibration.view is View.FRONT
        self._latest: _ClassLength | None = None
        self._only: dict[TrackId, tuple[tuple[Sighting, ...], VehicleClass | None]] = {}
        self._widths: dict[TrackId, _BoxWidths] = {}

    def least(self, track: Track) -> FrontOffset:
        """As if the vehicle were no longer than its class: only the largest distance can be larger."""
        if self._foot_is_front:
            return FrontOffset(0.0, 0.0, 0.0)
        return self._class_length(track).least

    def of(self, track: Track) -> FrontOffset:
        if self._foot_is_front:
            return FrontOffset(0.0, 0.0, 0.0)
        known = self._class_length(track)
        if known.may_be_large:
            return known.least._replace(high=_MAX_NARROW_M if self._is_narrow(track) else _MAX_LARGE_M)
        if known.vehicle is VehicleClass.MOTORCYCLE or self._is_narrow(track) is not False:
            return known.least
        return known.least._replace(high=_MAX_LARGE_M)

    def _class_length(self, track: Track) -> "_ClassLength":
        if self._latest is None or self._latest.track is not track:
            only = self._only_class(track)
            vehicle = only or vehicle_class_of(track)
            may_be_large = vehicle in _LARGE if only else any(sighting.vehicle in _LARGE for sighting in track.sightings)
            length, u = LENGTH_M[vehicle]
            least = FrontOffset(_MIN_LARGE_M if may_be_large else length - _COVERAGE * u, length, length + _COVERAGE * u)
            self._latest = _ClassLength(track, vehicle, may_be_large, least)
        return self._latest

    def _only_class(self, track: Track) -> VehicleClass | None:
        """That of all sightings; None if they differ."""
        sightings, only = self._only.pop(track.id, ((), None))
        if not sightings or track.sightings[: len(sightings)] != sightings:
            sightings, only = (), track.first.vehicle
        if only is not None and any(sighting.vehicle is not only for sighting in track.sightings[len(sightings) :]):
            only = None
        remember(self._only, track.id, (track.sightings, only))
        return only

    def _is_narrow(self, track: Track) -> bool | None:
        widths = self._widths.pop(track.id, None)
        if widths is None or not widths.continues_with(track):
            widths = _BoxWidths(track, self._calibration)
        remember(self._widths, track.id, widths)
        return widths.is_narrow(track)


class _ClassLength(NamedTuple):
    """What the class of a track's vehicle tells of its front."""

    track: Track
    vehicle: VehicleClass
    may_be_large: bool
    least: FrontOffset


class _BoxWidths:
    """Those of a track's sightings while it moves, at most `_SAMPLES` of them, spread over the track."""

    def __init__(self, track: Track, calibration: Calibration) -> None:
        self._calibration = calibration
        self._every = _sampled_every(track)
        self._sightings: tuple[Sighting, ...] = ()
        self._knots: list[tuple[Sighting, Point]] = []
        self._poses: list[_Pose] = []
        self._is_narrow: bool | None = None

    def continues_with(self, track: Track) -> bool:
        return self._every == _sampled_every(track) and track.sightings[: len(self._sightings)] == self._sightings

    def is_narrow(self, track: Track) -> bool | None:
        """Whether its largest boxes are no wider than a car's; None if that cannot be measured."""
        taken = -(-len(self._sightings) // self._every) * self._every
        before = len(self._poses)
        for sighting in track.sightings[taken :: self._every]:
            self._add(sighting)
        self._sightings = track.sightings
        if len(self._poses) > before:
            largest = sorted(self._poses, key=lambda pose: -pose.sighting.box.height)[:_LARGEST]
            wider = sorted(pose.sighting.box.width > _car_width_px(pose, self._calibration) for pose in largest)
            self._is_narrow = not wider[len(wider) // 2] if len(wider) >= 3 else None
        return self._is_narrow

    def _add(self, sighting: Sighting) -> None:
        """A sighting counts if the vehicle moved before it, and is wide enough to measure."""
        foot = self._calibration.ground(sighting.box.foot)
        if self._knots:
            last, from_ = self._knots[-1]
            length = distance(from_, foot)
            if length < _HEADING_M:
                return
            if last.box.width >= _MIN_WIDTH_PX and last.box.x1 > _CUT_PX:
                self._poses.append(_Pose(last, from_, Point((foot.x - from_.x) / length, (foot.y - from_.y) / length)))
        self._knots.append((sighting, foot))


def _sampled_every(track: Track) -> int:
    return 1 + len(track.sightings) // _SAMPLES


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
