"""What hangs before a plate or bends it: straps, wires, twigs, a sticker's corner, the dent of a kerb.

A reader that has not seen them takes a strap's hook for an S, and is sure of it.
"""

from itertools import pairwise
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etle.types import Image

_HANGING, _BENT = 0.1, 0.15
_MOST_BEND = 0.045
"""Of the plate's height: the corners, which are told for a flat plate, stay good to a pixel."""


def hindered(plate: "Image", rng: np.random.Generator) -> "Image":
    """The plate, most often as it was."""
    if rng.random() < _BENT:
        plate = _bent(plate, rng)
    if rng.random() < _HANGING:
        plate = plate.copy()
        _THINGS[int(rng.integers(len(_THINGS)))](plate, rng)
    return plate


def _bent(plate: "Image", rng: np.random.Generator) -> "Image":
    """Up or down in the middle, or wavy."""
    height, width = plate.shape[:2]
    x = np.arange(width, dtype=np.float32)
    waves, phase = rng.uniform(0.4, 1.6), rng.uniform(0, 2 * np.pi)
    rise = (height * rng.uniform(0.01, _MOST_BEND) * np.sin(2 * np.pi * waves * x / width + phase)).astype(np.float32)
    rows: NDArray[np.float32] = np.arange(height, dtype=np.float32)[:, None] + rise[None]
    columns = np.broadcast_to(x, (height, width)).astype(np.float32)
    bent: Image = cv2.remap(plate, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return bent


def _strap(plate: "Image", rng: np.random.Generator) -> None:
    """Across the plate from edge to edge, a letter's stroke wide, in a gentle bow."""
    height, width = plate.shape[:2]
    x = rng.uniform(0, width) + np.array([0.0, rng.normal(0, 0.08), rng.normal(0, 0.2)]) * width
    _curve(plate, np.stack([x, np.array([-0.1, 0.5, 1.1]) * height], axis=1), int(rng.uniform(2, 0.1 * height)), rng)


def _wire(plate: "Image", rng: np.random.Generator) -> None:
    height, width = plate.shape[:2]
    x = np.sort(rng.uniform(-0.1, 1.1, 3)) * width
    _curve(plate, np.stack([x, rng.uniform(-0.1, 1.1, 3) * height], axis=1), int(rng.uniform(1, 4)), rng)


def _hook(plate: "Image", rng: np.random.Generator) -> None:
    """From above, ending in a bow on the plate."""
    height, width = plate.shape[:2]
    x, reach, size = rng.uniform(0, width), rng.uniform(0.1, 0.6) * height, rng.uniform(0.06, 0.2) * height
    side = float(rng.choice([-1, 1]))
    points = np.array([[x, -4], [x, reach], [x + side * size, reach + size], [x + 2 * side * size, reach]])
    _curve(plate, points, int(rng.uniform(2, 0.07 * height)), rng)


def _sticker(plate: "Image", rng: np.random.Generator) -> None:
    """Smaller than a letter: what it covers of one can still be told from the rest."""
    height, width = plate.shape[:2]
    centre = (int(rng.uniform(0, width)), int(rng.uniform(0, height)))
    size = (rng.uniform(0.05, 0.22) * height, rng.uniform(0.05, 0.22) * height)
    corners = cv2.boxPoints((centre, size, float(rng.uniform(0, 90)))).astype(np.int32)
    cv2.fillPoly(plate, [corners], _colour(rng), cv2.LINE_AA)


def _curve(plate: "Image", through: "NDArray[np.float64]", thick: int, rng: np.random.Generator) -> None:
    """A Bezier curve of these points, with a lighter side."""
    share = np.linspace(0, 1, 24)[:, None]
    level = [np.broadcast_to(point, (24, 2)) for point in through]
    while len(level) > 1:  # de Casteljau
        level = [a + (b - a) * share for a, b in pairwise(level)]
    line = np.round(level[0]).astype(np.int32).reshape(-1, 1, 2)
    colour = _colour(rng)
    cv2.polylines(plate, [line], False, colour, max(1, thick), cv2.LINE_AA)
    if thick > 3:
        lighter = tuple(min(255.0, c + float(rng.uniform(10, 80))) for c in colour)
        cv2.polylines(plate, [line - 1], False, lighter, max(1, thick // 3), cv2.LINE_AA)


def _colour(rng: np.random.Generator) -> tuple[float, float, float]:
    """Grey or black most often."""
    grey = float(rng.uniform(0, 200) if rng.random() < 0.7 else rng.uniform(120, 255))
    tint = rng.normal(0, 40, 3) if rng.random() < 0.4 else np.zeros(3)
    b, g, r = np.clip(grey + tint, 0, 255)
    return (float(b), float(g), float(r))


_THINGS = (_strap, _strap, _wire, _hook, _sticker)
