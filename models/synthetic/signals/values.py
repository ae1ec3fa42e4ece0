"""Values passed between the steps of the rendering."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from etle.types import Box, Lamp

Rng = np.random.Generator
Light = NDArray[np.float32]
"""height x width x 3, float32: linear light, blue, green, red; 1 is white paper in the ambient light of the scene."""
Tint = tuple[float, float, float]
"""Blue, green, red, linear."""


class SignalState(StrEnum):
    """What a signal head shows; only the first three are read as a lamp."""

    RED = "red"
    YELLOW = "yellow"
    GREEN = "green"
    DARK = "dark"
    """Nothing is lit."""
    SEVERAL = "several"
    """Lamps of two colours are lit, or a light at a place where the head has none of its colour."""
    HIDDEN = "hidden"
    """The head is covered, or not where the box is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadPlan:
    """A signal head on the canvas, before it is tilted: its lamps from top to bottom."""

    order: tuple[Lamp, ...]
    lit: tuple[Lamp | None, ...]
    """The colour of the light at each lamp's place; None: dark."""
    box: Box
    """The housing, without back plate."""
    pitch_px: float
    """Distance of the lamps' centres."""
    radius_px: float

    def centre(self, i: int) -> tuple[float, float]:
        middle = (self.box.y1 + self.box.y2) / 2
        return (self.box.x1 + self.box.x2) / 2, middle + (i - (len(self.order) - 1) / 2) * self.pitch_px
