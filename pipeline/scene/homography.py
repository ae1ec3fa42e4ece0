"""Fits the plane homography from picture to road (Hartley & Zisserman, Multiple View Geometry, 2nd ed., algorithm 4.2: normalised DLT)."""

from typing import TYPE_CHECKING

import numpy as np

from etle.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_RESIDUAL_M = 1.0
"""A ground point that is off by more than this was measured or typed wrong."""

Matrix = tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]

_MIN_SCALE = 1e-12
"""A matrix is scaled so that its last element is 1, if that is more than a rounding error of its largest."""


def fit_homography(
    pixels: list[tuple[float, float]], metres: list[tuple[float, float]], camera: str, *, max_residual_m: float | None = MAX_RESIDUAL_M
) -> Matrix:
    """The 3 x 3 matrix, row by row, that maps homogeneous pixels to metres, from four or more point pairs.

    Raises ConfigError if the points do not span a plane, or contradict each other by more than `max_residual_m`; `camera` is named in the
    message.
    """
    px, m = np.array(pixels, float), np.array(metres, float)
    matrix = _fit(px, m, camera)
    if max_residual_m is not None:
        _check_residuals(matrix, px, m, camera, max_residual_m)
    first, second, third = matrix.tolist()
    return tuple(first), tuple(second), tuple(third)


def _fit(pixels: "NDArray[np.float64]", metres: "NDArray[np.float64]", camera: str) -> "NDArray[np.float64]":
    """`pixels` and `metres`: n x 2."""
    from_px, from_m = _normalisation(pixels), _normalisation(metres)
    rows = []
    for (x, y), (u, v) in zip(_transform(pixels, from_px), _transform(metres, from_m), strict=True):
        rows += [[-x, -y, -1, 0, 0, 0, u * x, u * y, u], [0, 0, 0, -x, -y, -1, v * x, v * y, v]]
    _, singular, right = np.linalg.svd(np.array(rows))
    if singular[7] < 1e-6 * singular[0]:
        raise ConfigError(f"camera {camera!r}: its ground_points lie on one line; spread four over the road")
    matrix: NDArray[np.float64] = np.linalg.inv(from_m) @ right[-1].reshape(3, 3) @ from_px
    largest = matrix.flat[np.argmax(np.abs(matrix))]
    last = matrix[2, 2]
    matrix /= last if abs(last) > _MIN_SCALE * abs(largest) else largest  # 0 where the horizon passes through the pixel (0, 0)
    return matrix


def _normalisation(points: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """The similarity, 3 x 3, that moves the centroid of n x 2 points to the origin and their mean distance from it to sqrt(2)."""
    centre = points.mean(axis=0)
    spread = float(np.linalg.norm(points - centre, axis=1).mean()) or 1.0
    scale = 2**0.5 / spread
    return np.array([[scale, 0, -scale * centre[0]], [0, scale, -scale * centre[1]], [0, 0, 1]])


def _transform(points: "NDArray[np.float64]", matrix: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """n x 2 points, mapped by a 3 x 3 matrix."""
    mapped = np.c_[points, np.ones(len(points))] @ matrix.T
    plane: NDArray[np.float64] = mapped[:, :2] / mapped[:, 2:]
    return plane


def _check_residuals(
    matrix: "NDArray[np.float64]", pixels: "NDArray[np.float64]", metres: "NDArray[np.float64]", camera: str, max_residual_m: float
) -> None:
    residuals = np.linalg.norm(_transform(pixels, matrix) - metres, axis=1)
    if residuals.max() <= max_residual_m:
        return
    worst = _outlier(pixels, metres, camera) if len(pixels) > 5 else int(residuals.argmax())
    raise ConfigError(
        f"camera {camera!r}: the ground_points disagree by {residuals.max():.1f} m; ground_points[{worst}] fits worst: measure it again"
    )


def _outlier(pixels: "NDArray[np.float64]", metres: "NDArray[np.float64]", camera: str) -> int:
    """Index of the point without which the others fit best."""

    def residual_without(left_out: int) -> float:
        others = np.arange(len(pixels)) != left_out
        try:
            matrix = _fit(pixels[others], metres[others], camera)
        except ConfigError:
            return np.inf  # without this one the others lie on one line
        return float(np.linalg.norm(_transform(pixels[others], matrix) - metres[others], axis=1).max())

    return min(range(len(pixels)), key=residual_without)
