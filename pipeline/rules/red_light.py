"""Red light: UU 22/2009 article 287(2) with 106(4)c."""

from typing import Final

from pydantic import Field

from etle.clock import seconds_between
from etle.config import site as config
from etle.config.strict_yaml import Name, Section
from etle.types import Drawing, Finding, Lamp, Measurement, RuleName, SignalId, Track
from models.tracking.vehicle_class import vehicle_class_of
from pipeline.rules.approach import COVERAGE, Approach, drawing_of
from pipeline.rules.rule_type import RuleType
from pipeline.scene.calibration import Calibration
from pipeline.scene.scene import LineOnRoad, Scene, seen_throughout
from pipeline.scene.signals import SignalHistory


class RedLight:
    """A vehicle crosses the stop line on red and enters the junction on that same red.

    Measured: how long the signal had been red when the vehicle's front passed the line, and when it entered the junction; the speed over
    the line. Uncertainty of the moment: that of the front's position (foot of the box and, seen from behind, length of the vehicle class)
    divided by the speed, and the interval between two frames.
    """

    name: Final = RuleName("red_light")

    class Settings(Section):
        line: Name = Field(description="The stop line.")
        entry: Name = Field(description="The line where the junction begins.")
        signal: Name = Field(description="The signal that this approach obeys.")
        grace_s: float = Field(0.3, ge=0, le=5, description="A red younger than this at the line is not reported.")

    def __init__(self, settings: Settings, camera: config.CameraSettings, calibration: Calibration) -> None:
        self._settings = settings
        self._line, self._entry = camera.line(settings.line), camera.line(settings.entry)
        self._signal = camera.signal(settings.signal)
        self._approach = Approach(calibration, LineOnRoad.of(self._line, calibration), LineOnRoad.of(self._entry, calibration))

    def findings(self, scene: Scene) -> tuple[Finding, ...]:
        signal = scene.signals[SignalId(self._settings.signal)]
        found = (self._finding(track, signal) for track in (*scene.tracks, *scene.ended))
        return tuple(finding for finding in found if finding)

    def drawing(self) -> Drawing:
        return drawing_of((self._line, self._entry), self._signal)

    def _finding(self, track: Track, signal: SignalHistory) -> Finding | None:
        entered = self._approach.entry_of(track)
        if entered is None:
            return None
        crossed = self._approach.crossing_of(track)
        if crossed is None or crossed.at > entered.at or not seen_throughout(track, crossed.at, entered.at):
            return None
        since = signal.red_since(entered.at)
        if since is None or since > crossed.at or signal.lamp_at(crossed.at) is not Lamp.RED:
            return None
        age_s, u_s = seconds_between(since, crossed.at), self._approach.moment_uncertainty_s(track, crossed)
        if age_s < max(self._settings.grace_s, COVERAGE * u_s):
            return None
        entry_u_s = self._approach.moment_uncertainty_s(track, entered)
        measured = (
            Measurement(name="time_into_red", value=age_s, unit="s", uncertainty=u_s),
            Measurement(name="time_into_red_at_entry", value=seconds_between(since, entered.at), unit="s", uncertainty=entry_u_s),
            *self._approach.speed(track, crossed),
        )
        return Finding(
            rule=self.name,
            track=track.id,
            first_sequence=track.first.sequence,
            vehicle=vehicle_class_of(track),
            occurred_at=crossed.at,
            measured=measured,
        )


RED_LIGHT: Final = RuleType(
    name=RedLight.name,
    summary="A vehicle crosses the stop line on red and enters the junction on that same red.",
    settings=RedLight.Settings,
    build=RedLight,
    example="line: henti, entry: simpang, signal: barat",
)
