"""Simulates light, lens, sensor and compression on the image of a plate at its final resolution, where this is cheap.

Each image has one main degradation. Independent night, blur, noise and compression would add up to illegible images, which train a reader
to guess.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etle.types import Image

    Light = NDArray[np.float32]


class Degradation(StrEnum):
    """The main degradation of an image."""

    NONE = "none"
    FAR = "far"
    DARK = "dark"
    GLOW = "glow"  # tail lamps or sodium light on the plate
    GLARE = "glare"  # overexposure, or a lamp's reflection
    MOTION_BLUR = "moved"
    TILTED = "tilted"
    DULL = "dull"  # low contrast: haze, a dirty lens, a bleached plate


_SHARES = {
    Degradation.NONE: 0.12,
    Degradation.FAR: 0.24,
    Degradation.DARK: 0.16,
    Degradation.GLOW: 0.12,
    Degradation.GLARE: 0.1,
    Degradation.MOTION_BLUR: 0.06,
    Degradation.TILTED: 0.15,
    Degradation.DULL: 0.05,
}
_HEIGHTS_PX = {Degradation.FAR: (11, 26), Degradation.DARK: (13, 64), Degradation.GLOW: (14, 60)}
"""Range of the plate's height in the image; `_HEIGHT_PX` for the other degradations."""
_HEIGHT_PX = (16, 96)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    degradation: Degradation
    plate_height_px: float
    noise: float
    """Standard deviation in grey levels."""
    blur_px: float
    jpeg_quality: int | None


def sample_conditions(rng: np.random.Generator) -> Conditions:
    degradation = list(_SHARES)[int(rng.choice(len(_SHARES), p=list(_SHARES.values())))]
    return conditions_for(degradation, rng)


def conditions_for(degradation: Degradation, rng: np.random.Generator) -> Conditions:
    low, high = _HEIGHTS_PX.get(degradation, _HEIGHT_PX)
    height = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    sharp = rng.random() < 0.45
    return Conditions(
        degradation=degradation,
        plate_height_px=height,
        noise=float(np.exp(rng.uniform(np.log(0.5), np.log(9.0 if degradation is Degradation.DARK else 5.0)))),
        blur_px=0.0 if sharp else float(height * rng.uniform(0.008, 0.04)),
        jpeg_quality=int(rng.uniform(25 if height > 24 else 45, 93)) if rng.random() < 0.65 else None,
    )


def apply_lighting(picture: "Image", conditions: Conditions, rng: np.random.Generator) -> "Light":
    """`picture` (uint8, BGR) under simulated light; float32, 0 to 255."""
    light: Light = picture.astype(np.float32)
    if rng.random() < 0.5:
        light *= _gradient(picture.shape, rng)
    if rng.random() < 0.12:
        light *= _shadow(picture.shape, rng)
    if rng.random() < 0.35:
        light *= _lamp_colour(rng)
    match conditions.degradation:
        case Degradation.DARK:
            light = light * np.float32(rng.uniform(0.07, 0.4)) + np.float32(rng.uniform(0, 22))
            light *= _lamp_colour(rng) if rng.random() < 0.5 else np.float32(1)
        case Degradation.GLOW:
            light = _with_tail_lamps(light, rng)
        case Degradation.GLARE:
            light = _with_glare(light, rng)
        case Degradation.DULL:
            light = (light - 128) * np.float32(rng.uniform(0.2, 0.5)) + np.float32(rng.uniform(80, 205))
        case _:
            light *= rng.uniform(0.7, 1.25)
    if rng.random() < 0.15:
        light = _with_gamma(light, rng.uniform(0.5, 1.9))
    clipped: Light = np.clip(light, 0, 255).astype(np.float32)
    return clipped


def _with_gamma(light: "Light", gamma: float) -> "Light":
    result: Light = (255 * np.clip(light / 255, 0, 1) ** np.float32(gamma)).astype(np.float32)
    return result


def _gradient(shape: "tuple[int, ...]", rng: np.random.Generator) -> "Light":
    height, width = shape[:2]
    across = np.linspace(rng.uniform(0.55, 1.2), rng.uniform(0.55, 1.2), width, dtype=np.float32)
    down = np.linspace(rng.uniform(0.7, 1.1), rng.uniform(0.7, 1.1), height, dtype=np.float32)
    gradient: Light = (across[None] * down[:, None])[..., None]
    return gradient


def _shadow(shape: "tuple[int, ...]", rng: np.random.Generator) -> "Light":
    height, width = shape[:2]
    mask = np.zeros((height, width), dtype=np.float32)
    edge = [[rng.uniform(0, width), 0], [rng.uniform(0, width), height], [width * 2, height], [width * 2, 0]]
    cv2.fillPoly(mask, [np.array(edge, dtype=np.int32)], 1.0)
    soft: Light = 1 - cv2.GaussianBlur(mask, (0, 0), height * rng.uniform(0.01, 0.12) + 0.3) * np.float32(rng.uniform(0.3, 0.65))
    return soft[..., None] if rng.random() < 0.5 else soft[:, ::-1, None]


def _lamp_colour(rng: np.random.Generator) -> "Light":
    """Gains for blue, green and red of sodium, incandescent, dusk or LED light."""
    strength = rng.random()
    target = [(0.3, 0.72, 1.1), (0.6, 0.85, 1.1), (1.15, 0.9, 0.6), (0.75, 1.05, 0.8)][int(rng.choice(4, p=[0.35, 0.3, 0.25, 0.1]))]
    gains: Light = (1 + strength * (np.array(target) - 1)).astype(np.float32)
    return gains


def _with_tail_lamps(light: "Light", rng: np.random.Generator) -> "Light":
    """Red or amber light over the whole image, strongest at one side; it also brightens black."""
    height, width = light.shape[:2]
    red = np.array((0.08, 0.12, 1.0) if rng.random() < 0.7 else (0.1, 0.5, 1.0), dtype=np.float32)
    gains = 1 - rng.uniform(0.3, 0.85) * (1 - red)
    across = np.linspace(rng.uniform(0.3, 1), rng.uniform(0.3, 1), width, dtype=np.float32)[None, :, None]
    down = np.linspace(rng.uniform(0.5, 1), rng.uniform(0.2, 1), height, dtype=np.float32)[:, None, None]
    glow: Light = light * gains * np.float32(rng.uniform(0.35, 1.0)) + across * down * red * np.float32(rng.uniform(15, 150))
    return glow


def _with_glare(light: "Light", rng: np.random.Generator) -> "Light":
    """Overexposure with bloom, or the bright disc of a lamp at a random place."""
    height, width = light.shape[:2]
    if rng.random() < 0.45:
        overexposed = light * np.float32(rng.uniform(1.4, 2.6)) + np.float32(rng.uniform(0, 50))
        overexposed = np.minimum(overexposed, 320)
        bloom: Light = cv2.GaussianBlur(overexposed, (0, 0), height * rng.uniform(0.03, 0.12)) * np.float32(rng.uniform(0.05, 0.35))
        result: Light = overexposed * np.float32(rng.uniform(0.75, 1)) + bloom
        return result
    disc = np.zeros((height, width), dtype=np.float32)
    centre = (int(rng.uniform(0, width)), int(rng.uniform(-0.2, 1.2) * height))
    cv2.circle(disc, centre, int(height * rng.uniform(0.05, 0.35)) + 1, 1.0, -1)
    disc = cv2.GaussianBlur(disc, (0, 0), height * rng.uniform(0.06, 0.35) + 0.5)
    colour = np.array([rng.uniform(0.55, 1), rng.uniform(0.75, 1), 1.0], dtype=np.float32)
    glare: Light = light * np.float32(rng.uniform(0.5, 1)) + disc[..., None] * colour * np.float32(rng.uniform(70, 260))
    return glare


def apply_blur(light: "Light", conditions: Conditions, rng: np.random.Generator) -> "Light":
    if conditions.degradation is Degradation.MOTION_BLUR:
        light = _motion_blurred(light, conditions.plate_height_px, rng)
    if conditions.blur_px > 0.3:
        light = _out_of_focus(light, conditions.blur_px) if rng.random() < 0.3 else cv2.GaussianBlur(light, (0, 0), conditions.blur_px)
    return light


def _out_of_focus(light: "Light", sigma_px: float) -> "Light":
    """Defocus: convolution with a disc of the same variance as a Gaussian of this sigma; unlike it, a disc preserves edges."""
    radius = 2 * sigma_px
    side = 2 * int(np.ceil(radius)) + 1
    distance = np.hypot(*np.mgrid[:side, :side] - side // 2)
    disc = np.clip(radius + 0.5 - distance, 0, 1).astype(np.float32)
    defocused: Light = cv2.filter2D(light, -1, disc / disc.sum(), borderType=cv2.BORDER_REPLICATE)
    return defocused


def _motion_blurred(light: "Light", plate_height_px: float, rng: np.random.Generator) -> "Light":
    """Mostly horizontal, up to 1.5 stroke widths."""
    length = int(plate_height_px * rng.uniform(0.04, 0.14)) | 1
    if length < 3:
        return light
    angle = rng.normal(0, 0.4) if rng.random() < 0.6 else rng.uniform(0, np.pi)
    centre = length // 2
    dx, dy = centre * np.cos(angle), centre * np.sin(angle)
    kernel = np.zeros((length, length), dtype=np.float32)
    cv2.line(kernel, (round(centre - dx), round(centre - dy)), (round(centre + dx), round(centre + dy)), 1.0)
    blurred: Light = cv2.filter2D(light, -1, kernel / kernel.sum())
    return blurred


def apply_sensor(light: "Light", conditions: Conditions, rng: np.random.Generator) -> "Image":
    """Noise, noise reduction, sharpening, JPEG compression, and sometimes upscaling as by a phone or an archive."""
    height, width = light.shape[:2]
    grain = rng.standard_normal((height, width, 1), dtype=np.float32) * np.float32(conditions.noise)
    if conditions.noise > 2 and rng.random() < 0.6:
        grain = grain + rng.standard_normal((height, width, 3), dtype=np.float32) * np.float32(conditions.noise * 0.5)
    image: Image = np.clip(light + grain, 0, 255).astype(np.uint8)
    if rng.random() < 0.22:
        image = _denoised(image, conditions.noise, rng)
    if rng.random() < 0.18:
        image = cv2.addWeighted(image, 2.0, cv2.GaussianBlur(image, (0, 0), rng.uniform(0.7, 1.6)), -1.0, 0)
    if conditions.jpeg_quality is not None:
        image = _compressed(image, conditions.jpeg_quality)
    if conditions.plate_height_px < 50 and rng.random() < 0.3:
        factor = rng.uniform(1.3, 4.0)
        interpolation = cv2.INTER_LINEAR if rng.random() < 0.5 else cv2.INTER_CUBIC
        image = cv2.resize(image, None, fx=factor, fy=factor, interpolation=interpolation)
    return image


def _denoised(image: "Image", noise: float, rng: np.random.Generator) -> "Image":
    """Noise reduction as in phones and cameras; it also removes details as faint as the noise."""
    if rng.random() < 0.4 and image.shape[0] > 24:
        median: Image = cv2.medianBlur(image, 3)
        return median
    smooth: Image = cv2.bilateralFilter(image, 5, 4 * noise + rng.uniform(5, 25), rng.uniform(1, 3))
    return smooth


def _compressed(image: "Image", quality: int) -> "Image":
    _, jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(jpeg, cv2.IMREAD_COLOR)
    assert decoded is not None
    compressed: Image = decoded.astype(np.uint8, copy=False)
    return compressed
