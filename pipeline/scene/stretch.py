"""The stretch of road on which a camera measures speeds: a zone, or the way between two lines.

A vehicle is measured once, when it has left the stretch or is lost: a speed that is compared with the limit in every frame would exceed it
by chance in one of them.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from math import hypot, sqrt
from typing import Final, Protocol

from etle.clock import seconds_between
from etle.config import site as config
from etle.geometry import distance, fraction_along, polygon_contains
from etle.types import Drawing, Point, Sighting, Track, TrackId
from pipeline.scene.calibration import Calibration
from pipeline.scene.driven import DrivenMemory
from pipeline.scene.judgement import Reason
from pipeline.scene.passage import FrontOffset, NoPassage, Passage, PassageMemory
from pipeline.scene.scene import LineOnRoad
from pipeline.scene.sighting_memory import SightingMemory
from pipeline.scene.speed import FootErrorScale, MeasuredSpeed, SpeedMeter, correlated

_LEFT_S: Final = 0.5
"""A vehicle has left the zone if it was not seen inside for so long: feet at the edge jitter over it."""
_MAX_MISFIT: Final = 4.0
"""Feet that lie so many times further from steady motion than expected were hidden, or are not those of one vehicle."""
_HIDDEN_S: Final = 0.5
"""So shortly before and after a hidden foot, the lower edge may be covered a little already."""
_FOOT: Final = FrontOffset(0.0, 0.0, 0.0)
_MAX_TRACKS: Final = 256


class Stretch(Protocol):
    def measure(self, track: Track, *, ended: bool) -> MeasuredSpeed | Reason | None:
        """None if the vehicle did not drive on the stretch, or is still on it; a reason if it did but could not be measured."""
        ...

    def drawing(self) -> Drawing: ...


class ZoneStretch:
    """Measures the feet of all sightings inside a zone."""

    def __init__(self, zone: config.Zone, calibration: Calibration, meter: SpeedMeter, *, distance_m: float) -> None:
        """`distance_m`: shortest distance that is measured."""
        self._zone, self._meter, self._distance_m = zone, meter, distance_m
        self._inside = SightingMemory(lambda each: calibration.shows_foot(each.box) and polygon_contains(zone.corners, each.box.foot))
        self._driven = DrivenMemory(calibration)
        self._known: dict[TrackId, tuple[Sighting, Sighting, MeasuredSpeed | Reason]] = {}

    def measure(self, track: Track, *, ended: bool) -> MeasuredSpeed | Reason | None:
        inside = [index for index, each in enumerate(self._inside.of(track)) if each]
        if not inside:
            return None
        first, last = inside[0], inside[-1]
        if not ended and seconds_between(track.sightings[last].captured_at, track.last.captured_at) < _LEFT_S:
            return None
        ends = track.sightings[first], track.sightings[last]
        known = self._known.get(track.id)
        if known is None or known[:2] != ends:
            known = (*ends, self._measured(track, [track.sightings[index] for index in inside], first, last))
            while len(self._known) >= _MAX_TRACKS:
                del self._known[next(iter(self._known))]
            self._known[track.id] = known
        return known[2]

    def _measured(self, track: Track, inside: Sequence[Sighting], first: int, last: int) -> MeasuredSpeed | Reason:
        measured = self._meter.measure(_clearly_visible(inside))
        if measured is None or measured.metres < self._distance_m:
            return Reason.NOT_MEASURED
        if measured.misfit > _MAX_MISFIT or not self._is_one_vehicle(track, first, last):
            return Reason.NOT_ONE_VEHICLE
        return measured

    def _is_one_vehicle(self, track: Track, first: int, last: int) -> bool:
        """By its motion before and after the zone, or by that in the zone alone: near the edge of the picture feet are uncertain."""
        on_stretch = replace(track, sightings=track.sightings[first : last + 1])
        return self._driven.why_not(track, first, last) is None or self._driven.why_not(on_stretch, 0, last - first) is None

    def drawing(self) -> Drawing:
        return Drawing(lines=(), areas=((self._zone.id, self._zone.corners),), signals=())


def _clearly_visible(sightings: Sequence[Sighting]) -> list[Sighting]:
    """Without those near in time to a hidden foot: one that a following vehicle hides little by little seems to drive faster."""
    hidden = [each.captured_at for each in sightings if each.foot_hidden]
    return [each for each in sightings if all(abs(seconds_between(each.captured_at, at)) > _HIDDEN_S for at in hidden)]


_NEAR_S: Final = 0.4
"""Time around a passage over which the feet determine its moment."""
_TAPE_U_M: Final = 0.1
"""Standard uncertainty of the distance between two lines that was measured on the road."""
_FAR_SCALE: Final = 1.5
"""A pixel at one of two lines is so many times more metres than between them, at most."""
_RELATIVE_U: Final = 0.008
"""Of the distance without metres, because the lower edge of a box lies above the road: by 1/30 of its height, under a camera at 6 m."""


class LineStretch:
    """Measures the time between the passages of the foot over two lines; needs no metres if their distance was measured on the road."""

    def __init__(
        self, start: config.Line, end: config.Line, calibration: Calibration, meter: SpeedMeter | None, *, distance_m: float | None,
        point_px: float,
    ) -> None:  # fmt: skip
        """`meter` is needed without `distance_m`. `point_px`: standard uncertainty of the drawn lines, in pixels."""
        self._point_px = point_px
        self._lines, self._calibration, self._meter, self._distance_m = (start, end), calibration, meter, distance_m
        self._on_road = tuple(LineOnRoad.of(line, calibration) for line in self._lines)
        self._passages = tuple(PassageMemory(each.past, calibration.foot_uncertainty) for each in self._on_road)
        self._driven = DrivenMemory(calibration)

    def measure(self, track: Track, *, ended: bool) -> MeasuredSpeed | Reason | None:
        passed = [memory.passage_of(track, _FOOT) for memory in self._passages]
        start, end = passed
        if isinstance(start, NoPassage):
            return None
        if isinstance(end, NoPassage):
            return Reason.NOT_MEASURED if ended else None
        if not all(line.spans(track.sightings[each.beyond]) for line, each in zip(self._on_road, (start, end), strict=True)):
            return None
        if start.at >= end.at:
            return None
        last = track.sightings[end.beyond].captured_at
        if not ended and seconds_between(last, track.last.captured_at) < _LEFT_S:
            return None
        if self._driven.why_not(track, start.before, end.beyond) is not None:
            return Reason.NOT_ONE_VEHICLE
        near = [self._near(track, each) for each in (start, end)]
        if any(len(each) < 2 or any(sighting.foot_hidden for sighting in each) for each in near):
            return Reason.NOT_MEASURED
        return self._measured(track, near)

    def drawing(self) -> Drawing:
        lines = tuple((line.id, tuple(Point(*point) for point in line.points)) for line in self._lines)
        return Drawing(lines=lines, areas=(), signals=())

    def _near(self, track: Track, passed: Passage) -> list[Sighting]:
        return [each for each in track.sightings if abs(seconds_between(passed.at, each.captured_at)) <= _NEAR_S]

    def _measured(self, track: Track, near: Sequence[Sequence[Sighting]]) -> MeasuredSpeed | Reason:
        fits = [self._zero(line, sightings, track) for line, sightings in zip(self._on_road, near, strict=True)]
        if any(fit is None for fit in fits):
            return Reason.NOT_MEASURED
        (first_s, first_u), (second_s, second_u) = (fit for fit in fits if fit is not None)
        seconds = second_s - first_s
        metres, u_m = self._distance(near)
        if seconds <= 0:
            return Reason.NOT_MEASURED
        m_s = metres / seconds
        at_lines = self._at_lines(near)
        u_foot = _RELATIVE_U if self._meter is None else self._meter.foot_uncertainty(*at_lines) / metres
        relative = hypot(u_m / metres, hypot(first_u, second_u) / seconds, u_foot)
        return MeasuredSpeed(
            m_s=m_s,
            u=m_s * relative,
            at=track.first.captured_at + timedelta(seconds=(first_s + second_s) / 2),
            metres=metres,
            seconds=seconds,
            acceleration=0.0,
            misfit=1.0,
        )

    def _zero(self, line: LineOnRoad, near: Sequence[Sighting], track: Track) -> tuple[float, float] | None:
        """Second of the track at which the straight line through the feet passes the line, and its standard uncertainty."""
        times = [seconds_between(track.first.captured_at, each.captured_at) for each in near]
        past = [line.past(each) for each in near]
        mean_t, mean_p = sum(times) / len(times), sum(past) / len(past)
        spread = sum((t - mean_t) ** 2 for t in times)
        slope = sum((t - mean_t) * (p - mean_p) for t, p in zip(times, past, strict=True)) / spread if spread else 0.0
        if slope <= 0:
            return None
        expected = self._calibration.foot_jitter(min(near, key=lambda each: abs(line.past(each))))
        residual = hypot(*(p - mean_p - slope * (t - mean_t) for t, p in zip(times, past, strict=True))) / expected
        level, trend = [len(times) ** -0.5] * len(times), [(t - mean_t) / sqrt(spread) for t in times]
        jitter = expected * FootErrorScale.of(residual**2, (level, trend), times).scale
        zero = mean_t - mean_p / slope
        gains = [1 / len(times) + (zero - mean_t) * (t - mean_t) / spread for t in times]
        return zero, jitter / slope * sqrt(correlated(gains, times))

    def _distance(self, near: Sequence[Sequence[Sighting]]) -> tuple[float, float]:
        if self._distance_m is not None:
            drawn = (self._drawing_u(line, each, self._distance_m) for line, each in zip(self._on_road, self._at_lines(near), strict=True))
            return self._distance_m, hypot(_TAPE_U_M, *drawn)
        assert self._meter is not None, "without a measured distance there is a meter"
        one, two = (self._on_line(line, each.box.foot) for line, each in zip(self._on_road, self._at_lines(near), strict=True))
        metres = distance(one, two)
        return metres, metres * self._meter.scale_uncertainty(*(self._calibration.pixel(each) for each in (one, two)))

    def _at_lines(self, near: Sequence[Sequence[Sighting]]) -> tuple[Sighting, Sighting]:
        """The sightings nearest to the lines: those farther along, ten metres at 100 km/h, have other errors."""
        one, two = (min(each, key=lambda seen: abs(line.past(seen))) for line, each in zip(self._on_road, near, strict=True))
        return one, two

    def _drawing_u(self, line: LineOnRoad, at: Sighting, distance_m: float) -> float:
        """Standard uncertainty of the place of a drawn line on the road, in metres: of its ends, between which the vehicle passes."""
        foot = at.box.foot
        part = min(1.0, max(0.0, fraction_along(self._calibration.ground(foot), line.start, line.end)))
        drawn_px = self._point_px * hypot(part, 1 - part)
        if self._meter is not None:
            return drawn_px * distance(self._calibration.ground(foot), self._calibration.ground(Point(foot.x, foot.y - 1)))
        middles = [Point(*(sum(axis) / 2 for axis in zip(*each.points, strict=True))) for each in self._lines]
        return _FAR_SCALE * drawn_px * distance_m / max(1.0, distance(*middles))

    def _on_line(self, line: LineOnRoad, foot: Point) -> Point:
        """The point of the line that is nearest to the foot, on the road."""
        at = self._calibration.ground(foot)
        length = distance(line.start, line.end)
        x, y = (line.end.x - line.start.x) / length, (line.end.y - line.start.y) / length
        along = (at.x - line.start.x) * x + (at.y - line.start.y) * y
        return Point(line.start.x + along * x, line.start.y + along * y)
