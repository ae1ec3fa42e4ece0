"""Red light: UU 22/2009 article 287(2) with 106(4)c."""

from typing import Final

from pydantic import Field

from etle.clock import seconds_between
from etle.config import site as config
from etle.config.strict_yaml import Name, Section
from etle.types import Drawing, Finding, Measurement, RuleName, SignalId, Track, VehicleClass
from models.tracking.vehicle_class import vehicle_class_of
from pipeline.rules.approach import Approach, drawing_of
from pipeline.rules.rule_type import RuleType
from pipeline.scene.calibration import Calibration
from pipeline.scene.passage import COVERAGE
from pipeline.scene.scene import LineOnRoad, Scene
from pipeline.scene.signals import SignalHistory


class RedLight:
    """A vehicle crosses the stop line on red and enters the junction on that same red.

    The red must be proven from the earliest moment at which the front can have crossed to the latest at which it can have entered, so a
    finding waits for a red reading after the entry. A motorcycle at walking pace is not reported: it may be pushed, or a pedestrian.
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
        if crossed is None or crossed.at > entered.at:
            return None
        red = signal.red_phase(crossed.earliest, entered.latest)
        if red is None or not (signal.red_at(crossed.at) and signal.red_at(entered.at)):
            return None
        if not self._approach.was_driven(track, crossed, entered):
            return None
        if vehicle_class_of(track) is VehicleClass.MOTORCYCLE and self._approach.may_be_walking(track, crossed):
            return None
        age_s, u_s = seconds_between(red.began_at, crossed.at), self._approach.moment_uncertainty_s(track, crossed)
        if age_s < max(self._settings.grace_s, COVERAGE * u_s):
            return None
        entry_u_s = self._approach.moment_uncertainty_s(track, entered)
        measured = (
            Measurement(name="time_into_red", value=age_s, unit="s", uncertainty=u_s),
            Measurement(name="time_into_red_at_entry", value=seconds_between(red.began_at, entered.at), unit="s", uncertainty=entry_u_s),
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
