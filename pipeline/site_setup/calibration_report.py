"""How well ground points determine a camera's calibration: what each point is off by, and the error in metres over the picture.

The error is propagated from the clicks: each point is moved by a small step in the picture, the calibration is fitted again, and the
displacements on the road add up as independent errors do. The standard uncertainty of a click is that of the residuals, and at least one
pixel.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import hypot, isfinite, sqrt
from typing import TYPE_CHECKING, Final

import numpy as np

from etle.config.site import CameraSettings, GroundPoint, Lens
from etle.errors import ConfigError
from etle.geometry import distance
from etle.types import Point
from pipeline.scene.calibration import Calibration, calibrate
from pipeline.scene.homography import fit_homography
from pipeline.scene.lens import radial_lens

if TYPE_CHECKING:
    from numpy.typing import NDArray

MIN_CLICK_PX: Final = 1.0
_STEP_PX: Final = 0.25
_COLUMNS, _ROWS = 12, 8
_COVERAGE: Final = 2.0
_FARTHEST_M: Final = 400.0
"""Beyond this the picture shows the horizon rather than the road."""
_PARAMETERS: Final = 8
_MIN_POINTS: Final = {0: 4, 1: 6, 2: 7}
"""For so many terms of the lens: one point more than determines them, so that the residuals say something."""
_LENS_STEP: Final = 1e-4
_ITERATIONS: Final = 30
_MAX_TERM: Final = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class PointError:
    """What one ground point is off by: how far the calibration puts it from its metres, and from its pixels."""

    m: float
    px: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MapError:
    """At a pixel: where it is on the road, and the largest error to expect there (95 %), in metres."""

    px: Point
    m: Point
    error_m: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationReport:
    calibration: Calibration
    points: tuple[PointError, ...]
    click_px: float
    """Standard uncertainty of a click that the residuals show."""
    checked: bool
    """Whether there are more points than the fit needs: without one, residuals are zero whatever was clicked or typed."""
    errors: tuple[MapError, ...]
    typical_m: float
    """Median of the errors inside the hull of the points."""


def report_calibration(camera: CameraSettings) -> CalibrationReport:
    """Of a camera with ground points. Raises ConfigError as `calibrate` does."""
    calibration = calibrate(camera)
    points = tuple(_point_error(calibration, point) for point in camera.ground_points)
    terms = sum(1 for term in (calibration.lens.k1, calibration.lens.k2) if term) if calibration.lens else 0
    spare = 2 * len(points) - _PARAMETERS - terms
    click_px = max(MIN_CLICK_PX, sqrt(sum(each.px**2 for each in points) / spare)) if spare > 0 else MIN_CLICK_PX
    errors = tuple(_errors(camera, calibration, click_px))
    inside = [each.error_m for each in errors if _in_bounds(each.px, camera.ground_points)]
    typical = float(np.median(inside or [each.error_m for each in errors] or [0.0]))
    return CalibrationReport(calibration=calibration, points=points, click_px=click_px, checked=spare > 0, errors=errors, typical_m=typical)


def fit_lens(camera: CameraSettings, terms: int) -> Lens:
    """The lens, of one or two terms, with which the ground points fit best, by Gauss-Newton. Raises ConfigError with too few points."""
    if len(camera.ground_points) < _MIN_POINTS[terms]:
        raise ConfigError(
            f"the distortion of the lens takes at least {_MIN_POINTS[terms]} ground points; here: {len(camera.ground_points)}"
        )
    values = np.zeros(terms)
    residuals = _residuals(camera, values)
    damping = 1e-3
    for _ in range(_ITERATIONS):
        steps = [_LENS_STEP * (np.arange(terms) == number) for number in range(terms)]
        jacobian = np.column_stack([(_residuals(camera, values + step) - residuals) / _LENS_STEP for step in steps])
        normal = jacobian.T @ jacobian
        change = np.linalg.solve(normal + damping * np.diag(np.diag(normal) + 1e-12), -jacobian.T @ residuals)
        candidate = np.clip(values + change, -_MAX_TERM, _MAX_TERM)
        better = _residuals(camera, candidate)
        if better @ better < residuals @ residuals and _lens(candidate).unfolds(camera.frame_size):
            values, residuals, damping = candidate, better, damping / 4
        else:
            damping *= 8
        if np.abs(change).max() < 1e-7:
            break
    return _lens(values)


def _lens(values: "NDArray[np.float64]") -> Lens:
    return Lens(k1=round(float(values[0]), 6), k2=round(float(values[1]), 6) if len(values) > 1 else 0.0)


def _residuals(camera: CameraSettings, values: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """In pixels: x and y of each ground point."""
    calibration = _fitted(camera.model_copy(update={"lens": _lens(values)}))
    offsets = [(calibration.pixel(Point(*point.m)), point.px) for point in camera.ground_points]
    return np.array([value for found, px in offsets for value in (found.x - px[0], found.y - px[1])])


def _fitted(camera: CameraSettings) -> Calibration:
    """As `calibrate`, also where the points contradict each other by more than it accepts: the lens may explain that."""
    lens = radial_lens(camera.lens, camera.frame_size)
    pixels = [lens.straightened(Point(*point.px)) if lens else point.px for point in camera.ground_points]
    metres = [point.m for point in camera.ground_points]
    return Calibration(camera.view, fit_homography(pixels, metres, camera.id, max_residual_m=None), lens)


def _point_error(calibration: Calibration, point: GroundPoint) -> PointError:
    px, m = Point(*point.px), Point(*point.m)
    return PointError(m=distance(calibration.ground(px), m), px=distance(calibration.pixel(m), px))


def _errors(camera: CameraSettings, calibration: Calibration, click_px: float) -> Iterator[MapError]:
    width, height = camera.frame_size
    cells = [Point((i + 0.5) * width / _COLUMNS, (j + 0.5) * height / _ROWS) for j in range(_ROWS) for i in range(_COLUMNS)]
    cells = [cell for cell in cells if _is_road(calibration, cell, camera)]
    variance = [0.0] * len(cells)
    for moved in _moved(camera):
        refitted = _fitted(moved)
        for number, cell in enumerate(cells):
            change = distance(refitted.ground(cell), calibration.ground(cell)) / _STEP_PX * click_px
            variance[number] += change**2
    for cell, squared in zip(cells, variance, strict=True):
        yield MapError(px=cell, m=calibration.ground(cell), error_m=_COVERAGE * sqrt(squared))


def _moved(camera: CameraSettings) -> Iterator[CameraSettings]:
    """The camera with one coordinate of one ground point moved by a step."""
    points = camera.ground_points
    for number, point in enumerate(points):
        for dx, dy in ((_STEP_PX, 0.0), (0.0, _STEP_PX)):
            moved = point.model_copy(update={"px": (point.px[0] + dx, point.px[1] + dy)})
            yield camera.model_copy(update={"ground_points": (*points[:number], moved, *points[number + 1 :])})


def _is_road(calibration: Calibration, cell: Point, camera: CameraSettings) -> bool:
    """Whether the pixel shows the road's plane in front of the camera: on the same side of the horizon as the ground points, and near."""
    found = calibration.ground(cell)
    near = _nearest(found, camera.ground_points) < _FARTHEST_M
    before = _side(calibration, cell) * _side(calibration, Point(*camera.ground_points[0].px)) > 0
    return isfinite(found.x) and isfinite(found.y) and near and before


def _side(calibration: Calibration, pixel: Point) -> float:
    """Of the horizon: its sign."""
    assert calibration.matrix is not None
    straight = calibration.lens.straightened(pixel) if calibration.lens else pixel
    g, h, i = calibration.matrix[2]
    return g * straight.x + h * straight.y + i


def _nearest(point: Point, points: Sequence[GroundPoint]) -> float:
    return min(hypot(point.x - each.m[0], point.y - each.m[1]) for each in points)


def _in_bounds(pixel: Point, points: Sequence[GroundPoint]) -> bool:
    xs, ys = [point.px[0] for point in points], [point.px[1] for point in points]
    return min(xs) <= pixel.x <= max(xs) and min(ys) <= pixel.y <= max(ys)
