"""Simulates the camera and later processing of its images: blur, noise, exposure, aspect ratio, JPEG."""

from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from models.synthetic.scenes.textures import Rng, chance
from models.synthetic.scenes.values import Quad, ScenePhoto, box_of, transform

if TYPE_CHECKING:
    from etle.types import Image

Canvas = NDArray[np.float32]
_MIN_CONTRAST = 7.0
"""Minimum standard deviation of the grey levels of a visible plate with its surroundings."""
_CONTEXT_SCALE = np.float32(1.25)


def capture_scene(rng: Rng, canvas: Canvas, plates: list[Quad], *, night: bool) -> ScenePhoto:
    severity = float(rng.choice([0.3, 0.7, 1.0], p=[0.55, 0.3, 0.15]))
    """One severity per image: independent night, blur, noise and compression would add up to useless images."""
    canvas = _blurred(rng, canvas, severity)
    canvas, quads = _resized(rng, canvas, plates, severity)
    canvas = np.power(canvas.clip(0, 255) / np.float32(255), np.float32(np.exp(rng.normal(0, 0.2)))) * np.float32(255)
    canvas = _noisy(rng, canvas, severity * (1.5 if night else 1.0))
    image = canvas.clip(0, 255).astype(np.uint8)
    if chance(rng, 0.06):  # infrared
        image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    if chance(rng, 0.2):  # sharpening as in phones
        image = cv2.addWeighted(image, 1.8, cv2.GaussianBlur(image, (0, 0), rng.uniform(0.7, 1.8)), -0.8, 0)
    if chance(rng, 0.1):
        image, quads = _rotated(rng, image, quads)
    image = _compressed(rng, image)
    return ScenePhoto(image=image, plates=tuple(quad for quad in quads if _visible(image, quad)))


def _visible(image: "Image", quad: Quad) -> bool:
    """Whether the plate has contrast: not in the dark or in glare. The surroundings are included for overexposed white plates."""
    height, width = image.shape[:2]
    centre = quad.mean(axis=0)
    x1, y1, x2, y2 = (round(side) for side in box_of(centre + (quad - centre) * _CONTEXT_SCALE, width, height))
    part = image[y1:y2, x1:x2]
    return bool(part.size) and float(part.mean(axis=2).std()) >= _MIN_CONTRAST


def _blurred(rng: Rng, canvas: Canvas, severity: float) -> Canvas:
    width = canvas.shape[1]
    if chance(rng, 0.35 * severity):
        length = int(rng.uniform(3, 3 + 0.02 * width * severity)) | 1
        kernel = np.zeros((length, length), np.float32)
        angle = rng.normal(0, 0.4) if chance(rng, 0.7) else rng.uniform(0, np.pi)
        offset = (length // 2) * np.array([np.cos(angle), np.sin(angle)])
        ends = [tuple(np.round(length // 2 + sign * offset).astype(int).tolist()) for sign in (-1, 1)]
        cv2.line(kernel, ends[0], ends[1], 1.0)
        canvas = cv2.filter2D(canvas, -1, kernel / kernel.sum())
    if chance(rng, 0.5):
        canvas = cv2.GaussianBlur(canvas, (0, 0), rng.uniform(0.4, 0.6 + 1.6 * severity))
    return canvas


def _resized(rng: Rng, canvas: Canvas, plates: list[Quad], severity: float) -> tuple[Canvas, list[Quad]]:
    """Another aspect ratio, as of images squeezed to a square, and a lower effective resolution."""
    height, width = canvas.shape[:2]
    aspect = rng.uniform(0.56, 0.85) if chance(rng, 0.25) else rng.uniform(0.9, 1.35) if chance(rng, 0.2) else rng.uniform(0.95, 1.05)
    size = (max(32, round(width * aspect)), height)
    if chance(rng, 0.25 + 0.35 * severity):
        resolution = rng.uniform(1 - 0.65 * severity, 1)
        canvas = cv2.resize(canvas, (max(16, int(size[0] * resolution)), max(16, int(height * resolution))), interpolation=cv2.INTER_AREA)
    canvas = cv2.resize(canvas, size, interpolation=cv2.INTER_LINEAR if chance(rng, 0.6) else cv2.INTER_CUBIC)
    return canvas, [(quad * (size[0] / width, 1.0)).astype(np.float32) for quad in plates]


def _noisy(rng: Rng, canvas: Canvas, severity: float) -> Canvas:
    height, width = canvas.shape[:2]
    sigma = np.exp(rng.uniform(np.log(0.5), np.log(2 + 9 * severity)))
    noisy = canvas + rng.normal(0, sigma, (height, width, 1)).astype(np.float32)
    if chance(rng, 0.4):  # colour noise
        grid = rng.normal(0, sigma, (height // 3, width // 3, 3)).astype(np.float32)
        noisy += cv2.resize(grid, (width, height))
    return noisy


def _rotated(rng: Rng, image: "Image", plates: list[Quad]) -> "tuple[Image, list[Quad]]":
    height, width = image.shape[:2]
    matrix = np.eye(3)
    matrix[:2] = cv2.getRotationMatrix2D((width / 2, height / 2), rng.normal(0, 6), 1.0)
    rotated: Image = cv2.warpPerspective(image, matrix, (width, height))
    return rotated, [transform(quad, matrix) for quad in plates]


def _compressed(rng: Rng, image: "Image") -> "Image":
    quality = int(rng.uniform(25, 92))
    jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), np.uint8)
