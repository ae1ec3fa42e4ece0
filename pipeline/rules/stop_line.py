"""Stopping beyond the stop line: UU 22/2009 article 287(1) with 106(4)b."""

from datetime import timedelta
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
from pipeline.scene.passage import COVERAGE, NoPassage, Passage
from pipeline.scene.scene import Rule, Scene, stand_uncertainty_s, stood_for_s
from pipeline.scene.signals import SignalHistory


class StopLine(Rule):
    """A vehicle crosses the stop line on red and stops between it and the junction.

    A vehicle that crosses on green or yellow and is stopped beyond the line by a full junction does not violate it. Reported once it has
    stood there for `stand_s` on the red on which it crossed, before the edge of the junction.
    Measured: how long the signal had been red when the front passed the line, how far the front stands beyond it, and for how long.
    Uncertainty: as in `red_light`; of the distance: the foot of the box and the vehicle's length.
    """

    name: Final = RuleName("stop_line")

    class Settings(Section):
        line: config.LineName = Field(description="The stop line.")
        entry: config.LineName = Field(description="The line where the junction begins.")
        signal: config.SignalName = Field(description="The signal that this approach obeys.")
        grace_s: float = Field(0.3, ge=0, le=5, description="A red younger than this at the line is not reported.")
        stand_s: float = Field(1.5, gt=0, le=30, description="A vehicle that stands past the line for this long has stopped there.")

    def __init__(self, settings: Settings, camera: config.CameraSettings, calibration: Calibration) -> None:
        self._settings = settings
        self._calibration = calibration
        self._line, self._entry = camera.line(settings.line), camera.line(settings.entry)
        self._signal = camera.signal(settings.signal)
        self._approach = approach_to_junction(self._line, self._entry, camera, calibration)

    def judge(self, scene: Scene) -> tuple[Judgement, ...]:
        signal = scene.signals[SignalId(self._settings.signal)]
        return tuple(self._approach.feet.judged(lambda track: self._judge(track, signal), scene.tracks, scene.now))

    def drawing(self) -> Drawing:
        return drawing_of((self._line, self._entry), self._signal)

    def _judge(self, track: Track, signal: SignalHistory) -> Judgement | None:
        """None if the vehicle did not meet the stop line."""
        crossed = self._approach.crossing_of(track)
        if isinstance(crossed, NoPassage):
            reason = self._approach.why_not_crossed(track, crossed, ended=False)
            return Judgement(rule=self.name, track=track.id, outcome=NotReported(reason=reason)) if reason else None
        outcome = self._outcome(track, crossed, signal)
        return Judgement(rule=self.name, track=track.id, outcome=outcome, crossed=LinePassage(self._line.id, crossed.stated_at))

    def _outcome(self, track: Track, crossed: Passage, signal: SignalHistory) -> Finding | NotReported:
        if self._approach.is_beyond_entry(track.last, track):
            return NotReported(reason=Reason.DROVE_ON)
        stood_s = min(stood_for_s(track, self._calibration), seconds_between(crossed.at, track.last.captured_at))
        stood_u_s = stand_uncertainty_s(track, self._calibration)
        stood = Measurement(name="stood", value=stood_s, unit="s", uncertainty=stood_u_s)
        if stood_s - COVERAGE * stood_u_s < self._settings.stand_s:
            return NotReported(reason=Reason.NOT_STOOD, measured=stood, limit=self._settings.stand_s)
        stood_from = track.last.captured_at - timedelta(seconds=stood_s)
        until = max(crossed.latest, stood_from + timedelta(seconds=self._settings.stand_s))
        red = proven_red(signal, crossed, until, (crossed.at,))
        if isinstance(red, NotReported):
            return red
        if reason := self._approach.why_not_driven(track, crossed, crossed):
            return NotReported(reason=reason)
        if vehicle_class_of(track) is VehicleClass.MOTORCYCLE and not self._approach.was_ridden_to(track, crossed):
            return NotReported(reason=Reason.WALKING_PACE)
        u_s = self._approach.moment_uncertainty_s(track, crossed)
        if young := too_young(red, crossed, u_s, self._settings.grace_s):
            return young
        past, past_u = self._approach.past_line(track, stood_from)
        past_line = Measurement(name="past_line", value=past, unit=self._calibration.unit, uncertainty=past_u)
        if past < COVERAGE * past_u:
            return NotReported(reason=Reason.ON_LINE, measured=past_line, limit=COVERAGE * past_u)
        age_s, age_u_s = seconds_between(red.began_at, crossed.stated_at), self._approach.stated_uncertainty_s(track, crossed)
        return Finding(
            rule=self.name,
            track=track.id,
            first_sequence=track.first.sequence,
            vehicle=vehicle_class_of(track),
            occurred_at=crossed.stated_at,
            measured=(Measurement(name="time_into_red", value=age_s, unit="s", uncertainty=age_u_s), past_line, stood),
        )


STOP_LINE: Final = RuleType(
    name=StopLine.name,
    summary="A vehicle crosses the stop line on red and stops between it and the junction.",
    settings=StopLine.Settings,
    build=StopLine,
    act="crossing",
    example="line: henti, entry: simpang, signal: barat",
)
