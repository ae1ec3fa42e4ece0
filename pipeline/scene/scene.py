"""Input of the rules: tracks on a calibrated road, the signals, and measurements against lines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import hypot, sqrt
from statistics import median
from typing import Protocol

from etle.clock import seconds_between
from etle.config import site as config
from etle.errors import ConfigError
from etle.geometry import distance, fraction_along, signed_distance
from etle.types import Drawing, Finding, Point, RuleName, Sighting, SignalId, Track
from pipeline.scene.calibration import Calibration
from pipeline.scene.judgement import Judgement
from pipeline.scene.signals import SignalHistory


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One camera at one moment. `tracks`: vehicles in view; `ended`: vehicles whose track ended with this frame."""

    now: datetime
    tracks: tuple[Track, ...]
    ended: tuple[Track, ...]
    signals: Mapping[SignalId, SignalHistory]
    timezone: str = "Asia/Jakarta"
    """Of the site; hours in which a rule applies are local."""


class Rule(Protocol):
    """Detects one offence in one camera. Stateless: the same scene gives the same findings."""

    @property
    def name(self) -> RuleName: ...

    def judge(self, scene: Scene) -> tuple[Judgement, ...]:
        """What the rule decides at this moment on each vehicle that met one of its lines or lanes, with the reason.

        A finding may be repeated for later scenes: the stage reports each rule once per track.
        """
        ...

    def drawing(self) -> Drawing:
        """Lines, areas and signals that the rule uses; the reviewer sees them on the picture, and the stage reads these signals."""
        ...

    def findings(self, scene: Scene) -> tuple[Finding, ...]:
        """The findings among the judgements."""
        return tuple(judgement.finding for judgement in self.judge(scene) if judgement.finding is not None)


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

    def is_seen_from_behind(self, sighting: Sighting) -> bool:
        """Whether what lies beyond the line is farther from the camera: a foot that is hidden, and so drawn too far away, may then seem to
        be beyond the line."""
        foot = sighting.box.foot
        farther = self.calibration.ground(Point(foot.x, foot.y - 1))
        return signed_distance(farther, self.start, self.end, self.beyond) > self.past(sighting)

    def uncertainty(self, track: Track, sighting: Sighting) -> float:
        """Standard uncertainty of `past`, in the calibration's unit: of the foot, and of the front if it is not visible."""
        return hypot(self.calibration.foot_uncertainty(sighting), self.calibration.front_offset(track)[1])


_STILL_JITTERS = 3.0
"""A standing vehicle's foot moves by so many times its jitter: from a low camera that is more than half a metre."""
_COVERAGE = 2.0
_OUTLIER, _OUTLIERS_S = 2.0, 0.3
"""Feet may be so many times further away for so long: among hundreds of feet of one stand some are a detector's errors."""
_MIN_LATEST, _MAX_LATEST, _LATEST_S = 3, 16, 0.5
_MIN_FEET = 5


def stood_for_s(track: Track, calibration: Calibration, *, still_m_s: float = 0.5) -> float:
    """How long the vehicle has been standing at the end of its track, in seconds; 0 if it moves.

    It stands if it moves slower than `still_m_s`; without metres, slower than 1/5 of its box height per second. However long it stands, it
    stays within the way of one second at that speed, and within the jitter of its box: who creeps in a queue does not stand.
    """
    last = track.last
    limit = _slowest(last, calibration, still_m_s)
    jitter = calibration.foot_jitter(last)
    allowed = max(limit, _STILL_JITTERS * jitter)
    end = _latest_foot(track, calibration)
    still: list[tuple[float, Point]] = []
    for sighting in reversed(track.sightings):
        foot, ago_s = calibration.ground(sighting.box.foot), seconds_between(sighting.captured_at, last.captured_at)
        off = distance(foot, end)
        if off <= allowed:
            still.append((ago_s, foot))
        elif off > _OUTLIER * allowed or ago_s - (still[-1][0] if still else 0.0) > _OUTLIERS_S:
            break
    return still[-1][0] if still and _drift_at_most(still, max(jitter, _jitter_of(still))) <= limit else 0.0


def _jitter_of(feet: Sequence[tuple[float, Point]]) -> float:
    """Standard deviation of the feet around steady motion, from the median of second differences; 0 for fewer than five feet."""
    if len(feet) < _MIN_FEET:
        return 0.0
    triples = zip(feet, feet[1:], feet[2:], strict=False)
    bends = [max(abs(one.x - 2 * two.x + three.x), abs(one.y - 2 * two.y + three.y)) for (_, one), (_, two), (_, three) in triples]
    return 1.4826 * median(bends) / 6**0.5


def _latest_foot(track: Track, calibration: Calibration) -> Point:
    """The median of the last half second's feet, of three at least."""
    latest = [
        calibration.ground(sighting.box.foot)
        for number, sighting in enumerate(reversed(track.sightings[-_MAX_LATEST:]))
        if number < _MIN_LATEST or seconds_between(sighting.captured_at, track.last.captured_at) <= _LATEST_S
    ]
    return Point(median(foot.x for foot in latest), median(foot.y for foot in latest))


def stand_uncertainty_s(track: Track, calibration: Calibration, *, still_m_s: float = 0.5) -> float:
    """Standard uncertainty of `stood_for_s`, in seconds.

    A vehicle that comes to its stand, or leaves it, at 1 m/s is within the allowed displacement for twice this time.
    """
    limit = _slowest(track.last, calibration, still_m_s)
    return max(limit, _STILL_JITTERS * calibration.foot_jitter(track.last)) / (2 * limit) / _COVERAGE


def _slowest(sighting: Sighting, calibration: Calibration, still_m_s: float) -> float:
    """Speed below which a vehicle stands, in the calibration's unit per second."""
    return still_m_s if calibration.unit == "m" else sighting.box.height / 5


def _drift_at_most(feet: Sequence[tuple[float, Point]], jitter: float) -> float:
    """Speed of the straight line through the feet, by least squares, and two standard uncertainties more; 0 for a single foot.

    A walker drifts, however much the feet jitter.
    """
    mean = sum(at for at, _ in feet) / len(feet)
    spread = sum((at - mean) ** 2 for at, _ in feet)
    if not spread:
        return 0.0
    x, y = (sum((at - mean) * foot[axis] for at, foot in feet) / spread for axis in (0, 1))
    return hypot(x, y) + _COVERAGE * jitter / sqrt(spread)
