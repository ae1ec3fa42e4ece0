"""What the composer hands from step to step."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from etle.types import Box

if TYPE_CHECKING:
    from etle.types import Image

Quad = NDArray[np.float32]
"""Four corners, x and y in pixels: upper left, upper right, lower right, lower left of the plate as it is read."""
Mask = NDArray[np.uint8]
Colour = tuple[float, float, float]
"""Blue, green, red, 0 to 255."""
PlateSource = Callable[[np.random.Generator, bool], "Image"]
"""Draws a plate seen straight from the front, nothing around it; of a motorcycle if that is true."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Light:
    """A lamp that is lit, or what reflects one."""

    x: float
    y: float
    radius: float
    colour: Colour
    power: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneVehicle:
    """A vehicle seen from behind or from the front, on nothing; where its plate belongs, and its lit lamps."""

    image: "Image"
    mask: Mask
    plate: Quad
    lights: tuple[Light, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenePhoto:
    image: "Image"
    plates: tuple[Quad, ...]
    """Of the plates that can be seen; corners may lie outside the picture."""

    def boxes(self) -> tuple[Box, ...]:
        """Upright, tight around the corners, cut at the picture's edges."""
        height, width = self.image.shape[:2]
        return tuple(box_of(quad, width, height) for quad in self.plates)


def box_of(quad: Quad, width: int, height: int) -> Box:
    x1, y1 = np.clip(quad.min(axis=0), 0, (width, height)).tolist()
    x2, y2 = np.clip(quad.max(axis=0), 0, (width, height)).tolist()
    return Box(x1, y1, x2, y2)


def moved(quad: Quad, matrix: NDArray[Any]) -> Quad:
    """Points under a 3x3 projective matrix."""
    ahead = np.concatenate([quad, np.ones((len(quad), 1))], 1) @ np.asarray(matrix, np.float64).T
    return (ahead[:, :2] / ahead[:, 2:]).astype(np.float32)
