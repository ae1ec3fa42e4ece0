"""Places vehicles and their plates in a scene, each under its own random perspective."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from models.synthetic.scenes.distractors import bars, lamp, sticker
from models.synthetic.scenes.mounting import draw_frame, draw_in_front, turned
from models.synthetic.scenes.textures import Rng, chance, grey, lettering, vivid
from models.synthetic.scenes.values import Light, Quad, SceneVehicle, box_of, transform

if TYPE_CHECKING:
    from etle.types import Image

_MAX_HIDDEN = 0.08
"""A vehicle that would hide a larger fraction of a plate is not placed, ..."""
_FULLY_HIDDEN = 0.97
"""... unless it hides at least this fraction; the plate is then removed."""
_MIN_INSIDE = 0.75
"""Minimum fraction of a plate inside the image; otherwise it is not mounted."""
_ROLL_DEG = {"car": 4.0, "motorcycle": 11.0}
_SHEAR = {"car": 0.06, "motorcycle": 0.15}
"""Standard deviation of the horizontal and vertical shear."""


@dataclass(slots=True)
class SceneLayout:
    canvas: NDArray[np.float32]
    """height x width x 3, BGR, 0 to 255 and above."""
    night: bool = False
    plates: list[Quad] = field(default_factory=list)
    lights: list[Light] = field(default_factory=list)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.canvas.shape[1], self.canvas.shape[0]

    def add(self, rng: Rng, vehicle: SceneVehicle, matrix: NDArray[np.float64], plate: "Image | None") -> bool:
        """Draw the vehicle unless it would partly hide a plate; returns whether it was drawn. `plate` None: without a plate."""
        mask = _warped(vehicle.mask, matrix, self.size)
        hidden = [_covered_fraction(mask, quad) for quad in self.plates]
        if any(_MAX_HIDDEN < fraction < _FULLY_HIDDEN for fraction in hidden):
            return False
        self.plates = [quad for quad, fraction in zip(self.plates, hidden, strict=True) if fraction < _FULLY_HIDDEN]
        image = _warped(_with_details(rng, vehicle), matrix, self.size)
        alpha = mask.astype(np.float32)[..., None] / 255
        self.canvas *= 1 - alpha
        self.canvas += image.astype(np.float32) * alpha
        scale = float(np.sqrt(abs(np.linalg.det(matrix[:2, :2]))))
        self.lights += [_transformed_light(light, matrix, scale) for light in vehicle.lights]
        quad = transform(turned(rng, vehicle.plate) if vehicle.motorcycle else vehicle.plate, matrix)
        if plate is None or self._inside_fraction(quad) < _MIN_INSIDE:
            return True
        if vehicle.motorcycle:
            draw_frame(rng, self.canvas, quad)
        self.mount(rng, plate, quad)
        if vehicle.motorcycle:
            draw_in_front(rng, self.canvas, quad)
        return True

    def mount(self, rng: Rng, plate: "Image", quad: Quad) -> None:
        """Draw the plate in a random brightness: lit by its lamp, reflecting headlamps, or dark."""
        wide, high = (max(4, int(np.linalg.norm(quad[i] - quad[0]))) for i in (1, 3))
        fitted = cv2.resize(plate, (wide, high), interpolation=cv2.INTER_AREA).astype(np.float32)
        fitted *= (
            np.exp(self._log_brightness(rng))
            * np.linspace(rng.uniform(0.7, 1.2), rng.uniform(0.6, 1.1), high, dtype=np.float32)[:, None, None]
        )
        corners = np.array([(0, 0), (wide, 0), (wide, high), (0, high)], np.float32) - 0.5
        matrix = cv2.getPerspectiveTransform(corners, quad - 0.5)
        alpha = cv2.warpPerspective(np.ones((high, wide), np.float32), matrix, self.size)[..., None]
        self.canvas *= 1 - alpha
        self.canvas += cv2.warpPerspective(fitted, matrix, self.size, flags=cv2.INTER_LINEAR)
        self.plates.append(quad)

    def _log_brightness(self, rng: Rng) -> float:
        """Logarithm of the plate's brightness relative to the scene; at night plates are lit by their lamps, some are overexposed."""
        if not self.night:
            return float(rng.normal(0, 0.3))
        return float(rng.normal(1.7, 0.5) if chance(rng, 0.2) else rng.normal(0.6, 0.6))

    def _inside_fraction(self, quad: Quad) -> float:
        width, height = self.size
        frame = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
        if not cv2.isContourConvex(quad.reshape(-1, 1, 2)):
            return 0.0
        area, _ = cv2.intersectConvexConvex(quad, frame)
        return float(area) / max(cv2.contourArea(quad), 1e-6)


def random_perspective(
    rng: Rng, vehicle: SceneVehicle, plate_px: float, centre: tuple[float, float], *, motorcycle: bool
) -> NDArray[np.float64]:
    """A 3 x 3 matrix with random roll, shear and perspective that gives the plate this width and centre in the scene."""
    own = vehicle.plate
    kind = "motorcycle" if motorcycle else "car"
    roll = np.radians(rng.normal(0, _ROLL_DEG[kind]))
    scale = plate_px / max(float(np.linalg.norm(own[1] - own[0])), 1.0)
    rotation = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    shear = np.array([[1.0, rng.normal(0, _SHEAR[kind])], [rng.normal(0, _SHEAR[kind]), np.exp(rng.normal(0, 0.1))]])
    matrix = np.eye(3)
    matrix[:2, :2] = scale * rotation @ shear
    matrix[2, :2] = rng.normal(0, 1.2e-4, 2) / max(scale, 0.3)
    current = transform(own.mean(axis=0, keepdims=True), matrix)[0]
    shift = np.eye(3)
    shift[:2, 2] = np.array(centre) - current
    return shift @ matrix


def _warped(image: "Image", matrix: NDArray[np.float64], size: tuple[int, int]) -> "Image":
    """Warp after averaging down to the final scale, to avoid aliasing of thin parts."""
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:2, :2]))))
    if scale < 0.7:
        small_size = tuple(max(1, round(side * scale)) for side in image.shape[1::-1])
        small = cv2.resize(image, small_size, interpolation=cv2.INTER_AREA)
        matrix = matrix @ np.diag([image.shape[1] / small.shape[1], image.shape[0] / small.shape[0], 1.0])
        image = small
    warped: Image = cv2.warpPerspective(image, matrix, size, flags=cv2.INTER_LINEAR)
    return warped


def _with_details(rng: Rng, vehicle: SceneVehicle) -> "Image":
    """The vehicle's image with random stickers, lettering and lamps."""
    if chance(rng, 0.3):
        return vehicle.image
    image = vehicle.image.copy()
    height, width = image.shape[:2]
    for _ in range(int(rng.integers(1, 5))):
        at = (rng.uniform(0.1, 0.9) * width, rng.uniform(0.1, 0.9) * height)
        size = rng.uniform(0.02, 0.07) * width
        match int(rng.integers(6)):
            case 0 | 1:
                lamp(rng, image, at, size * rng.uniform(1, 4))
            case 2 | 3:
                sticker(rng, image, at, size)
            case 4:
                bars(rng, image, at, size * rng.uniform(1, 4))
            case _:
                lettering(rng, image, at, size, grey(rng, 0, 255) if chance(rng, 0.6) else vivid(rng))
    return image


def _covered_fraction(mask: "Image", quad: Quad) -> float:
    """Fraction of the plate's box that the mask covers."""
    x1, y1, x2, y2 = (round(side) for side in box_of(quad, mask.shape[1], mask.shape[0]))
    part = mask[y1:y2, x1:x2]
    return float(part.mean()) / 255 if part.size else 0.0


def _transformed_light(light: Light, matrix: NDArray[np.float64], scale: float) -> Light:
    x, y = transform(np.array([[light.x, light.y]], np.float32), matrix)[0].tolist()
    return Light(x=x, y=y, radius=light.radius * scale, colour=light.colour, power=light.power)
