"""The base colour of a plate: private (white, or black before 2022), public transport, government, free-trade zone.

Colours lie at night: sodium lamps make white yellow, tail lamps make black red. So the polarity comes first, as no lamp turns dark
letters into light ones: white, yellow and green carry dark letters, black and red carry white ones. Where the letters are white they
also tell what white looks like here, and the base is judged against them. What stays doubtful is UNKNOWN.
"""

from typing import TYPE_CHECKING

import cv2
import numpy as np

from etle.types import PlateColour

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etle.types import Image

_SIZE = (128, 40)
_LEAST_CONTRAST = 25.0
"""Grey levels between letters and base; below it neither is one."""
_GLARE = 12.0
"""Pixels at `_SIZE`: light that changes more slowly than this is glare on the plate and not its letters."""
_BURNT_OUT = 245.0
"""A base this bright in all three channels has lost its colour: it is white, or what a headlamp made of it."""
_YELLOW_HUE, _GREEN_HUE = (14, 36), (40, 90)
"""In OpenCV's half degrees."""


def plate_colour(crop: "Image") -> PlateColour:
    if crop.shape[0] < 8 or crop.shape[1] < 24:
        return PlateColour.UNKNOWN
    inner = _inner(crop)
    grey = cv2.cvtColor(inner, cv2.COLOR_BGR2GRAY)
    level = cv2.GaussianBlur(grey, (0, 0), _GLARE).astype(np.int16)
    flat = np.clip(grey.astype(np.int16) - level + 128, 0, 255).astype(np.uint8)
    threshold, _ = cv2.threshold(flat, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    light = flat > threshold
    share = float(light.mean())
    if not light.any() or light.all() or 0.45 < share < 0.55:
        return PlateColour.UNKNOWN
    bright, dark = _median(inner[light]), _median(inner[~light])
    if float(bright.mean() - dark.mean()) < _LEAST_CONTRAST:
        return PlateColour.UNKNOWN
    return _light_base(bright) if share > 0.5 else _dark_base(dark, bright)


def _inner(crop: "Image") -> "Image":
    """The middle of the number's line, without rim, bumper and expiry."""
    height, width = crop.shape[:2]
    part = crop[round(0.12 * height) : round(0.68 * height), round(0.06 * width) : round(0.94 * width)]
    inner: Image = cv2.resize(part, _SIZE, interpolation=cv2.INTER_AREA)
    return inner


def _median(pixels: "NDArray[np.uint8]") -> "NDArray[np.float32]":
    median: NDArray[np.float32] = np.median(pixels, axis=0).astype(np.float32)
    return median


def _light_base(base: "NDArray[np.float32]") -> PlateColour:
    if float(base.min()) > _BURNT_OUT:
        return PlateColour.WHITE
    hue, saturation = _hue_and_saturation(base)
    if saturation < 0.28:
        return PlateColour.WHITE
    if saturation > 0.5 and _YELLOW_HUE[0] <= hue <= _YELLOW_HUE[1]:
        return PlateColour.YELLOW
    if saturation > 0.35 and _GREEN_HUE[0] <= hue <= _GREEN_HUE[1]:
        return PlateColour.GREEN
    return PlateColour.UNKNOWN


def _dark_base(base: "NDArray[np.float32]", letters: "NDArray[np.float32]") -> PlateColour:
    """Against its letters: a black base is dim in every channel, a red one keeps its red."""
    blue, green, red = (float(v) for v in base / np.maximum(letters, 1.0))
    others = max(blue, green)
    if red > 0.5 and red > 1.8 * others:
        return PlateColour.RED
    if red < 1.35 * others or red < 0.3:
        return PlateColour.BLACK
    return PlateColour.UNKNOWN


def _hue_and_saturation(colour: "NDArray[np.float32]") -> tuple[float, float]:
    hsv = cv2.cvtColor(np.clip(colour, 0, 255).astype(np.uint8).reshape(1, 1, 3), cv2.COLOR_BGR2HSV)[0, 0]
    return float(hsv[0]), float(hsv[1]) / 255
