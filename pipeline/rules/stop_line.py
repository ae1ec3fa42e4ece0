"""Stopping beyond the stop line: UU 22/2009 article 287(1) with 106(4)b."""

from datetime import datetime
from typing import Final

from pydantic import Field

from etle.clock import seconds_between
from etle.config import site as config
from etle.config.strict_yaml import Name, Section
from etle.types import Drawing, Finding, Measurement, RuleName, SignalId, Track
from models.tracking.vehicle_class import vehicle_class_of
from pipeline.rules.approach import COVERAGE, Approach, drawing_of
from pipeline.rules.rule_type import RuleType
from pipeline.scene.calibration import Calibration
from pipeline.scene.scene import LineOnRoad, Scene, seen_throughout, stood_for_s
from pipeline.scene.signals import SignalHistory


class StopLine:
    """A vehicle crosses the stop line on red and stops between it and the junction.

    A vehicle that crosses on green or yellow and is stopped beyond the line by a full junction does not violate it. Reported when the
    vehicle has stood there, or when the red ends and it has not entered; not reported if it is hidden before that.
    Measured: how long the signal had been red when the front passed the line, how far the front stands beyond it, and for how long.
    Uncertainty: as in `red_light`; of the distance: the foot of the box and the vehicle's length.
    """

    name: Final = RuleName("stop_line")

    class Settings(Section):
        line: Name = Field(description="The stop line.")
        entry: Name = Field(description="The line where the junction begins.")
        signal: Name = Field(description="The signal that this approach obeys.")
        grace_s: float = Field(0.3, ge=0, le=5, description="A red younger than this at the line is not reported.")
        stand_s: float = Field(1.5, gt=0, le=30, description="A vehicle that stands past the line for this long has stopped there.")

    def __init__(self, settings: Settings, camera: config.CameraSettings, calibration: Calibration) -> None:
        self._settings = settings
        self._calibration = calibration
        self._line, self._entry = camera.line(settings.line), camera.line(settings.entry)
        self._signal = camera.signal(settings.signal)
        self._approach = Approach(calibration, LineOnRoad.of(self._line, calibration), LineOnRoad.of(self._entry, calibration))

    def findings(self, scene: Scene) -> tuple[Finding, ...]:
        signal = scene.signals[SignalId(self._settings.signal)]
        found = (self._finding(track, signal) for track in scene.tracks)
        return tuple(finding for finding in found if finding)

    def drawing(self) -> Drawing:
        return drawing_of((self._line, self._entry), self._signal)

    def _finding(self, track: Track, signal: SignalHistory) -> Finding | None:
        crossed = self._approach.crossing_of(track)
        since = signal.red_since(crossed.at) if crossed else None
        if crossed is None or since is None:
            return None
        age_s, u_s = seconds_between(since, crossed.at), self._approach.moment_uncertainty_s(track, crossed)
        if age_s < max(self._settings.grace_s, COVERAGE * u_s) or self._entered_on_same_red(signal, track, since):
            return None
        if not seen_throughout(track, crossed.at, track.last.captured_at):
            return None
        until = signal.red_until(since)
        on_red = [sighting for sighting in track.sightings if until is None or sighting.captured_at <= until]
        if not on_red or on_red[-1].captured_at < crossed.at:
            return None
        past, past_uncertainty = self._approach.past_line(track, on_red[-1])
        stood_s = min(stood_for_s(track, self._calibration), seconds_between(crossed.at, track.last.captured_at))
        stopped = stood_s >= self._settings.stand_s
        if past < past_uncertainty or not (stopped or (until is not None and past >= COVERAGE * past_uncertainty)):
            return None
        return Finding(
            rule=self.name,
            track=track.id,
            first_sequence=track.first.sequence,
            vehicle=vehicle_class_of(track),
            occurred_at=crossed.at,
            measured=(
                Measurement(name="time_into_red", value=age_s, unit="s", uncertainty=u_s),
                Measurement(name="past_line", value=past, unit=self._calibration.unit, uncertainty=past_uncertainty),
                *((Measurement(name="stood", value=stood_s, unit="s", uncertainty=None),) if stopped else ()),
            ),
        )

    def _entered_on_same_red(self, signal: SignalHistory, track: Track, red_since: datetime) -> bool:
        """Whether it entered the junction on the red on which it crossed the line: that is a `red_light` violation."""
        entered = self._approach.entry_of(track)
        return entered is not None and signal.red_since(entered.at) == red_since


STOP_LINE: Final = RuleType(
    name=StopLine.name,
    summary="A vehicle crosses the stop line on red and stops between it and the junction.",
    settings=StopLine.Settings,
    build=StopLine,
    example="line: henti, entry: simpang, signal: barat",
)
