"""Turns the light of a scene into the image of a camera: exposure, haze, white balance, resolution, blur, noise and JPEG."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from models.synthetic.scenes.textures import chance
from models.synthetic.signals.values import Light, Rng

if TYPE_CHECKING:
    from etle.types import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Pixels of the image per pixel of the canvas."""

    x: float
    y: float


def capture(rng: Rng, light: Light, scale: Scale) -> "Image":
    """The image at this scale; sizes are rounded."""
    height, width = light.shape[:2]
    size = max(4, round(width * scale.x)), max(8, round(height * scale.y))
    values = cv2.resize(_exposed(rng, light), size, interpolation=cv2.INTER_AREA)
    values = _blurred(rng, values)
    values = values + _grain(rng, values.shape) * np.float32(rng.choice([0.003, 0.015, 0.04], p=[0.5, 0.35, 0.15]))
    image: Image = (values.clip(0, 1) * 255).astype(np.uint8)
    return _processed(rng, image)


def _exposed(rng: Rng, light: Light) -> Light:
    """0 to 1, gamma-encoded. Channels saturate one by one: a bright red lamp becomes orange, pink or white."""
    gain = np.exp(rng.normal(0, 0.08, 3)).astype(np.float32)
    if chance(rng, 0.25):  # set for the shade, or for the sky
        light = light * np.float32(rng.uniform(1.5, 5) if chance(rng, 0.4) else rng.uniform(0.15, 0.7))
    if chance(rng, 0.15):
        gain = np.exp(rng.normal(0, 0.25, 3)).astype(np.float32)  # a wrong white balance
    exposed = light * gain
    soft = 1 - np.exp(-exposed) if chance(rng, 0.5) else exposed.clip(0, 1)
    encoded = np.power(soft, np.float32(1 / rng.uniform(1.6, 2.4)))
    if chance(rng, 0.25):  # a camera's desaturating or vivid style
        grey = encoded.mean(axis=2, keepdims=True)
        encoded = grey + (encoded - grey) * np.float32(rng.uniform(0.45, 1.8))
    if chance(rng, 0.2):  # dark pictures
        encoded = encoded * np.float32(rng.uniform(0.45, 1))
    if chance(rng, 0.3):  # haze or glare before the lens
        veil = (1 + rng.normal(0, 0.06, 3)).astype(np.float32) * np.float32(rng.uniform(0.2, 0.95))
        share = np.float32(rng.uniform(0.05, 0.5) if chance(rng, 0.85) else rng.uniform(0.5, 0.85))
        encoded = encoded * (1 - share) + veil * share
    clipped: Light = encoded.clip(0, 1).astype(np.float32)
    return clipped


def _blurred(rng: Rng, values: Light) -> Light:
    if chance(rng, 0.6):
        values = cv2.GaussianBlur(values, (0, 0), rng.uniform(0.3, 1.1))
    if chance(rng, 0.1):  # the camera shakes
        length = int(rng.integers(2, 5))
        values = cv2.blur(values, (1, length) if chance(rng, 0.5) else (length, 1))
    return values


def _grain(rng: Rng, shape: tuple[int, ...]) -> Light:
    grain = rng.standard_normal(shape, np.float32)
    return cv2.GaussianBlur(grain, (0, 0), 0.8) if chance(rng, 0.4) else grain


def _processed(rng: Rng, image: "Image") -> "Image":
    if chance(rng, 0.2):
        image = cv2.addWeighted(image, 1.7, cv2.GaussianBlur(image, (0, 0), rng.uniform(0.6, 1.5)), -0.7, 0)
    if chance(rng, 0.2):  # coloured fringes
        blue, red = np.roll(image[..., 0], int(rng.integers(-2, 3)), axis=1), np.roll(image[..., 2], int(rng.integers(-1, 2)), axis=1)
        image = np.stack([blue, image[..., 1], red], axis=2)
    if chance(rng, 0.7):
        quality = int(rng.uniform(25, 96))
        image = np.asarray(cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR), np.uint8)
    return image
