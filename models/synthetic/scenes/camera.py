"""What a camera and whoever publishes its pictures do to a scene."""

from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from models.synthetic.scenes.textures import Rng, chance
from models.synthetic.scenes.values import Quad, ScenePhoto, box_of, moved

if TYPE_CHECKING:
    from etle.types import Image

Canvas = NDArray[np.float32]
_LEAST_CONTRAST = 7.0
_SURROUNDINGS = np.float32(1.25)


def photographed(rng: Rng, canvas: Canvas, plates: list[Quad], *, night: bool) -> ScenePhoto:
    harsh = float(rng.choice([0.3, 0.7, 1.0], p=[0.55, 0.3, 0.15]))
    """One severity a picture: independent night, blur, noise and loss compound into pictures that teach nothing."""
    canvas = _blurred(rng, canvas, harsh)
    canvas, quads = _reshaped(rng, canvas, plates, harsh)
    canvas = np.power(canvas.clip(0, 255) / np.float32(255), np.float32(np.exp(rng.normal(0, 0.2)))) * np.float32(255)
    canvas = _noisy(rng, canvas, harsh * (1.5 if night else 1.0))
    image = canvas.clip(0, 255).astype(np.uint8)
    if chance(rng, 0.06):  # infrared
        image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    if chance(rng, 0.2):  # a phone's sharpening
        image = cv2.addWeighted(image, 1.8, cv2.GaussianBlur(image, (0, 0), rng.uniform(0.7, 1.8)), -0.8, 0)
    if chance(rng, 0.1):
        image, quads = _turned(rng, image, quads)
    image = _packed(rng, image)
    return ScenePhoto(image=image, plates=tuple(quad for quad in quads if _visible(image, quad)))


def _visible(image: "Image", quad: Quad) -> bool:
    """Not lost in the dark or in a lamp's glare; a plate that is all white still stands out from its surroundings."""
    height, width = image.shape[:2]
    middle = quad.mean(axis=0)
    x1, y1, x2, y2 = (round(side) for side in box_of(middle + (quad - middle) * _SURROUNDINGS, width, height))
    part = image[y1:y2, x1:x2]
    return bool(part.size) and float(part.mean(axis=2).std()) >= _LEAST_CONTRAST


def _blurred(rng: Rng, canvas: Canvas, harsh: float) -> Canvas:
    width = canvas.shape[1]
    if chance(rng, 0.35 * harsh):
        length = int(rng.uniform(3, 3 + 0.02 * width * harsh)) | 1
        kernel = np.zeros((length, length), np.float32)
        angle = rng.normal(0, 0.4) if chance(rng, 0.7) else rng.uniform(0, np.pi)
        away = (length // 2) * np.array([np.cos(angle), np.sin(angle)])
        ends = [tuple(np.round(length // 2 + sign * away).astype(int).tolist()) for sign in (-1, 1)]
        cv2.line(kernel, ends[0], ends[1], 1.0)
        canvas = cv2.filter2D(canvas, -1, kernel / kernel.sum())
    if chance(rng, 0.5):
        canvas = cv2.GaussianBlur(canvas, (0, 0), rng.uniform(0.4, 0.6 + 1.6 * harsh))
    return canvas


def _reshaped(rng: Rng, canvas: Canvas, plates: list[Quad], harsh: float) -> tuple[Canvas, list[Quad]]:
    """Squeezed, as pictures are that somebody made square; and from fewer pixels than they have."""
    height, width = canvas.shape[:2]
    squeeze = rng.uniform(0.56, 0.85) if chance(rng, 0.25) else rng.uniform(0.9, 1.35) if chance(rng, 0.2) else rng.uniform(0.95, 1.05)
    size = (max(32, round(width * squeeze)), height)
    if chance(rng, 0.25 + 0.35 * harsh):
        fewer = rng.uniform(1 - 0.65 * harsh, 1)
        canvas = cv2.resize(canvas, (max(16, int(size[0] * fewer)), max(16, int(height * fewer))), interpolation=cv2.INTER_AREA)
    canvas = cv2.resize(canvas, size, interpolation=cv2.INTER_LINEAR if chance(rng, 0.6) else cv2.INTER_CUBIC)
    return canvas, [(quad * (size[0] / width, 1.0)).astype(np.float32) for quad in plates]


def _noisy(rng: Rng, canvas: Canvas, harsh: float) -> Canvas:
    height, width = canvas.shape[:2]
    sigma = np.exp(rng.uniform(np.log(0.5), np.log(2 + 9 * harsh)))
    noisy = canvas + rng.normal(0, sigma, (height, width, 1)).astype(np.float32)
    if chance(rng, 0.4):  # blotches of colour
        grid = rng.normal(0, sigma, (height // 3, width // 3, 3)).astype(np.float32)
        noisy += cv2.resize(grid, (width, height))
    return noisy


def _turned(rng: Rng, image: "Image", plates: list[Quad]) -> "tuple[Image, list[Quad]]":
    height, width = image.shape[:2]
    matrix = np.eye(3)
    matrix[:2] = cv2.getRotationMatrix2D((width / 2, height / 2), rng.normal(0, 6), 1.0)
    turned: Image = cv2.warpPerspective(image, matrix, (width, height))
    return turned, [moved(quad, matrix) for quad in plates]


def _packed(rng: Rng, image: "Image") -> "Image":
    quality = int(rng.uniform(25, 92))
    jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), np.uint8)
