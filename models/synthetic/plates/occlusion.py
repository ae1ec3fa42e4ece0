"""Adds occlusions and deformations to a plate: straps, wires, hooks, stickers, dents.

Without them in its training a reader reads the hook of a strap as an S, with a high probability.
"""

from itertools import pairwise
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etle.types import Image

_OCCLUDED_FRACTION, _BENT_FRACTION = 0.1, 0.15
_MAX_BEND = 0.045
"""Maximum displacement relative to the plate's height; the corners, which are those of a flat plate, stay accurate to a pixel."""


def occluded(plate: "Image", rng: np.random.Generator) -> "Image":
    """The plate, in most cases unchanged."""
    if rng.random() < _BENT_FRACTION:
        plate = _bent(plate, rng)
    if rng.random() < _OCCLUDED_FRACTION:
        plate = plate.copy()
        _OCCLUSIONS[int(rng.integers(len(_OCCLUSIONS)))](plate, rng)
    return plate


def _bent(plate: "Image", rng: np.random.Generator) -> "Image":
    """Displace the rows by a sine wave: bent up or down in the middle, or wavy."""
    height, width = plate.shape[:2]
    x = np.arange(width, dtype=np.float32)
    waves, phase = rng.uniform(0.4, 1.6), rng.uniform(0, 2 * np.pi)
    offset = (height * rng.uniform(0.01, _MAX_BEND) * np.sin(2 * np.pi * waves * x / width + phase)).astype(np.float32)
    rows: NDArray[np.float32] = np.arange(height, dtype=np.float32)[:, None] + offset[None]
    columns = np.broadcast_to(x, (height, width)).astype(np.float32)
    bent: Image = cv2.remap(plate, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return bent


def _strap(plate: "Image", rng: np.random.Generator) -> None:
    """A slightly curved strap over the whole height, about as wide as a stroke."""
    height, width = plate.shape[:2]
    x = rng.uniform(0, width) + np.array([0.0, rng.normal(0, 0.08), rng.normal(0, 0.2)]) * width
    _curve(plate, np.stack([x, np.array([-0.1, 0.5, 1.1]) * height], axis=1), int(rng.uniform(2, 0.1 * height)), rng)


def _wire(plate: "Image", rng: np.random.Generator) -> None:
    height, width = plate.shape[:2]
    x = np.sort(rng.uniform(-0.1, 1.1, 3)) * width
    _curve(plate, np.stack([x, rng.uniform(-0.1, 1.1, 3) * height], axis=1), int(rng.uniform(1, 4)), rng)


def _hook(plate: "Image", rng: np.random.Generator) -> None:
    """A wire from above that ends in a hook on the plate."""
    height, width = plate.shape[:2]
    x, reach, size = rng.uniform(0, width), rng.uniform(0.1, 0.6) * height, rng.uniform(0.06, 0.2) * height
    side = float(rng.choice([-1, 1]))
    points = np.array([[x, -4], [x, reach], [x + side * size, reach + size], [x + 2 * side * size, reach]])
    _curve(plate, points, int(rng.uniform(2, 0.07 * height)), rng)


def _sticker(plate: "Image", rng: np.random.Generator) -> None:
    """Smaller than a character, which stays legible."""
    height, width = plate.shape[:2]
    centre = (int(rng.uniform(0, width)), int(rng.uniform(0, height)))
    size = (rng.uniform(0.05, 0.22) * height, rng.uniform(0.05, 0.22) * height)
    corners = cv2.boxPoints((centre, size, float(rng.uniform(0, 90)))).astype(np.int32)
    cv2.fillPoly(plate, [corners], _colour(rng), cv2.LINE_AA)


def _curve(plate: "Image", control: "NDArray[np.float64]", thick: int, rng: np.random.Generator) -> None:
    """A Bezier curve with these control points, and a highlight along it."""
    t = np.linspace(0, 1, 24)[:, None]
    level = [np.broadcast_to(point, (24, 2)) for point in control]
    while len(level) > 1:  # de Casteljau
        level = [a + (b - a) * t for a, b in pairwise(level)]
    line = np.round(level[0]).astype(np.int32).reshape(-1, 1, 2)
    colour = _colour(rng)
    cv2.polylines(plate, [line], False, colour, max(1, thick), cv2.LINE_AA)
    if thick > 3:
        highlight = tuple(min(255.0, c + float(rng.uniform(10, 80))) for c in colour)
        cv2.polylines(plate, [line - 1], False, highlight, max(1, thick // 3), cv2.LINE_AA)


def _colour(rng: np.random.Generator) -> tuple[float, float, float]:
    """Mostly grey or black."""
    grey = float(rng.uniform(0, 200) if rng.random() < 0.7 else rng.uniform(120, 255))
    tint = rng.normal(0, 40, 3) if rng.random() < 0.4 else np.zeros(3)
    b, g, r = np.clip(grey + tint, 0, 255)
    return (float(b), float(g), float(r))


_OCCLUSIONS = (_strap, _strap, _wire, _hook, _sticker)
