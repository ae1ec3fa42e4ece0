"""Values passed between the steps of the composition."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from etle.types import Box

if TYPE_CHECKING:
    from etle.types import Image

Quad = NDArray[np.float32]
"""4 x 2, float32: corners in pixels, upper left, upper right, lower right, lower left in reading direction."""
Mask = NDArray[np.uint8]
Colour = tuple[float, float, float]
"""Blue, green, red, 0 to 255."""
PlateSource = Callable[[np.random.Generator, bool], "Image"]
"""Renders a plate from the front, without surroundings; the second argument: of a motorcycle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Light:
    """A lit lamp, or the reflection of one; in pixels of its image."""

    x: float
    y: float
    radius: float
    colour: Colour
    power: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneVehicle:
    """A vehicle from behind or from the front, without background, with the place of its plate and its lit lamps."""

    image: "Image"
    mask: Mask
    plate: Quad
    lights: tuple[Light, ...]
    motorcycle: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenePhoto:
    image: "Image"
    plates: tuple[Quad, ...]
    """Corners of the visible plates; they may lie outside the image."""

    def boxes(self) -> tuple[Box, ...]:
        """Axis-aligned bounding boxes of the plates, clipped to the image."""
        height, width = self.image.shape[:2]
        return tuple(box_of(quad, width, height) for quad in self.plates)


def box_of(quad: Quad, width: int, height: int) -> Box:
    x1, y1 = np.clip(quad.min(axis=0), 0, (width, height)).tolist()
    x2, y2 = np.clip(quad.max(axis=0), 0, (width, height)).tolist()
    return Box(x1, y1, x2, y2)


def transform(quad: Quad, matrix: NDArray[Any]) -> Quad:
    """Points under a 3 x 3 projective matrix."""
    homogeneous = np.concatenate([quad, np.ones((len(quad), 1))], 1) @ np.asarray(matrix, np.float64).T
    return (homogeneous[:, :2] / homogeneous[:, 2:]).astype(np.float32)
