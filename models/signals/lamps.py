"""Which lamp of a signal head is lit, from the picture of its housing.

A lit lamp is the light of its own colour at its own place: brighter than what surrounds it in its section, and than the same colour in
the other sections (a red bus that hides the head is red everywhere). Anything else - all dark, two lit, sun on all lenses, a head that
is hidden or out of the picture - cannot be told, which is an answer of its own: no rule takes it for red.
"""

from collections.abc import Sequence
from math import ceil, floor
from typing import TYPE_CHECKING

import cv2
import numpy as np

from etle.types import Box, Lamp

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etle.types import Image

_LEAST_PX = 3.0
"""Sides of a section below which its lamp is a single pixel."""
_MOST_PX = 16
"""Sections are brought down to this side: more pixels tell no more."""
_INSIDE = 0.9
"""So much of the head must lie in the picture."""
_LIT_SHARE = 0.15
"""The part of a section that a lamp fills at least, in a box drawn with some room."""
_DARK_SHARE = 0.1
"""The part of a section that is housing at least: a lamp is round."""
_CURRENT_WHITE = 96.0
"""Pictures at dusk are not brightened further than this: noise would be taken for light."""
_FAINT = 10.0
"""Light (0 to 255) of a lamp that can hardly be seen; three times as much is beyond doubt."""
_BLINDED = 225.0
"""A pixel whose three colours are all above it is overexposed: a lamp at night, with its colour only in a ring around it."""
_RING = 40.0
"""Mean light of such a ring that makes the middle the lamp's; less of it counts for less."""
_OUTSHINES = 2.0
"""A lit lamp gives so many times the light of any other. The lenses of unlit ones shine too when the sun stands behind the camera."""


class ColourLampReader:
    """Needs no weights and no calibration. Reads heads from about 8 x 20 pixels on."""

    def read(self, image: "Image", head: Box, order: Sequence[Lamp]) -> tuple[Lamp, float]:
        """What the signal in box `head` shows and how sure, 0 to 1; (UNKNOWN, 0) if it cannot be told.

        `order`: the lamps from top to bottom, or from left to right if the head is wider than high.
        """
        housing = _housing(image, head, len(order))
        if housing is None:
            return Lamp.UNKNOWN, 0.0
        light = _light(housing, order)
        best = int(light.argmax())
        most = float(light[best])
        next_ = float(np.delete(light, best).max(initial=0.0))
        if most < _FAINT or most < _OUTSHINES * next_:
            return Lamp.UNKNOWN, 0.0
        return order[best], round(min(1.0, most / (3 * _FAINT)) * (1 - next_ / most), 3)


def _housing(image: "Image", head: Box, count: int) -> "NDArray[np.float32] | None":
    """The head, upright, its first lamp on top; None if it is out of the picture or too small."""
    height, width = image.shape[:2]
    inside = Box(max(0.0, head.x1), max(0.0, head.y1), min(float(width), head.x2), min(float(height), head.y2))
    if head.area <= 0 or inside.width <= 0 or inside.area < _INSIDE * head.area:
        return None
    if min(head.width, head.height) < _LEAST_PX or max(head.width, head.height) < _LEAST_PX * count:
        return None
    crop = image[floor(inside.y1) : ceil(inside.y2), floor(inside.x1) : ceil(inside.x2)]
    upright = crop if head.height >= head.width else crop.transpose(1, 0, 2)
    scale = min(1.0, _MOST_PX / upright.shape[1], _MOST_PX * count / upright.shape[0])
    if scale < 1:
        upright = cv2.resize(upright, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return upright.astype(np.float32)


def _light(housing: "NDArray[np.float32]", order: Sequence[Lamp]) -> "NDArray[np.float64]":
    """Each lamp's own light: above its section's own darkness, and above the same colour elsewhere in the head."""
    brightness = housing.max(axis=2)
    shine = np.minimum(brightness / max(_CURRENT_WHITE, float(np.percentile(brightness, 99))), 1)
    light = np.zeros(len(order))
    for i, lamp in enumerate(order):
        glow = _glow(housing, lamp, shine)
        glows = [_above_housing(section) for section in np.array_split(glow, len(order))]
        light[i] = max(0.0, glows[i] - max(glows[:i] + glows[i + 1 :], default=0.0))
    return light


def _glow(housing: "NDArray[np.float32]", lamp: Lamp, shine: "NDArray[np.float32]") -> "NDArray[np.float32]":
    """How much each pixel shines in the lamp's colour. Green lamps are bluish, and the sky is not to pass for one."""
    blue, green, red = housing[..., 0], housing[..., 1], housing[..., 2]
    if lamp is Lamp.RED:
        colour = red - np.maximum(green, blue)
    elif lamp is Lamp.YELLOW:
        colour = np.minimum(red, green) - blue
    else:
        colour = green - np.maximum(red, 0.6 * blue)
    glow: NDArray[np.float32] = np.maximum(colour, 0) * shine
    blinded = housing.min(axis=2) > _BLINDED
    if blinded.any():
        ring = cv2.dilate(blinded.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool) & ~blinded
        if ring.any():
            glow[blinded] = 255 * min(1.0, float(glow[ring].mean()) / _RING)
    return glow


def _above_housing(glow: "NDArray[np.float32]") -> float:
    """Mean of the brightest part of a section, above its darkest part."""
    ordered = np.sort(glow, axis=None)
    lit = ordered[-max(1, round(_LIT_SHARE * ordered.size)) :]
    dark = ordered[: max(1, round(_DARK_SHARE * ordered.size))]
    return float(lit.mean() - dark.mean())
