"""Values passed between the steps of the rendering."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from etle.types import Box
from models.synthetic.signals.values import Light, Rng, Tint

__all__ = ["CANVAS", "MIN_CLEAR", "MIN_SHOWN", "HeadPose", "HeadScene", "HeadState", "Light", "RenderedHead", "Rng", "Tint"]

CANVAS: Final = 176
"""Sides of the canvas in pixels; a head is about 41 pixels wide on it."""

MIN_SHOWN, MIN_CLEAR = 0.2, 0.5
"""Visible share of a head that need be found, and of one whose headgear is told."""


class HeadState(StrEnum):
    HELMET = "helmet"
    BARE = "bare"
    """No helmet: bare, a cap, a hat, a head scarf, a hood."""
    UNCLEAR = "unclear"
    """Covered by half or more: it is not told what it wears."""
    HIDDEN = "hidden"
    """Covered for the most part: it need not be found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadPose:
    """Where a head is and where it looks."""

    x: float
    y: float
    """Middle of the skull on the canvas, in pixels."""
    radius: float
    """Half of the skull's width."""
    facing: float
    """-1: to the left, 0: to the camera or away, 1: to the right."""
    ahead: float
    """1: to the camera, -1: away."""
    sun: tuple[float, float]
    """Direction in the picture from which light comes, of length up to 1."""

    def at(self, x: float, y: float) -> tuple[float, float]:
        """A point of the canvas, in radii from the middle of the skull."""
        return self.x + x * self.radius, self.y + y * self.radius

    def box(self, left: float, top: float, right: float, bottom: float) -> Box:
        return Box(*self.at(left, top), *self.at(right, bottom))


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedHead:
    box: Box
    """In pixels of the image."""
    state: HeadState

    def with_visible_share(self, share: float) -> "RenderedHead":
        """The head of which something nearer leaves only this share visible."""
        if share < MIN_SHOWN:
            return replace(self, state=HeadState.HIDDEN)
        return replace(self, state=HeadState.UNCLEAR) if share < MIN_CLEAR and self.state is not HeadState.HIDDEN else self


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadScene:
    """`light`: CANVAS x CANVAS. `middle`: what the picture is about."""

    light: Light
    heads: tuple[RenderedHead, ...]
    middle: tuple[float, float]
