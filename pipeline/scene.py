"""What a rule sees: a camera that knows its road, the vehicles so far, and the signals."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Protocol

from etle import config
from etle.geometry import distance, side_distance
from etle.types import Drawing, Finding, Point, RuleName, Sighting, SignalId, Track, VehicleClass
from models.tracker import vehicle_of
from pipeline.calibration import Calibration
from pipeline.signals import SignalHistory


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
    """The moment something passed a line, linear between two sightings, and how wrong that moment may be (standard uncertainty)."""

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
            raise ValueError(f"line {line.id!r} has no length")
        return cls(calibration, start, end, beyond)

    def past(self, sighting: Sighting, ahead: float = 0.0) -> float:
        """How far beyond the line the vehicle's foot is, plus `ahead`."""
        return side_distance(self.calibration.ground(sighting.box.foot), self.start, self.end, self.beyond) + ahead

    def spans(self, sighting: Sighting, slack: float = 0.05) -> bool:
        """Whether the vehicle passes over the drawn part of the line rather than beside it."""
        foot = self.calibration.ground(sighting.box.foot)
        along = ((foot.x - self.start.x) * (self.end.x - self.start.x) + (foot.y - self.start.y) * (self.end.y - self.start.y)) / (
            (self.end.x - self.start.x) ** 2 + (self.end.y - self.start.y) ** 2
        )
        return -slack <= along <= 1 + slack


def crossing(track: Track, past: Callable[[Sighting], float], margin: float) -> Crossing | None:
    """When the track passed from below `-margin` to above `margin` for the last time; None if it did not.

    A vehicle that stands on the line and whose box trembles does not cross it: both margins must have been left behind.
    """
    distances = [past(sighting) for sighting in track.sightings]
    if distances[-1] <= margin:
        return None
    last = max((index for index, value in enumerate(distances) if value <= 0), default=None)
    if last is None or min(distances[: last + 1]) > -margin:
        return None
    before, after = track.sightings[last], track.sightings[last + 1]
    share = -distances[last] / (distances[last + 1] - distances[last])
    gap = after.captured_at - before.captured_at
    return Crossing(at=before.captured_at + gap * share, speed=_speed(track, distances, before.captured_at + gap * share))


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
        if gone > max(limit, limit * seconds(sighting.captured_at, last.captured_at) * 0.2):
            break
        since = sighting.captured_at
    return seconds(since, last.captured_at)


def class_of(track: Track) -> VehicleClass:
    return vehicle_of(track)


def seconds(start: datetime, end: datetime) -> float:
    return (end - start) / timedelta(seconds=1)


def _speed(track: Track, distances: list[float], at: datetime, *, half_s: float = 0.6) -> float:
    """Slope of the least-squares line through the distances around `at`."""
    near = [(seconds(at, s.captured_at), d) for s, d in zip(track.sightings, distances, strict=True) if abs(seconds(at, s.captured_at)) <= half_s]
    if len(near) < 2:
        nearest = min(pairwise(zip(track.sightings, distances, strict=True)), key=lambda pair: abs(seconds(at, pair[0][0].captured_at)))
        (first, d1), (second, d2) = nearest
        return (d2 - d1) / max(1e-3, seconds(first.captured_at, second.captured_at))
    mean_t = sum(t for t, _ in near) / len(near)
    mean_d = sum(d for _, d in near) / len(near)
    spread = sum((t - mean_t) ** 2 for t, _ in near)
    return sum((t - mean_t) * (d - mean_d) for t, d in near) / spread if spread else 0.0
