"""Red light: UU 22/2009 article 287(2) with 106(4)c."""

from typing import Final

from pydantic import Field

from etle.clock import seconds_between
from etle.config import site as config
from etle.config.strict_yaml import Name, Section
from etle.types import Drawing, Finding, Lamp, Measurement, Point, RuleName, Sighting, SignalId, Track
from models.tracking.vehicle_class import vehicle_class_of
from pipeline.scene.calibration import Calibration
from pipeline.scene.scene import Crossing, LineOnRoad, Scene, crossing, seen_throughout
from pipeline.scene.signals import SignalHistory

COVERAGE: Final = 2.0
"""Doubt is the driver's: the red must be older than twice the uncertainty of the moment (GUM: k = 2, about 95 %)."""


class RedLight:
    """A vehicle crosses the stop line on red and enters the junction on that same red.

    Measured: how long the signal had been red when the vehicle's front met the line, and when it met the junction; the speed over the
    line. How wrong: the front's place is good to the foot of the box and, seen from behind, the length of its class of vehicle;
    divided by the speed that is the uncertainty of the moment, to which the time between two frames adds.
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
        return drawn((self._line, self._entry), self._signal)

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


class Approach:
    """The way over a stop line into a junction, as one camera measures it."""

    def __init__(self, calibration: Calibration, line: LineOnRoad, entry: LineOnRoad) -> None:
        self._calibration = calibration
        self.line = line
        self.entry = entry

    def crossing_of(self, track: Track) -> Crossing | None:
        """When the front met the stop line, within the line's ends; None if it did not."""
        return self._met(track, self.line)

    def entry_of(self, track: Track) -> Crossing | None:
        """When the front met the junction, which is entered anywhere along its edge."""
        return self._met(track, self.entry, anywhere=True)

    def past_line(self, track: Track, sighting: Sighting) -> tuple[float, float]:
        """How far the front is beyond the stop line at that sighting, with the standard uncertainty, in the calibration's unit."""
        return self.line.past(sighting, self._ahead(track)), self.line.uncertainty(track, sighting)

    def moment_uncertainty_s(self, track: Track, met: Crossing) -> float:
        """Standard uncertainty of the moment: of place over speed, and of the step between two frames (even over a step, GUM 4.3.7)."""
        near = min(track.sightings, key=lambda sighting: abs(seconds_between(sighting.captured_at, met.at)))
        place_s = self.line.uncertainty(track, near) / max(met.speed, 1e-3)
        step_s = self._step_s(track, met)
        return float((place_s**2 + (step_s / 12**0.5) ** 2 / 4) ** 0.5)

    def speed(self, track: Track, met: Crossing) -> tuple[Measurement, ...]:
        """Speed over the line: a lead, not an instrument's reading. Nothing where only pixels are known."""
        if self._calibration.unit != "m":
            return ()
        near = [s for s in track.sightings if abs(seconds_between(met.at, s.captured_at)) <= 0.6]
        span_s = seconds_between(near[0].captured_at, near[-1].captured_at) if len(near) > 1 else 0.1
        u_m_s = 2**0.5 * self._calibration.foot_uncertainty(track.last) / max(span_s, 0.1)
        return (Measurement(name="speed", value=met.speed * 3.6, unit="km/h", uncertainty=u_m_s * 3.6),)

    def _met(self, track: Track, line: LineOnRoad, *, anywhere: bool = False) -> Crossing | None:
        ahead = self._ahead(track)
        margin = line.uncertainty(track, track.last)
        met = crossing(track, lambda sighting: line.past(sighting, ahead), margin)
        if met is None or anywhere:
            return met
        near = min(track.sightings, key=lambda sighting: abs(seconds_between(sighting.captured_at, met.at)))
        return met if line.spans(near) else None

    def _ahead(self, track: Track) -> float:
        return self._calibration.front_ahead(track)[0]

    def _step_s(self, track: Track, met: Crossing) -> float:
        before = max((s.captured_at for s in track.sightings if s.captured_at <= met.at), default=met.at)
        after = min((s.captured_at for s in track.sightings if s.captured_at > met.at), default=met.at)
        return seconds_between(before, after)


def drawn(lines: tuple[config.Line, ...], signal: config.SignalHead | None = None, lanes: tuple[config.Lane, ...] = ()) -> Drawing:
    return Drawing(
        lines=tuple((line.id, tuple(Point(*point) for point in line.points)) for line in lines),
        areas=tuple((lane.id, lane.corners) for lane in lanes),
        signals=((signal.id, signal.box),) if signal else (),
    )
