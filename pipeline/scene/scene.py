"""Input of the rules: tracks on a calibrated road, the signals, and measurements against lines."""

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

MAX_GAP_S = 0.7
"""Maximum time without a sighting in the relevant part of a track; at low frame rates 2.5 frame intervals."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One camera at one moment. `tracks`: vehicles in view; `ended`: vehicles whose track ended with this frame."""

    now: datetime
    tracks: tuple[Track, ...]
    ended: tuple[Track, ...]
    signals: Mapping[SignalId, SignalHistory]


class Rule(Protocol):
    """Detects one offence in one camera. Stateless: the same scene gives the same findings."""

    @property
    def name(self) -> RuleName: ...

    def findings(self, scene: Scene) -> tuple[Finding, ...]:
        """Findings at this moment. A finding may be repeated for later scenes: the stage reports each rule once per track."""
        ...

    def drawing(self) -> Drawing:
        """Lines, areas and signals that the rule uses; the reviewer sees them on the picture, and the stage reads these signals."""
        ...


@dataclass(frozen=True, slots=True)
class Crossing:
    """When a vehicle passed a line, interpolated linearly between two sightings."""

    at: datetime
    speed: float
    """Perpendicular to the line, in the calibration's unit per second."""


@dataclass(frozen=True, slots=True)
class LineOnRoad:
    """A line of the site file in road coordinates. Distances beyond it are positive."""

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
        """Distance of the vehicle's foot beyond the line plus `ahead`, in the calibration's unit; negative before the line."""
        return signed_distance(self.calibration.ground(sighting.box.foot), self.start, self.end, self.beyond) + ahead

    def spans(self, sighting: Sighting, slack: float = 0.05) -> bool:
        """Whether the vehicle's foot is between the ends of the line, plus `slack` (fraction of its length) on both sides."""
        foot = self.calibration.ground(sighting.box.foot)
        return -slack <= fraction_along(foot, self.start, self.end) <= 1 + slack

    def uncertainty(self, track: Track, sighting: Sighting) -> float:
        """Standard uncertainty of `past`, in the calibration's unit: of the foot, and of the front if it is not visible."""
        return hypot(self.calibration.foot_uncertainty(sighting), self.calibration.front_offset(track)[1])


def crossing(track: Track, past: Callable[[Sighting], float], margin: float) -> Crossing | None:
    """When the track last passed from below `-margin` to above `margin`; None if it did not.

    Both margins must be passed: the jitter of the box of a vehicle that stands on the line is not a crossing.
    The track is read from its end, because the last sighting already excludes most tracks: they have not reached the line.
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
    """Whether the vehicle was detected without a long gap between two moments.

    After a gap the track may have continued with another vehicle. The tracker is nearly always right across longer gaps, too, but
    that is not enough to accuse a driver.
    """
    times = [sighting.captured_at for sighting in track.sightings]
    gaps = [(seconds_between(one, two), one, two) for one, two in pairwise(times)]
    allowed = max(MAX_GAP_S, 2.5 * median(gap for gap, _, _ in gaps)) if gaps else MAX_GAP_S
    return all(gap <= allowed for gap, one, two in gaps if two > start and one < end)


def stood_for_s(track: Track, calibration: Calibration, *, still_m_s: float = 0.5) -> float:
    """How long the vehicle has been standing at the end of its track, in seconds; 0 if it moves.

    It stands if it moves slower than `still_m_s`; without metres, slower than 1/5 of its box height per second.
    """
    last = track.last
    limit = still_m_s if calibration.unit == "m" else last.box.height / 5
    end = calibration.ground(last.box.foot)
    since = last.captured_at
    for sighting in reversed(track.sightings):
        moved = distance(calibration.ground(sighting.box.foot), end)
        # allowed displacement: the distance at the slowest motion, and at least the jitter of the box
        if moved > max(limit, limit * seconds_between(sighting.captured_at, last.captured_at) * 0.2):
            break
        since = sighting.captured_at
    return seconds_between(since, last.captured_at)


def speed_at(track: Track, past: Callable[[Sighting], float], at: datetime, *, half_s: float = 0.6) -> float:
    """Slope of the least-squares line through the distances within `half_s` of `at`; or through the two nearest ones."""
    near = [s for s in track.sightings if abs(seconds_between(at, s.captured_at)) <= half_s]
    if len(near) < 2:
        near = sorted(sorted(track.sightings, key=lambda s: abs(seconds_between(at, s.captured_at)))[:2], key=lambda s: s.captured_at)
    points = [(seconds_between(at, s.captured_at), past(s)) for s in near]
    mean_t, mean_d = (sum(values) / len(points) for values in zip(*points, strict=True))
    spread = sum((t - mean_t) ** 2 for t, _ in points)
    return sum((t - mean_t) * (d - mean_d) for t, d in points) / spread if spread else 0.0
