"""A camera that knows where on the road a pixel lies.

With four or more ground points the picture's plane maps to the road's by a homography (Hartley & Zisserman, Multiple View Geometry,
2nd ed., algorithm 4.2: normalised DLT) and distances are metres. Without them distances stay pixels, and what needs metres (speed,
the front of a vehicle seen from behind) is not measured rather than guessed.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from etle.config import site as config
from etle.errors import ConfigError
from etle.types import Point, Sighting, Track, VehicleClass, View
from models.tracking.vehicle_class import vehicle_class_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Length of the vehicles on Indonesian roads in metres, and the standard uncertainty of taking it for one of that class.
# Cars from 3.6 (Ayla, Agya) to 4.9 (Fortuner), motorcycles 1.85 to 2.05 (makers' data sheets). What a detector calls a bus or a truck is
# anything from an angkot or a pick-up (4 m) to 12 m: the uncertainty says so, and their moments need an older red.
LENGTH_M = {
    VehicleClass.CAR: (4.4, 0.4),
    VehicleClass.MOTORCYCLE: (1.95, 0.1),
    VehicleClass.BUS: (8.5, 2.2),
    VehicleClass.TRUCK: (7.0, 1.8),
}
MOST_OFF_M = 1.0
"""By which a ground point may disagree with the others."""
FOOT_U_M = 0.3
"""Standard uncertainty of where a vehicle stands, from the lower edge of its box: the detector's edge is good to a few pixels."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Maps pixels of the full frame to the road; `matrix` is row-major, None where only pixels are known."""

    view: View
    matrix: tuple[tuple[float, float, float], ...] | None

    @property
    def unit(self) -> str:
        return "px" if self.matrix is None else "m"

    def ground(self, point: Point) -> Point:
        """`point` of the picture on the road, in `unit`."""
        if self.matrix is None:
            return point
        a, b, c = self.matrix
        scale = c[0] * point.x + c[1] * point.y + c[2]
        return Point((a[0] * point.x + a[1] * point.y + a[2]) / scale, (b[0] * point.x + b[1] * point.y + b[2]) / scale)

    def front_ahead(self, track: Track) -> tuple[float, float]:
        """How far the vehicle's front lies ahead of its foot in the picture, and the standard uncertainty of that, in metres.

        A camera that sees the front sees the front's foot; behind a vehicle it is a length ahead. Without metres: (0, 0).
        """
        if self.matrix is None or self.view is View.FRONT:
            return 0.0, 0.0
        return LENGTH_M[vehicle_class_of(track)]

    def foot_uncertainty(self, sighting: Sighting) -> float:
        """Standard uncertainty of a foot's place in `unit`; in pixels a fiftieth of the box, at least two."""
        return FOOT_U_M if self.matrix is not None else max(2.0, sighting.box.height / 50)


def calibrate(camera: config.CameraSettings) -> Calibration:
    """Raises ConfigError if the ground points do not span a plane or do not agree with one another."""
    if not camera.ground_points:
        return Calibration(camera.view, None)
    pixels = np.array([point.px for point in camera.ground_points], float)
    metres = np.array([point.m for point in camera.ground_points], float)
    matrix = _homography(pixels, metres, camera.id)
    _check(matrix, pixels, metres, camera.id)
    a, b, c = matrix.tolist()
    return Calibration(camera.view, (tuple(a), tuple(b), tuple(c)))


def _homography(pixels: "NDArray[np.float64]", metres: "NDArray[np.float64]", camera: str) -> "NDArray[np.float64]":
    from_px, from_m = _normaliser(pixels), _normaliser(metres)
    rows = []
    for (x, y), (u, v) in zip(_moved(pixels, from_px), _moved(metres, from_m), strict=True):
        rows += [[-x, -y, -1, 0, 0, 0, u * x, u * y, u], [0, 0, 0, -x, -y, -1, v * x, v * y, v]]
    _, singular, right = np.linalg.svd(np.array(rows))
    if singular[7] < 1e-6 * singular[0]:
        raise ConfigError(f"camera {camera!r}: its ground_points lie on one line; spread four over the road")
    matrix: NDArray[np.float64] = np.linalg.inv(from_m) @ right[-1].reshape(3, 3) @ from_px
    matrix /= matrix[2, 2]
    return matrix


def _normaliser(points: "NDArray[np.float64]") -> "NDArray[np.float64]":
    centre = points.mean(axis=0)
    spread = float(np.linalg.norm(points - centre, axis=1).mean()) or 1.0
    scale = 2**0.5 / spread
    return np.array([[scale, 0, -scale * centre[0]], [0, scale, -scale * centre[1]], [0, 0, 1]])


def _moved(points: "NDArray[np.float64]", matrix: "NDArray[np.float64]") -> "NDArray[np.float64]":
    moved = np.c_[points, np.ones(len(points))] @ matrix.T
    plane: NDArray[np.float64] = moved[:, :2] / moved[:, 2:]
    return plane


def _check(matrix: "NDArray[np.float64]", pixels: "NDArray[np.float64]", metres: "NDArray[np.float64]", camera: str) -> None:
    """A ground point that the others contradict by a metre was measured or typed wrong."""
    off = np.linalg.norm(_moved(pixels, matrix) - metres, axis=1)
    if off.max() <= MOST_OFF_M:
        return
    worst = _odd_one_out(pixels, metres, camera) if len(pixels) > 5 else int(off.argmax())
    raise ConfigError(
        f"camera {camera!r}: the ground_points disagree by {off.max():.1f} m; ground_points[{worst}] fits least: measure it again"
    )


def _odd_one_out(pixels: "NDArray[np.float64]", metres: "NDArray[np.float64]", camera: str) -> int:
    """The point without which the others agree best."""

    def rest_off(left_out: int) -> float:
        others = np.arange(len(pixels)) != left_out
        try:
            matrix = _homography(pixels[others], metres[others], camera)
        except ConfigError:
            return np.inf  # without this one the others lie on one line
        return float(np.linalg.norm(_moved(pixels[others], matrix) - metres[others], axis=1).max())

    return min(range(len(pixels)), key=rest_off)
