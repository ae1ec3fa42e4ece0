"""Red light: UU 22/2009 article 287(2) with 106(4)c."""

from typing import Final

from pydantic import Field

from etle.clock import seconds_between
from etle.config import site as config
from etle.config.strict_yaml import Section
from etle.types import Drawing, Finding, Measurement, RuleName, SignalId, Track, VehicleClass
from models.tracking.vehicle_class import vehicle_class_of
from pipeline.rules.approach import approach_to_junction, drawing_of, proven_red, too_young
from pipeline.rules.rule_type import RuleType
from pipeline.scene.calibration import Calibration
from pipeline.scene.judgement import Judgement, LinePassage, NotReported, Reason
from pipeline.scene.passage import NoPassage, Passage
from pipeline.scene.scene import Rule, Scene
from pipeline.scene.signals import RedPhase, SignalHistory


class RedLight(Rule):
    """A vehicle crosses the stop line on red and enters the junction on that same red.

    The red must be proven from the earliest moment at which the front can have crossed to the latest at which it can have entered, so a
    finding waits for a red reading after the entry. A motorcycle at walking pace is not reported: it may be pushed, or a pedestrian.
    One that certainly rides after the line is, however slowly it starts.
    Measured: how long the signal had been red when the vehicle's front passed the line, and when it entered the junction; the speed over
    the line. Uncertainty of the moment: that of the front's position (foot of the box and, seen from behind, length of the vehicle class)
    divided by the speed, and the interval between two frames; at least half of the time for which the front may have been on the line.
    """

    name: Final = RuleName("red_light")

    class Settings(Section):
        line: config.LineName = Field(description="The stop line.")
        entry: config.LineName = Field(description="The line where the junction begins.")
        signal: config.SignalName = Field(description="The signal that this approach obeys.")
        grace_s: float = Field(0.3, ge=0, le=5, description="A red younger than this at the line is not reported.")

    def __init__(self, settings: Settings, camera: config.CameraSettings, calibration: Calibration) -> None:
        self._settings = settings
        self._line, self._entry = camera.line(settings.line), camera.line(settings.entry)
        self._signal = camera.signal(settings.signal)
        self._approach = approach_to_junction(self._line, self._entry, camera, calibration)

    def judge(self, scene: Scene) -> tuple[Judgement, ...]:
        signal = scene.signals[SignalId(self._settings.signal)]
        judged = self._approach.feet.judged
        return (
            *judged(lambda track: self._judge(track, signal, ended=False), scene.tracks, scene.now),
            *judged(lambda track: self._judge(track, signal, ended=True), scene.ended, scene.now),
        )

    def drawing(self) -> Drawing:
        return drawing_of((self._line, self._entry), self._signal)

    def _judge(self, track: Track, signal: SignalHistory, *, ended: bool) -> Judgement | None:
        """None if the vehicle did not meet the stop line."""
        crossed = self._approach.crossing_of(track)
        if isinstance(crossed, NoPassage):
            reason = self._approach.why_not_crossed(track, crossed, ended=ended)
            return Judgement(rule=self.name, track=track.id, outcome=NotReported(reason=reason)) if reason else None
        entered = self._approach.entry_of(track)
        return Judgement(
            rule=self.name,
            track=track.id,
            outcome=self._outcome(track, crossed, entered, signal, ended=ended),
            crossed=LinePassage(self._line.id, crossed.stated_at),
            entered=None if isinstance(entered, NoPassage) else LinePassage(self._entry.id, entered.stated_at),
        )

    def _outcome(
        self, track: Track, crossed: Passage, entered: Passage | NoPassage, signal: SignalHistory, *, ended: bool
    ) -> Finding | NotReported:
        if isinstance(entered, NoPassage):
            lost = ended and self._approach.was_lost_before_entry(track)
            return NotReported(reason=Reason.LOST_BEFORE_ENTRY if lost else Reason.NOT_ENTERED, signal=signal.state_at(crossed.at))
        if crossed.at > entered.at:
            return NotReported(reason=Reason.ENTERED_BEFORE_LINE)
        red = proven_red(signal, crossed, entered.latest, (crossed.at, entered.at))
        if isinstance(red, NotReported):
            return red
        if reason := self._approach.why_not_driven(track, crossed, entered):
            return NotReported(reason=reason)
        if vehicle_class_of(track) is VehicleClass.MOTORCYCLE and self._may_be_pushed(track, crossed, entered):
            return NotReported(reason=Reason.WALKING_PACE, measured=next(iter(self._approach.speed(track, crossed)), None))
        u_s = self._approach.moment_uncertainty_s(track, crossed)
        return too_young(red, crossed, u_s, self._settings.grace_s) or self._finding(track, crossed, entered, red)

    def _may_be_pushed(self, track: Track, crossed: Passage, entered: Passage) -> bool:
        """Who starts at the line passes it as slowly as people walk, but certainly rides after it."""
        if not self._approach.may_be_walking(track, crossed) and not self._approach.may_have_walked(track, crossed, entered):
            return False
        return not self._approach.was_ridden(track, crossed, since=crossed.at, times=2)

    def _finding(self, track: Track, crossed: Passage, entered: Passage, red: RedPhase) -> Finding:
        ages = (
            Measurement(
                name=name,
                value=seconds_between(red.began_at, passed.stated_at),
                unit="s",
                uncertainty=self._approach.stated_uncertainty_s(track, passed),
            )
            for name, passed in (("time_into_red", crossed), ("time_into_red_at_entry", entered))
        )
        return Finding(
            rule=self.name,
            track=track.id,
            first_sequence=track.first.sequence,
            vehicle=vehicle_class_of(track),
            occurred_at=crossed.stated_at,
            measured=(*ages, *self._approach.speed(track, crossed)),
        )


RED_LIGHT: Final = RuleType(
    name=RedLight.name,
    summary="A vehicle crosses the stop line on red and enters the junction on that same red.",
    settings=RedLight.Settings,
    build=RedLight,
    act="crossing",
    example="line: henti, entry: simpang, signal: barat",
)
