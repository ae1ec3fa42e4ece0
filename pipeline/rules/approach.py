"""Measures how a vehicle approaches a junction: over the stop line, and into the junction."""

from typing import Final

from etle.clock import seconds_between
from etle.config import site as config
from etle.types import Drawing, Measurement, Point, Sighting, Track
from pipeline.scene.calibration import Calibration
from pipeline.scene.passage import COVERAGE, FrontOffset, Passage, is_one_vehicle, passage_of, whole_box_moved
from pipeline.scene.scene import LineOnRoad

WALKING_M_S: Final = 1.8
"""Fast walking pace. A slower "motorcycle" may be a pedestrian with a cart, or a motorcycle that is pushed."""


class Approach:
    """One camera's measurements of a vehicle against a stop line and the edge of the junction behind it."""

    def __init__(self, calibration: Calibration, line: LineOnRoad, entry: LineOnRoad) -> None:
        self._calibration = calibration
        self.line = line
        self.entry = entry

    def crossing_of(self, track: Track) -> Passage | None:
        """When the front passed the stop line between the line's ends; None if it did not."""
        return self._passage(track, self.line)

    def entry_of(self, track: Track) -> Passage | None:
        """When the front entered the junction, at any point along its edge; None if it did not."""
        return self._passage(track, self.entry, anywhere=True)

    def past_line(self, track: Track, sighting: Sighting) -> tuple[float, float]:
        """Distance of the front beyond the stop line at that sighting, and its standard uncertainty, in the calibration's unit."""
        return self.line.past(sighting, self._ahead(track)), self.line.uncertainty(track, sighting)

    def moment_uncertainty_s(self, track: Track, passed: Passage) -> float:
        """Standard uncertainty of the moment: of position / speed, and of the frame interval (uniform distribution, GUM 4.3.7)."""
        near = min(track.sightings, key=lambda sighting: abs(seconds_between(sighting.captured_at, passed.at)))
        position_s = self.line.uncertainty(track, near) / max(passed.speed, 1e-3)
        interval_s = self._frame_interval_s(track, passed)
        return float((position_s**2 + (interval_s / 12**0.5) ** 2 / 4) ** 0.5)

    def speed(self, track: Track, passed: Passage) -> tuple[Measurement, ...]:
        """Speed over the line; an indication, not the reading of a calibrated instrument. Empty without metres."""
        if self._calibration.unit != "m":
            return ()
        near = [s for s in track.sightings if abs(seconds_between(passed.at, s.captured_at)) <= 0.6]
        span_s = seconds_between(near[0].captured_at, near[-1].captured_at) if len(near) > 1 else 0.1
        u_m_s = 2**0.5 * self._calibration.foot_uncertainty(track.last) / max(span_s, 0.1)
        return (Measurement(name="speed", value=passed.speed * 3.6, unit="km/h", uncertainty=u_m_s * 3.6),)

    def was_driven(self, track: Track, crossed: Passage, reached: Passage) -> bool:
        """Whether one vehicle, as a whole, moved from before the line to where the second passage is certain."""
        start, end = track.sightings[crossed.before].captured_at, track.sightings[reached.beyond].captured_at
        return is_one_vehicle(track, self._calibration, start, end) and whole_box_moved(track, crossed.before, reached.beyond)

    def may_be_walking(self, track: Track, passed: Passage) -> bool:
        """Whether it may have passed as slowly as people walk; False without metres, where speeds are not measured."""
        return any(speed.value - COVERAGE * (speed.uncertainty or 0.0) < WALKING_M_S * 3.6 for speed in self.speed(track, passed))

    def is_beyond_entry(self, sighting: Sighting, track: Track) -> bool:
        """Whether the front is more probably inside the junction than before it."""
        return self.entry.past(sighting, self._ahead(track)) > 0

    def _passage(self, track: Track, line: LineOnRoad, *, anywhere: bool = False) -> Passage | None:
        front = FrontOffset(*self._calibration.front_range(track))
        passed = passage_of(track, line.past, self._calibration.foot_uncertainty, front)
        if passed is None or anywhere:
            return passed
        near = min(track.sightings, key=lambda sighting: abs(seconds_between(sighting.captured_at, passed.at)))
        return passed if line.spans(near) else None

    def _ahead(self, track: Track) -> float:
        return self._calibration.front_offset(track)[0]

    def _frame_interval_s(self, track: Track, passed: Passage) -> float:
        before = max((s.captured_at for s in track.sightings if s.captured_at <= passed.at), default=passed.at)
        after = min((s.captured_at for s in track.sightings if s.captured_at > passed.at), default=passed.at)
        return seconds_between(before, after)


def drawing_of(lines: tuple[config.Line, ...], signal: config.SignalHead | None = None, lanes: tuple[config.Lane, ...] = ()) -> Drawing:
    """What a rule with these lines, this signal and these lanes shows on the picture."""
    return Drawing(
        lines=tuple((line.id, tuple(Point(*point) for point in line.points)) for line in lines),
        areas=tuple((lane.id, lane.corners) for lane in lanes),
        signals=tuple((signal.id, box) for box in signal.boxes) if signal else (),
    )
