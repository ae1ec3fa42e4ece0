"""What a rule sees: a camera that knows its road, the vehicles so far, and the signals."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from math import hypot
from statistics import median
from typing import Protocol

from etle.clock import seconds_between
from etle.config import site as config
from etle.errors import ConfigError
from etle.geometry import distance, fraction_along, signed_distance
from etle.types import Drawing, Finding, Point, RuleName, Sighting, SignalId, Track
from pipeline.scene.calibration import Calibration
from pipeline.scene.signals import SignalHistory

LONGEST_GAP_S = 0.7
"""Without a sighting, where it matters; at low frame rates two and a half steps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One camera at one moment. `tracks` are the vehicles in view, `ended` those that were last seen too long ago to come back."""

    now: datetime
    tracks: tuple[Track, ...]
    ended: tuple[Track, ...]
    signals: Mapping[SignalId, SignalHistory]


class Rule(Protocol):
    """Watches one camera for one offence. Without memory of its own: the same scene gives the same findings."""

    name: RuleName

    def findings(self, scene: Scene) -> tuple[Finding, ...]:
        """What is to be reported now. A finding may be given again for later scenes; the stage reports it once a track."""
        ...

    def drawing(self) -> Drawing:
        """What the reviewer must see on the picture to follow the rule."""
        ...


@dataclass(frozen=True, slots=True)
class Crossing:
    """The moment something passed a line, linear between two sightings."""

    at: datetime
    speed: float
    """Across the line, in the calibration's unit a second."""


@dataclass(frozen=True, slots=True)
class LineOnRoad:
    """A line of the site file as a camera measures against it: distances are positive beyond it."""

    calibration: Calibration
    start: Point
    end: Point
    beyond: Point

    @classmethod
    def of(cls, line: config.Line, calibration: Calibration) -> "LineOnRoad":
        start, end, beyond = (calibration.ground(Point(*point)) for point in (*line.points, line.beyond))
        if distance(start, end) < 1e-9:
            raise ConfigError(f"line {line.id!r} has no length: its two points are the same")
        return cls(calibration, start, end, beyond)

    def past(self, sighting: Sighting, ahead: float = 0.0) -> float:
        """How far beyond the line the vehicle's foot is, plus `ahead`."""
        return signed_distance(self.calibration.ground(sighting.box.foot), self.start, self.end, self.beyond) + ahead

    def spans(self, sighting: Sighting, slack: float = 0.05) -> bool:
        """Whether the vehicle passes over the drawn part of the line rather than beside it."""
        foot = self.calibration.ground(sighting.box.foot)
        return -slack <= fraction_along(foot, self.start, self.end) <= 1 + slack

    def uncertainty(self, track: Track, sighting: Sighting) -> float:
        """Standard uncertainty of `past`, in the calibration's unit: of the foot, and of the front that is not seen."""
        return hypot(self.calibration.foot_uncertainty(sighting), self.calibration.front_ahead(track)[1])


def crossing(track: Track, past: Callable[[Sighting], float], margin: float) -> Crossing | None:
    """When the track passed from below `-margin` to above `margin` for the last time; None if it did not.

    A vehicle that stands on the line and whose box trembles does not cross it: both margins must have been left behind.
    Read from the end: most tracks have not come to the line, and that is seen by their last sighting.
    """
    after = len(track.sightings) - 1
    beyond = past(track.sightings[after])
    if beyond <= margin:
        return None
    while after > 0 and (short := past(track.sightings[after - 1])) > 0:
        after, beyond = after - 1, short
    if after == 0 or not any(past(sighting) <= -margin for sighting in reversed(track.sightings[:after])):
        return None
    before = track.sightings[after - 1]
    at = before.captured_at + (track.sightings[after].captured_at - before.captured_at) * (-short / (beyond - short))
    return Crossing(at=at, speed=speed_at(track, past, at))


def seen_throughout(track: Track, start: datetime, end: datetime) -> bool:
    """Whether the vehicle was never out of sight for long between two moments: what comes out from behind another may be a third.

    The tracker bridges longer gaps, and is right nearly always; nearly is not enough to accuse somebody.
    """
    times = [sighting.captured_at for sighting in track.sightings]
    gaps = [(seconds_between(one, two), one, two) for one, two in pairwise(times)]
    allowed = max(LONGEST_GAP_S, 2.5 * median(gap for gap, _, _ in gaps)) if gaps else LONGEST_GAP_S
    return all(gap <= allowed for gap, one, two in gaps if two > start and one < end)


def stood_for_s(track: Track, calibration: Calibration, *, still_m_s: float = 0.5) -> float:
    """For how long the vehicle has been standing at the end of its track, in seconds; 0 if it moves.

    Without metres "still" is a fifth of its own height a second.
    """
    last = track.last
    limit = still_m_s if calibration.unit == "m" else last.box.height / 5
    place = calibration.ground(last.box.foot)
    since = last.captured_at
    for sighting in reversed(track.sightings):
        gone = distance(calibration.ground(sighting.box.foot), place)
        # standing still for s seconds means having stayed within what the slowest motion, and the box's tremble, would cover
        if gone > max(limit, limit * seconds_between(sighting.captured_at, last.captured_at) * 0.2):
            break
        since = sighting.captured_at
    return seconds_between(since, last.captured_at)


def speed_at(track: Track, past: Callable[[Sighting], float], at: datetime, *, half_s: float = 0.6) -> float:
    """Slope of the least-squares line through the distances around `at`; of the two sightings next to it where more are not there."""
    near = [s for s in track.sightings if abs(seconds_between(at, s.captured_at)) <= half_s]
    if len(near) < 2:
        near = sorted(sorted(track.sightings, key=lambda s: abs(seconds_between(at, s.captured_at)))[:2], key=lambda s: s.captured_at)
    points = [(seconds_between(at, s.captured_at), past(s)) for s in near]
    mean_t, mean_d = (sum(values) / len(points) for values in zip(*points, strict=True))
    spread = sum((t - mean_t) ** 2 for t, _ in points)
    return sum((t - mean_t) * (d - mean_d) for t, d in points) / spread if spread else 0.0
