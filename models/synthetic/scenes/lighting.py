"""Applies day or night light to a scene and renders lamps that shine into the camera; all functions change the canvas in place."""

import cv2
import numpy as np
from numpy.typing import NDArray

from models.synthetic.scenes.textures import Rng, chance, noise, vary_colour
from models.synthetic.scenes.values import Colour, Light

Canvas = NDArray[np.float32]
_SODIUM: Colour = (110, 190, 255)
_COOL: Colour = (255, 235, 215)
_WHITE: Colour = (255, 255, 255)


def apply_daylight(rng: Rng, canvas: Canvas) -> None:
    height, width = canvas.shape[:2]
    canvas *= np.exp(rng.normal(0, 0.25))
    canvas *= np.array(vary_colour(rng, (245, 245, 245), 10), np.float32) / 245
    if chance(rng, 0.3):  # the edge of a shadow
        shade = (noise(rng, height, width, 2, 2) + rng.uniform(-0.5, 0.5) > 0).astype(np.float32)
        canvas *= 1 - cv2.GaussianBlur(shade, (0, 0), rng.uniform(1, 12))[..., None] * rng.uniform(0.2, 0.6)
    if chance(rng, 0.12):  # haze or glare
        canvas += rng.uniform(20, 90) * (1 - canvas / 255)


def apply_night(rng: Rng, canvas: Canvas, lights: list[Light]) -> None:
    height, width = canvas.shape[:2]
    field = np.full((height, width), np.exp(rng.uniform(np.log(0.03), np.log(0.45))), np.float32)
    if chance(rng, 0.6):  # headlamps of the filming vehicle
        field += _pool(rng, height, width, (rng.uniform(0.3, 0.7), rng.uniform(0.55, 0.95)), (0.5, 0.35)) * rng.uniform(0.2, 1.2)
    for _ in range(int(rng.integers(0, 3))):  # lamps above the road, lit windows
        field += _pool(rng, height, width, (rng.uniform(0, 1), rng.uniform(0, 0.6)), (0.5, 0.5)) * rng.uniform(0.05, 0.5)
    colour = [_SODIUM, _COOL, _WHITE][rng.choice(3, p=[0.35, 0.25, 0.4])]
    canvas *= field[..., None] * np.array(vary_colour(rng, colour, 10), np.float32) / 255
    others = [_random_light(rng, height, width) for _ in range(int(rng.integers(0, 10)))]
    for light in [*lights, *others]:
        _render_light(canvas, light, rng)
    if chance(rng, 0.15):
        _streaks(rng, canvas)
    _auto_exposure(rng, canvas)


def render_lights_by_day(rng: Rng, canvas: Canvas, lights: list[Light]) -> None:
    for light in lights:
        if chance(rng, 0.4):
            _render_light(canvas, light, rng)


def _auto_exposure(rng: Rng, canvas: Canvas) -> None:
    """Scale to the brightness of an automatic exposure, which bright lamps bias."""
    mean = float(canvas.clip(0, 255).mean())
    canvas *= float(np.clip(np.exp(rng.uniform(np.log(12), np.log(75))) / max(mean, 1.0), 0.7, 5.0))


def _pool(rng: Rng, height: int, width: int, at: tuple[float, float], reach: tuple[float, float]) -> Canvas:
    wide, high = (part * rng.uniform(0.4, 1.3) for part in reach)
    x = (np.arange(width, dtype=np.float32) / width - at[0]) / wide
    y = (np.arange(height, dtype=np.float32) / height - at[1]) / high
    pool: Canvas = np.exp(-(x[None, :] ** 2) - y[:, None] ** 2)
    return pool


def _random_light(rng: Rng, height: int, width: int) -> Light:
    colours: tuple[Colour, ...] = (_WHITE, _SODIUM, (40, 30, 255), (60, 160, 255), (80, 255, 80), (255, 120, 60))
    x, y = rng.uniform(0, width), rng.uniform(0, 0.75 * height)
    return Light(x=x, y=y, radius=width * rng.uniform(0.004, 0.025), colour=colours[rng.integers(6)], power=rng.uniform(0.3, 2))


def _render_light(canvas: Canvas, light: Light, rng: Rng) -> None:
    """A saturated core, a halo, and the light on the surroundings."""
    height, width = canvas.shape[:2]
    for scale, strength in ((1.0, 400.0), (rng.uniform(2.5, 4), 110.0), (rng.uniform(6, 12), 28.0)):
        radius = max(1.0, light.radius * scale)
        x1, x2 = int(max(0, light.x - 3 * radius)), int(min(width, light.x + 3 * radius))
        y1, y2 = int(max(0, light.y - 3 * radius)), int(min(height, light.y + 3 * radius))
        if x2 <= x1 or y2 <= y1:
            continue
        x = (np.arange(x1, x2, dtype=np.float32) - light.x) / radius
        y = (np.arange(y1, y2, dtype=np.float32) - light.y) / radius
        glow = np.exp(-(x[None, :] ** 2) - y[:, None] ** 2)[..., None] * (strength * light.power)
        canvas[y1:y2, x1:x2] += glow * np.array(light.colour, np.float32) / 255


def _streaks(rng: Rng, canvas: Canvas) -> None:
    """Streaks from rain or a dirty windscreen."""
    height, width = canvas.shape[:2]
    layer = np.zeros((height, width), np.float32)
    for _ in range(int(rng.integers(2, 14))):
        x, y, length, angle = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(0.1, 0.8) * width, rng.uniform(0, np.pi)
        end = (int(x + length * np.cos(angle)), int(y + length * np.sin(angle)))
        cv2.line(layer, (int(x), int(y)), end, rng.uniform(20, 120), int(rng.integers(1, 10)), cv2.LINE_AA)
    canvas += cv2.GaussianBlur(layer, (0, 0), rng.uniform(1, 8))[..., None]
