"""Masks of what a lamp shows: a disc, an arrow, digits or a part of a disc, of LEDs or of glass."""

import cv2
import numpy as np
from numpy.typing import NDArray

from models.synthetic.scenes.textures import chance
from models.synthetic.signals.values import Rng

Mask = NDArray[np.float32]
_SUB = 4
"""Shapes are drawn with 1/16 pixel precision."""


def lamp_shape(rng: Rng, kind: str, size: tuple[int, int], centre: tuple[float, float], radius: float) -> Mask:
    """height x width, 0 to 1: `kind` is disc, arrow, digits or part."""
    mask = disc(size, centre, radius)
    if kind == "arrow":
        mask *= _arrow(rng, size, centre, radius)
    elif kind == "digits":
        mask *= _digits(rng, size, centre, radius)
    elif kind == "part":
        mask *= _part(rng, size, centre, radius)
    if chance(rng, 0.3) and radius > 3:
        mask *= _leds(rng, size)
    return mask


def disc(size: tuple[int, int], centre: tuple[float, float], radius: float) -> Mask:
    mask = np.zeros(size, np.uint8)
    cv2.circle(mask, _fixed(centre), max(1, round(radius * 2**_SUB)), 255, -1, cv2.LINE_AA, _SUB)
    return mask.astype(np.float32) / np.float32(255)


def _arrow(rng: Rng, size: tuple[int, int], centre: tuple[float, float], radius: float) -> Mask:
    """An arrow, often a thin one; now and then only its tip, or a dark arrow on the lit disc."""
    mask = np.zeros(size, np.uint8)
    angle = float(rng.choice([0, 90, 180, 270, 45, 135])) * np.pi / 180
    along = np.array([np.cos(angle), -np.sin(angle)]) * radius
    across = np.array([along[1], -along[0]])
    wide = max(1, round(radius * rng.uniform(0.1, 0.5)))
    tip, tail = np.array(centre) + along * 0.8, np.array(centre) - along * 0.8
    wing = rng.uniform(0.45, 0.7)
    wings = tip - along * wing + across * wing, tip - along * wing - across * wing
    for end in wings if chance(rng, 0.15) else (tail, *wings):
        cv2.line(mask, _fixed(tip), _fixed(end), 255, wide, cv2.LINE_AA, _SUB)
    shape = mask.astype(np.float32) / np.float32(255)
    return 1 - shape if chance(rng, 0.15) else shape


def _digits(rng: Rng, size: tuple[int, int], centre: tuple[float, float], radius: float) -> Mask:
    mask = np.zeros(size, np.uint8)
    text = str(rng.integers(1, 100))
    thickness = max(1, round(radius / 5))
    scale = radius * 1.15 / 22
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thickness)
    at = round(centre[0] - width / 2), round(centre[1] + height / 2)
    cv2.putText(mask, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, 255, thickness, cv2.LINE_AA)
    return mask.astype(np.float32) / np.float32(255)


def _part(rng: Rng, size: tuple[int, int], centre: tuple[float, float], radius: float) -> Mask:
    """A disc that a visor or a failed row of LEDs covers in part."""
    angle = rng.uniform(0, 2 * np.pi)
    distance = radius * rng.uniform(0.5, 1.1)
    cover = centre[0] + distance * np.cos(angle), centre[1] + distance * np.sin(angle)
    return 1 - disc(size, cover, radius * rng.uniform(0.5, 0.9))


def _leds(rng: Rng, size: tuple[int, int]) -> Mask:
    """A grid of dots that is dark between them, some of them out."""
    pitch = rng.uniform(1.8, 3.0)
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float32)
    dots = (0.5 + 0.5 * np.cos(2 * np.pi * x / pitch)) * (0.5 + 0.5 * np.cos(2 * np.pi * y / pitch))
    failed = rng.random(size) < rng.choice([0.0, 0.15])
    mask: Mask = (np.float32(0.25) + np.float32(1.5) * dots.astype(np.float32)) * ~failed
    return mask


def _fixed(point: "tuple[float, float] | NDArray[np.float64]") -> tuple[int, int]:
    return round(float(point[0]) * 2**_SUB), round(float(point[1]) * 2**_SUB)
