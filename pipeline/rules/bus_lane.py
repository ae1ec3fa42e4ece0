"""Driving in a bus lane: UU 22/2009 article 287(1) with 106(4)a and b."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from pydantic import Field

from etle.clock import seconds_between
from etle.config import site as config
from etle.config.schedule import RuleSchedule
from etle.config.strict_yaml import Section
from etle.geometry import displacement_along
from etle.types import Drawing, Finding, Measurement, Point, RuleName, Sighting, Track, VehicleClass
from models.tracking.vehicle_class import vehicle_class_of
from pipeline.rules.approach import drawing_of
from pipeline.rules.rule_type import RuleType
from pipeline.scene.box_motion import whole_box_moved
from pipeline.scene.calibration import Calibration
from pipeline.scene.judgement import Judgement, NotReported, Reason
from pipeline.scene.passage import COVERAGE
from pipeline.scene.scene import Rule, Scene
from pipeline.scene.vehicle_kind import may_be
from pipeline.scene.vehicle_motion import is_one_vehicle
from pipeline.scene.zones import is_certainly_in

_MIN_SIGHTINGS: Final = 5


class BusLane(Rule):
    """A vehicle of a class that is not allowed drives a distance inside a lane.

    Measured: the distance driven along the lane's arrow on one unbroken path, with the whole lower edge of the box inside the lane.
    Uncertainty: of the foot at both ends; the limit must be exceeded by two standard uncertainties. A vehicle that was taken for an allowed
    class in a few frames is not reported: a minibus may be a bus, and buses and trucks are not told apart.
    """

    name: Final = RuleName("bus_lane")

    class Settings(Section):
        lanes: tuple[config.LaneName, ...] = Field(min_length=1, description="The lanes to which the rule applies.")
        allowed: tuple[VehicleClass, ...] = Field((VehicleClass.BUS,), description="Classes that may drive there.")
        distance_m: float = Field(20.0, gt=0, le=500, description="Minimum distance inside; without ground points a box is 1.5 m high.")
        schedule: RuleSchedule = Field(RuleSchedule(), description="Days and hours in which the lane is reserved; always by default.")

    def __init__(self, settings: Settings, camera: config.CameraSettings, calibration: Calibration) -> None:
        self._settings = settings
        self._calibration = calibration
        self._lanes = tuple(camera.lane(name) for name in settings.lanes)

    def judge(self, scene: Scene) -> tuple[Judgement, ...]:
        return tuple(judgement for track in (*scene.tracks, *scene.ended) for judgement in self._judgements(track, scene))

    def drawing(self) -> Drawing:
        return drawing_of((), lanes=self._lanes)

    def _judgements(self, track: Track, scene: Scene) -> Iterator[Judgement]:
        for lane in self._lanes:
            path = _latest_path(lane, track)
            if len(path) >= _MIN_SIGHTINGS:
                yield Judgement(rule=self.name, track=track.id, outcome=self._outcome(track, lane, path, scene), lane=lane.id)

    def _outcome(self, track: Track, lane: config.Lane, path: Sequence[Sighting], scene: Scene) -> Finding | NotReported:
        driven = self._driven(lane, path[0], path[-1])
        metre = self._calibration.metre(path[-1])
        limit = self._settings.distance_m * metre
        if driven.value - COVERAGE * (driven.uncertainty or 0.0) < limit:
            return NotReported(reason=Reason.TOO_SHORT, measured=driven, limit=limit)
        if vehicle_class_of(track) in self._settings.allowed:
            return NotReported(reason=Reason.CLASS_ALLOWED)
        if any(may_be(track, vehicle) for vehicle in self._settings.allowed):
            return NotReported(reason=Reason.CLASS_UNCERTAIN)
        if not whole_box_moved(track, track.sightings.index(path[0]), track.sightings.index(path[-1])):
            return NotReported(reason=Reason.BOX_MOVED_ONLY, measured=driven)
        if not is_one_vehicle(track, self._calibration, path[0].captured_at, path[-1].captured_at):
            return NotReported(reason=Reason.NOT_ONE_VEHICLE, measured=driven)
        occurred_at = self._reached_at(lane, path, limit)
        if not self._settings.schedule.holds_throughout(path[0].captured_at, occurred_at, scene.timezone):
            return NotReported(reason=Reason.OUTSIDE_HOURS)
        return Finding(
            rule=self.name,
            track=track.id,
            first_sequence=track.first.sequence,
            vehicle=vehicle_class_of(track),
            occurred_at=occurred_at,
            measured=(driven,),
        )

    def _driven(self, lane: config.Lane, first: Sighting, last: Sighting) -> Measurement:
        u = 2**0.5 * max(self._calibration.foot_uncertainty(sighting) for sighting in (first, last))
        return Measurement(name="in_lane", value=self._along(lane, first, last), unit=self._calibration.unit, uncertainty=u)

    def _along(self, lane: config.Lane, first: Sighting, last: Sighting) -> float:
        """In the direction of the lane's arrow: who drives against it breaks another rule."""
        ground = self._calibration.ground
        start, end = (ground(Point(*point)) for point in lane.along)
        return displacement_along(ground(first.box.foot), ground(last.box.foot), start, end)

    def _reached_at(self, lane: config.Lane, path: Sequence[Sighting], wanted: float) -> datetime:
        """When the distance was reached, interpolated linearly between two sightings."""
        for before, after in pairwise(path):
            short, far = self._along(lane, path[0], before), self._along(lane, path[0], after)
            if short < wanted <= far:
                fraction = (wanted - short) / (far - short)
                return before.captured_at + timedelta(seconds=seconds_between(before.captured_at, after.captured_at) * fraction)
        return path[-1].captured_at


def _latest_path(lane: config.Lane, track: Track) -> Sequence[Sighting]:
    """The last unbroken run of sightings inside the lane."""
    end = len(track.sightings)
    while end > 0 and not is_certainly_in(lane, track.sightings[end - 1].box):
        end -= 1
    start = end
    while start > 0 and is_certainly_in(lane, track.sightings[start - 1].box):
        start -= 1
    return track.sightings[start:end]


BUS_LANE: Final = RuleType(
    name=BusLane.name,
    summary="A vehicle of a class that is not allowed drives a distance inside a bus lane.",
    settings=BusLane.Settings,
    build=BusLane,
    example="lanes: [kiri]",
)
