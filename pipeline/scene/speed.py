"""A vehicle's mean speed over a stretch of road, with an uncertainty that is computed and not assumed (GUM).

Four things make it uncertain: the feet of the boxes jitter, and slowly drift, around the vehicle; the lower edge of a box is not where the
wheels touch the road; the ground points from which the camera was calibrated were measured and drawn with errors; and so were the moments
of the frames. `python -m benchmark.speed` measures how often the interval covers the truth.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import exp, hypot, sqrt
from typing import Final, Self

from etle.clock import seconds_between
from etle.config import site as config
from etle.geometry import displacement_along, distance
from etle.types import Point, Sighting
from pipeline.scene.calibration import Calibration, calibrate

_MIN_SIGHTINGS: Final = 6
_JITTER_TAU_S: Final = 0.3
"""Time over which errors of a foot resemble each other: measured on the detector's boxes of rendered clips, 0.1 to 0.8 s."""
_FOOT_HEIGHT: Final = 0.025
"""Standard uncertainty of the lower edge's height above the road, as a fraction of the box's height, as `benchmark.speed` draws it. On the
demo's clips it is 0.014, of 13 vehicles; other roads and detectors are worse."""
_EXPECTED_SCALE: Final = 0.7
_EXPECTED_WEIGHT: Final = 6.0
"""Slow errors are this large, in multiples of `Calibration.foot_jitter`, which is 1/60 of the box's height: 0.012 of it on rendered clips.
This expectation counts as so many independent sightings."""
_ENDS: Final = 3
_MAX_SIGHTINGS: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredSpeed:
    """The mean speed over the stretch between two sightings."""

    m_s: float
    u: float
    """Standard uncertainty, in m/s."""
    at: datetime
    """The middle of the time."""
    metres: float
    seconds: float
    acceleration: float
    """m/s2, over the stretch."""
    misfit: float
    """Standard deviation of the feet around steady motion, in multiples of what is expected of a detector."""


class SpeedMeter:
    """Measures speeds with one camera. Needs metres."""

    def __init__(self, camera: config.CameraSettings, calibration: Calibration, *, point_px: float, point_m: float) -> None:
        """`point_px`, `point_m`: standard uncertainties of the ground points, in pixels and in metres, of each coordinate."""
        self._calibration = calibration
        self._height = camera.frame_size[1]
        self._displaced = tuple(calibrate(each) for each in _displaced(camera, point_px, point_m))
        """The calibrations with one coordinate of one ground point displaced by its uncertainty."""

    def measure(self, sightings: Sequence[Sighting]) -> MeasuredSpeed | None:
        """None for too few sightings, or if the vehicle did not move."""
        path = sightings[:: 1 + len(sightings) // _MAX_SIGHTINGS]
        if len(path) < _MIN_SIGHTINGS:
            return None
        feet = [self._calibration.ground(sighting.box.foot) for sighting in path]
        start, end = _mean(feet[:_ENDS]), _mean(feet[-_ENDS:])
        metres = distance(start, end)
        seconds = seconds_between(path[0].captured_at, path[-1].captured_at)
        if metres < 1e-3 or seconds <= 0:
            return None
        fit = _LineFit(
            [seconds_between(path[0].captured_at, sighting.captured_at) for sighting in path],
            [displacement_along(start, foot, start, end) for foot in feet],
            [self._calibration.foot_jitter(sighting) for sighting in path],
        )
        u_foot = _FOOT_HEIGHT * abs(fit.slope_of([self._height_on_road(sighting) for sighting in path]))
        pixels = [sighting.box.foot for sighting in path]
        u_scale = fit.slope * self.scale_uncertainty(_mean(pixels[:_ENDS]), _mean(pixels[-_ENDS:]))
        return MeasuredSpeed(
            m_s=fit.slope,
            u=hypot(fit.u, u_foot, u_scale),
            at=path[0].captured_at + timedelta(seconds=seconds / 2),
            metres=fit.slope * seconds,
            seconds=seconds,
            acceleration=fit.acceleration,
            misfit=fit.scale,
        )

    def _height_on_road(self, sighting: Sighting) -> float:
        """The shadow of the box's height on the road, along the line of sight: an error of the lower edge in units of the height moves the
        foot by so much."""
        foot = sighting.box.foot
        return sighting.box.height * distance(self._calibration.ground(foot), self._calibration.ground(Point(foot.x, foot.y - 1)))

    def foot_uncertainty(self, start: Sighting, end: Sighting) -> float:
        """Standard uncertainty of the distance between two feet, in metres, from the height of lower edges above the road."""
        return _FOOT_HEIGHT * abs(self._height_on_road(end) - self._height_on_road(start))

    def scale_uncertainty(self, start: Point, end: Point) -> float:
        """Relative standard uncertainty of the distance on the road between two pixels, from the ground points."""
        nominal = distance(self._calibration.ground(start), self._calibration.ground(end))
        changes = [distance(each.ground(start), each.ground(end)) / nominal - 1 for each in self._displaced]
        return sqrt(sum(change**2 for change in changes))


class _LineFit:
    """The mean speed between the first and the last of positions over time, under steady acceleration.

    By weighted least squares, with errors that are correlated in time.
    """

    def __init__(self, times: Sequence[float], positions: Sequence[float], jitters: Sequence[float]) -> None:
        weights = [1 / jitter**2 for jitter in jitters]
        total = sum(weights)
        mean = sum(w * t for w, t in zip(weights, times, strict=True)) / total
        offsets = [t - mean for t in times]
        spread = sum(w * t * t for w, t in zip(weights, offsets, strict=True))
        gains = [w * t / spread for w, t in zip(weights, offsets, strict=True)]
        slope = sum(gain * s for gain, s in zip(gains, positions, strict=True))
        square, cube = (sum(w * t**power for w, t in zip(weights, offsets, strict=True)) / total for power in (2, 3))
        bent = [t * t - square - cube / square * t for t in offsets]
        power = sum(w * b * b for w, b in zip(weights, bent, strict=True))
        factor = sum(w * b * s for w, b, s in zip(weights, bent, positions, strict=True)) / power if power else 0.0
        self.acceleration = 2 * factor
        to_mean = (times[0] + times[-1] - 2 * mean - cube / square) / power if power else 0.0
        self._gains = [gain + to_mean * w * b for gain, w, b in zip(gains, weights, bent, strict=True)]
        self.slope = self.slope_of(positions)
        level = sum(w * s for w, s in zip(weights, positions, strict=True)) / total
        residuals = [s - level - slope * t - factor * b for s, t, b in zip(positions, offsets, bent, strict=True)]
        sum_squares = sum(w * r * r for w, r in zip(weights, residuals, strict=True))
        errors = FootErrorScale.of(sum_squares, [_normalised(base, weights) for base in ([1.0] * len(times), offsets, bent)], times)
        self.scale = errors.of_residuals
        self.u = errors.scale * sqrt(correlated([gain * jitter for gain, jitter in zip(self._gains, jitters, strict=True)], times))

    def slope_of(self, values: Sequence[float]) -> float:
        """The mean speed that errors of these sizes would add."""
        return sum(gain * value for gain, value in zip(self._gains, values, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class FootErrorScale:
    """How large the slow errors of a track's feet are, in multiples of the jitter that is expected of a detector."""

    of_residuals: float
    scale: float
    """What is expected of a detector, corrected by the residuals, the more the longer the vehicle was seen."""

    @classmethod
    def of(cls, sum_squares: float, bases: Sequence[Sequence[float]], times: Sequence[float]) -> Self:
        """`sum_squares`: of the residuals, in units of the jitter, after a fit with these orthonormal functions of the time."""
        remaining = len(times) - sum(correlated(base, times) for base in bases)
        of_residuals = sqrt(sum_squares / max(remaining, 1e-9)) if remaining > 0.5 else 1.0
        seen = max(0.0, remaining * _independent_share(times))
        scale = sqrt((_EXPECTED_WEIGHT * _EXPECTED_SCALE**2 + seen * of_residuals**2) / (_EXPECTED_WEIGHT + seen))
        return cls(of_residuals=of_residuals, scale=scale)


def _normalised(base: Sequence[float], weights: Sequence[float]) -> list[float]:
    """Of length 1 among positions in units of their jitter."""
    length = sqrt(sum(w * value * value for w, value in zip(weights, base, strict=True)))
    return [sqrt(w) * value / length if length else 0.0 for w, value in zip(weights, base, strict=True)]


def correlated(gains: Sequence[float], times: Sequence[float]) -> float:
    """Variance of the sum of errors of variance 1 with these gains, which resemble each other over _JITTER_TAU_S."""
    return sum(
        one * two * exp(-abs(first - second) / _JITTER_TAU_S)
        for one, first in zip(gains, times, strict=True)
        for two, second in zip(gains, times, strict=True)
    )


def _independent_share(times: Sequence[float]) -> float:
    """Share of the sightings whose errors count as independent of each other."""
    same = exp(-(times[-1] - times[0]) / (len(times) - 1) / _JITTER_TAU_S)
    return (1 - same) / (1 + same)


def _mean(points: Sequence[Point]) -> Point:
    return Point(sum(point.x for point in points) / len(points), sum(point.y for point in points) / len(points))


def _displaced(camera: config.CameraSettings, px: float, m: float) -> list[config.CameraSettings]:
    """The camera with each coordinate of each ground point displaced by its uncertainty, one at a time."""
    made = []
    for index, point in enumerate(camera.ground_points):
        (x, y), (u, v) = point.px, point.m
        for moved in (
            {"px": (x + px, y)},
            {"px": (x, y + px)},
            {"m": (u + m, v)},
            {"m": (u, v + m)},
        ):
            points = list(camera.ground_points)
            points[index] = point.model_copy(update=moved)
            made.append(camera.model_copy(update={"ground_points": tuple(points)}))
    return made
