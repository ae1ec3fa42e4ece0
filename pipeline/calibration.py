"""A camera that knows where on the road a pixel lies.

With four or more ground points the picture's plane maps to the road's by a homography (Hartley & Zisserman, Multiple View Geometry,
2nd ed., algorithm 4.2: normalised DLT) and distances are metres. Without them distances stay pixels, and what needs metres (speed,
the front of a vehicle seen from behind) is not measured rather than guessed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from etle import config
from etle.errors import ConfigError
from etle.types import Point, Sighting, VehicleClass, View

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Length of the vehicles on Indonesian roads in metres, and the standard uncertainty of taking it for one of that class.
# Cars from 3.6 (Ayla, Agya) to 4.9 (Fortuner), motorcycles 1.85 to 2.05 (maker's data sheets); buses and trucks vary most.
LENGTH_M = {
    VehicleClass.CAR: (4.4, 0.4),
    VehicleClass.MOTORCYCLE: (1.95, 0.1),
    VehicleClass.BUS: (11.0, 1.5),
    VehicleClass.TRUCK: (6.5, 1.2),
}
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

    def front_ahead(self, vehicle: VehicleClass) -> tuple[float, float]:
        """How far the vehicle's front lies ahead of its foot in the picture, and the standard uncertainty of that, in metres.

        A camera that sees the front sees the front's foot; behind a vehicle it is a length ahead. Without metres: (0, 0).
        """
        if self.matrix is None or self.view is View.FRONT:
            return 0.0, 0.0
        return LENGTH_M[vehicle]

    def foot_uncertainty(self, sighting: Sighting) -> float:
        """Standard uncertainty of a foot's place in `unit`; in pixels a fiftieth of the box, at least two."""
        return FOOT_U_M if self.matrix is not None else max(2.0, sighting.box.height / 50)


def calibrate(camera: config.Camera) -> Calibration:
    """Raises ConfigError if the ground points do not span a plane or do not agree with one another."""
    if not camera.ground_points:
        return Calibration(camera.view, None)
    pixels = np.array([point.px for point in camera.ground_points], float)
    metres = np.array([point.m for point in camera.ground_points], float)
    matrix = _homography(pixels, metres, camera.id)
    calibration = Calibration(camera.view, tuple((float(row[0]), float(row[1]), float(row[2])) for row in matrix))
    _check(calibration, camera, metres)
    return calibration


def _homography(pixels: "NDArray[np.float64]", metres: "NDArray[np.float64]", camera: str) -> "NDArray[np.float64]":
    from_px, from_m = _normaliser(pixels), _normaliser(metres)
    rows = []
    for (x, y), (u, v) in zip(_moved(pixels, from_px), _moved(metres, from_m), strict=True):
        rows += [[-x, -y, -1, 0, 0, 0, u * x, u * y, u], [0, 0, 0, -x, -y, -1, v * x, v * y, v]]
    _, singular, right = np.linalg.svd(np.array(rows))
    if singular[7] < 1e-6 * singular[0]:
        raise ConfigError(f"camera {camera!r}: its ground_points lie on one line; spread four over the road")
    matrix: NDArray[np.float64] = np.linalg.inv(from_m) @ right[-1].reshape(3, 3) @ from_px
    return matrix / matrix[2, 2]


def _normaliser(points: "NDArray[np.float64]") -> "NDArray[np.float64]":
    centre = points.mean(axis=0)
    spread = float(np.linalg.norm(points - centre, axis=1).mean()) or 1.0
    scale = 2**0.5 / spread
    return np.array([[scale, 0, -scale * centre[0]], [0, scale, -scale * centre[1]], [0, 0, 1]])


def _moved(points: "NDArray[np.float64]", matrix: "NDArray[np.float64]") -> "NDArray[np.float64]":
    moved = np.c_[points, np.ones(len(points))] @ matrix.T
    result: NDArray[np.float64] = moved[:, :2] / moved[:, 2:]
    return result


def _check(calibration: Calibration, camera: config.Camera, metres: Sequence[Sequence[float]]) -> None:
    """A ground point that the others contradict by a metre was measured or typed wrong."""
    for number, (given, want) in enumerate(zip(camera.ground_points, metres, strict=True)):
        found = calibration.ground(Point(*given.px))
        off = ((found.x - want[0]) ** 2 + (found.y - want[1]) ** 2) ** 0.5
        if off > 1.0:
            raise ConfigError(f"camera {camera.id!r}: ground_points[{number}] lies {off:.1f} m from where the others put it; measure it again")
