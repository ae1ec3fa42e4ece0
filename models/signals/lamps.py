"""Reads which lamp of a signal head is lit, from the image of its housing.

A lit lamp shines in its own colour at its own position: brighter than its section of the housing, and brighter than the same colour in the
other sections (a red bus that hides the head is red in all sections). In all other cases (all dark, two lit, sun on all lenses, the head
hidden or outside the image) the result is UNKNOWN, which no rule treats as red.
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

_MIN_SECTION_PX = 3.0
"""Minimum side of a section; below it the lamp is a single pixel."""
_MAX_SECTION_PX = 16
"""Sections are scaled down to this side; more pixels do not improve the result."""
_MIN_INSIDE = 0.9
"""Minimum fraction of the head inside the image."""
_LIT_FRACTION = 0.15
"""Minimum fraction of a section that the lamp fills, in a box drawn with a margin."""
_HOUSING_FRACTION = 0.1
"""Minimum fraction of a section that is housing, because lamps are round."""
_MIN_WHITE = 96.0
"""Lower limit of the white level: brightening images at dusk further would turn noise into light."""
_MIN_LIGHT = 10.0
"""Minimum light (0 to 255) of a visible lamp; the score is 1 from three times as much on."""
_OVEREXPOSED = 225.0
"""Pixels with all three channels above it are overexposed: a lamp at night, with its colour only in a ring around it."""
_FULL_RING_LIGHT = 40.0
"""Mean light of the ring from which the overexposed centre counts fully as the lamp's colour; proportionally below."""
_MIN_RATIO = 2.0
"""Minimum ratio of the light of a lit lamp to that of any other: unlit lenses reflect the sun when it is behind the camera."""


class ColourLampReader:
    """Needs no weights and no calibration; for heads of at least about 8 x 20 pixels."""

    def read(self, image: "Image", head: Box, order: Sequence[Lamp]) -> tuple[Lamp, float]:
        """The lit lamp of the signal in box `head` and a score from 0 to 1; (UNKNOWN, 0) if it cannot be determined.

        `image`: height x width x 3, uint8, BGR; `head` in its pixels. `order`: the lamps from top to bottom, or from left to right if the
        head is wider than high.
        """
        housing = _housing(image, head, len(order))
        if housing is None:
            return Lamp.UNKNOWN, 0.0
        light = _light(housing, order)
        best = int(light.argmax())
        highest = float(light[best])
        second = float(light[[lamp is not order[best] for lamp in order]].max(initial=0.0))
        if highest < _MIN_LIGHT or highest < _MIN_RATIO * second:
            return Lamp.UNKNOWN, 0.0
        return order[best], round(min(1.0, highest / (3 * _MIN_LIGHT)) * (1 - second / highest), 3)


def _housing(image: "Image", head: Box, count: int) -> "NDArray[np.float32] | None":
    """The head, upright, its first lamp on top: height x width x 3, float32; None if it is outside the image or too small."""
    height, width = image.shape[:2]
    inside = Box(max(0.0, head.x1), max(0.0, head.y1), min(float(width), head.x2), min(float(height), head.y2))
    if head.area <= 0 or inside.width <= 0 or inside.area < _MIN_INSIDE * head.area:
        return None
    if min(head.width, head.height) < _MIN_SECTION_PX or max(head.width, head.height) < _MIN_SECTION_PX * count:
        return None
    crop = image[floor(inside.y1) : ceil(inside.y2), floor(inside.x1) : ceil(inside.x2)]
    upright = crop if head.height >= head.width else crop.transpose(1, 0, 2)
    scale = min(1.0, _MAX_SECTION_PX / upright.shape[1], _MAX_SECTION_PX * count / upright.shape[0])
    if scale < 1:
        upright = cv2.resize(upright, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return upright.astype(np.float32)


def _light(housing: "NDArray[np.float32]", order: Sequence[Lamp]) -> "NDArray[np.float64]":
    """Light of each lamp (0 to 255) above the dark part of its section and above the same colour in the sections of other lamps."""
    brightness = housing.max(axis=2)
    luminance = np.minimum(brightness / max(_MIN_WHITE, float(np.percentile(brightness, 99))), 1)
    light = np.zeros(len(order))
    for i, lamp in enumerate(order):
        glow = _glow(housing, lamp, luminance)
        glows = [_above_housing(section) for section in np.array_split(glow, len(order))]
        light[i] = max(0.0, glows[i] - max((glow for glow, other in zip(glows, order, strict=True) if other is not lamp), default=0.0))
    return light


def _glow(housing: "NDArray[np.float32]", lamp: Lamp, luminance: "NDArray[np.float32]") -> "NDArray[np.float32]":
    """Light of each pixel in the lamp's colour. Green lamps are bluish; the blue of the sky must not count as green."""
    blue, green, red = housing[..., 0], housing[..., 1], housing[..., 2]
    if lamp is Lamp.RED:
        colour = red - np.maximum(green, blue)
    elif lamp is Lamp.YELLOW:
        colour = np.minimum(red, green) - blue
    else:
        colour = green - np.maximum(red, 0.6 * blue)
    glow: NDArray[np.float32] = np.maximum(colour, 0) * luminance
    overexposed = housing.min(axis=2) > _OVEREXPOSED
    if overexposed.any():
        ring = cv2.dilate(overexposed.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool) & ~overexposed
        if ring.any():
            glow[overexposed] = 255 * min(1.0, float(glow[ring].mean()) / _FULL_RING_LIGHT)
    return glow


def _above_housing(glow: "NDArray[np.float32]") -> float:
    """Mean of the brightest part of a section minus the mean of its darkest part."""
    ordered = np.sort(glow, axis=None)
    lit = ordered[-max(1, round(_LIT_FRACTION * ordered.size)) :]
    dark = ordered[: max(1, round(_HOUSING_FRACTION * ordered.size))]
    return float(lit.mean() - dark.mean())
