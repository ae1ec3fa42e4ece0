"""What the rules against stopping and parking have in common: a vehicle that stands in a zone, and traffic that flows beside it.

A queue stands, too. Where a zone reaches into a lane in which vehicles queue, `beside` names the lanes whose traffic shows that there is
no queue: a car, bus or truck must just have driven past the standing vehicle, and none may be standing in them.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Final

from pydantic import Field

from etle.clock import seconds_between
from etle.config import site as config
from etle.config.schedule import RuleSchedule
from etle.config.strict_yaml import Section
from etle.geometry import displacement_along, polygon_contains
from etle.types import Drawing, Finding, Point, RuleName, Sighting, Track, VehicleClass
from models.tracking.vehicle_class import vehicle_class_of
from pipeline.rules.approach import drawing_of
from pipeline.scene.calibration import Calibration
from pipeline.scene.judgement import Judgement, NotReported, Reason
from pipeline.scene.passage import COVERAGE
from pipeline.scene.scene import Rule, Scene, stood_for_s
from pipeline.scene.vehicle_kind import may_be
from pipeline.scene.zones import Stand, stand_in

_PASSED_S: Final = 4.0
_PASSED_M: Final = 10.0
"""A vehicle that drives so far within so many seconds does not creep in a queue: 9 km/h."""
_QUEUED_S: Final = 1.0
_BEGIN_S: Final = 2.0
"""From this on the frames of a stand are kept for its evidence."""


class StandSettings(Section):
    """`limit_s` is added by each rule."""

    zones: tuple[config.ZoneName, ...] = Field(min_length=1, description="The zones in which standing is forbidden.")
    schedule: RuleSchedule = Field(RuleSchedule(), description="Days and hours in which it is forbidden; always by default.")
    beside: tuple[config.LaneName, ...] = Field(
        (), description="Lanes in which traffic must flow past the vehicle, so that it does not stand in a queue."
    )
    exempt: tuple[VehicleClass, ...] = Field((), description="Classes that may stand there, such as bus at a stop.")


class StandRule(Rule):
    """Subclasses have a name and a limit."""

    name: RuleName

    def __init__(self, settings: StandSettings, limit_s: float, camera: config.CameraSettings, calibration: Calibration) -> None:
        self._settings = settings
        self._limit_s = limit_s
        self._calibration = calibration
        self._zones = tuple(camera.zone(name) for name in settings.zones)
        self._beside = tuple(camera.lane(name) for name in settings.beside)

    def judge(self, scene: Scene) -> tuple[Judgement, ...]:
        return tuple(self._judgements(scene))

    def drawing(self) -> Drawing:
        return drawing_of((), lanes=self._beside, zones=self._zones)

    def _judgements(self, scene: Scene) -> Iterator[Judgement]:
        for track in scene.tracks:
            stand = stand_in(track, self._zones, self._calibration)
            if stand is not None and stand.stood.value >= _BEGIN_S:
                outcome = self._outcome(track, stand, scene)
                lasts = isinstance(outcome, NotReported) and outcome.reason in (Reason.NOT_STOOD, Reason.IN_QUEUE)
                yield Judgement(rule=self.name, track=track.id, outcome=outcome, zone=stand.area, began_at=stand.since if lasts else None)

    def _outcome(self, track: Track, stand: Stand, scene: Scene) -> Finding | NotReported:
        if any(may_be(track, vehicle) for vehicle in self._settings.exempt):
            return NotReported(reason=Reason.CLASS_ALLOWED)
        if stand.stood.value - COVERAGE * (stand.stood.uncertainty or 0.0) < self._limit_s:
            return NotReported(reason=Reason.NOT_STOOD, measured=stand.stood, limit=self._limit_s)
        if not self._settings.schedule.holds_throughout(stand.since, track.last.captured_at, scene.timezone):
            return NotReported(reason=Reason.OUTSIDE_HOURS)
        if self._beside and not self._is_passed(track, stand, scene.tracks):
            return NotReported(reason=Reason.IN_QUEUE, measured=stand.stood)
        return Finding(
            rule=self.name,
            track=track.id,
            first_sequence=track.first.sequence,
            vehicle=vehicle_class_of(track),
            occurred_at=track.last.captured_at,
            measured=(stand.stood,),
            began_at=stand.since,
            facts=(("zone", stand.area),),
        )

    def _is_passed(self, track: Track, stand: Stand, tracks: Sequence[Track]) -> bool:
        """Whether a vehicle of a lane beside it just drove past it, and none stands in those lanes. Motorcycles filter past queues."""
        others = [other for other in tracks if other.id != track.id and not may_be(other, VehicleClass.MOTORCYCLE)]
        beside = [(lane, other) for lane in self._beside for other in others if polygon_contains(lane.corners, other.last.box.foot)]
        if any(stood_for_s(other, self._calibration) > _QUEUED_S for _, other in beside):
            return False
        return any(self._drove_past(lane, other, track, stand) for lane, other in beside)

    def _drove_past(self, lane: config.Lane, other: Track, track: Track, stand: Stand) -> bool:
        latest = max(stand.since, other.last.captured_at - timedelta(seconds=_PASSED_S))
        path = [each for each in other.sightings if each.captured_at >= latest and polygon_contains(lane.corners, each.box.foot)]
        if len(path) < 3 or seconds_between(other.last.captured_at, track.last.captured_at) > _QUEUED_S:
            return False
        start, end, own = (self._along(lane, sighting) for sighting in (path[0], path[-1], track.last))
        metre = self._calibration.metre(track.last)
        u = COVERAGE * self._calibration.foot_uncertainty(track.last)
        return end - start >= _PASSED_M * metre and start < own - u and end > own + u

    def _along(self, lane: config.Lane, sighting: Sighting) -> float:
        """Position of the foot along the lane's arrow, in the calibration's unit."""
        start, end = (self._calibration.ground(Point(*point)) for point in lane.along)
        return displacement_along(start, self._calibration.ground(sighting.box.foot), start, end)
