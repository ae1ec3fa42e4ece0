"""Standing in a yellow box: UU 22/2009 article 287(1) with 106(4)b."""

from collections.abc import Iterator
from typing import Final

from pydantic import Field

from etle.clock import seconds_between
from etle.config import site as config
from etle.config.strict_yaml import Section
from etle.geometry import distance, polygon_contains
from etle.types import Drawing, Finding, RuleName, Sighting, Track
from models.tracking.vehicle_class import vehicle_class_of
from pipeline.rules.approach import drawing_of
from pipeline.rules.rule_type import RuleType
from pipeline.scene.calibration import Calibration
from pipeline.scene.judgement import Judgement, NotReported, Reason
from pipeline.scene.passage import COVERAGE
from pipeline.scene.scene import Rule, Scene
from pipeline.scene.vehicle_motion import is_one_vehicle
from pipeline.scene.zones import Stand, is_certainly_in, may_be_in, stand_in

_BEFORE_S: Final = 1.5
"""The exit must have been blocked for so long when the vehicle entered: its driver saw it."""
_SLOW_M_S: Final = 1.0
_BEGIN_S: Final = 1.0


class YellowBox(Rule):
    """A vehicle enters the box while its exit is blocked, and stands in it.

    Measured: how long it has stood inside, and how long before it entered the exit had been blocked. Uncertainty: of the stand as in
    `stopping`. Who entered while the exit was free and was stopped in the box did nothing wrong; nor who waits to turn.
    """

    name: Final = RuleName("yellow_box")

    class Settings(Section):
        zone: config.ZoneName = Field(description="The box.")
        exit: config.ZoneName = Field(
            description="The zone behind the box that must have room for a vehicle: one vehicle length of its lanes."
        )
        waiting: tuple[config.ZoneName, ...] = Field((), description="Zones in the box in which vehicles may wait, such as to turn right.")
        limit_s: float = Field(5.0, gt=0, le=120, description="Who stands for a shorter time is not reported.")

    def __init__(self, settings: Settings, camera: config.CameraSettings, calibration: Calibration) -> None:
        self._settings = settings
        self._calibration = calibration
        self._box, self._exit = camera.zone(settings.zone), camera.zone(settings.exit)
        self._waiting = tuple(camera.zone(name) for name in settings.waiting)

    def judge(self, scene: Scene) -> tuple[Judgement, ...]:
        return tuple(self._judgements(scene))

    def drawing(self) -> Drawing:
        return drawing_of((), zones=(self._box, self._exit, *self._waiting))

    def _judgements(self, scene: Scene) -> Iterator[Judgement]:
        for track in scene.tracks:
            stand = stand_in(track, (self._box,), self._calibration)
            if stand is not None and stand.stood.value >= _BEGIN_S:
                outcome = self._outcome(track, stand, scene)
                lasts = isinstance(outcome, NotReported) and outcome.reason is Reason.NOT_STOOD
                yield Judgement(rule=self.name, track=track.id, outcome=outcome, zone=stand.area, began_at=stand.since if lasts else None)

    def _outcome(self, track: Track, stand: Stand, scene: Scene) -> Finding | NotReported:
        if any(may_be_in(area, track.last.box) for area in self._waiting):
            return NotReported(reason=Reason.MAY_WAIT)
        entered = self._entered(track)
        if entered is None:
            return NotReported(reason=Reason.FIRST_SEEN_INSIDE)
        if not is_one_vehicle(track, self._calibration, entered.captured_at, stand.since):
            return NotReported(reason=Reason.NOT_ONE_VEHICLE)
        blocked = [other for other in scene.tracks if other.id != track.id and self._blocked_at(other, entered)]
        if not blocked:
            return NotReported(reason=Reason.EXIT_FREE)
        if not any(self._blocks(other.last) for other in scene.tracks if other.id != track.id):
            return NotReported(reason=Reason.EXIT_FREE)
        if stand.stood.value - COVERAGE * (stand.stood.uncertainty or 0.0) < self._settings.limit_s:
            return NotReported(reason=Reason.NOT_STOOD, measured=stand.stood, limit=self._settings.limit_s)
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

    def _entered(self, track: Track) -> Sighting | None:
        """The last sighting that was certainly outside before the vehicle was inside; None if the track does not show it."""
        outside = None
        for sighting in track.sightings:
            if not may_be_in(self._box, sighting.box):
                outside = sighting
            elif outside is not None and is_certainly_in(self._box, sighting.box):
                return outside
        return None

    def _blocked_at(self, other: Track, entered: Sighting) -> bool:
        """Whether another vehicle stood in the exit, or crept in it, from before the driver entered the box."""
        near = [each for each in other.sightings if 0 <= seconds_between(each.captured_at, entered.captured_at) <= _BEFORE_S + 0.5]
        if len(near) < 2 or not all(self._blocks(each) for each in near):
            return False
        seconds = seconds_between(near[0].captured_at, near[-1].captured_at)
        moved = distance(*(self._calibration.ground(each.box.foot) for each in (near[0], near[-1])))
        slowest = _SLOW_M_S * self._calibration.metre(near[-1]) * seconds
        return seconds >= _BEFORE_S - 0.5 and moved <= slowest + self._calibration.foot_jitter(near[-1])

    def _blocks(self, sighting: Sighting) -> bool:
        return polygon_contains(self._exit.corners, sighting.box.foot)


YELLOW_BOX: Final = RuleType(
    name=YellowBox.name,
    summary="A vehicle enters a yellow box while its exit is blocked, and stands in it.",
    settings=YellowBox.Settings,
    build=YellowBox,
    act="standing",
    example="zone: zona, exit: keluar",
)
