"""Measures the blue strip at the lower edge of an electric vehicle's plate, where the expiry is (Korlantas, any base colour)."""

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etle.types import Image

_BAND: Final = (0.62, 0.92)
"""Of the height of a plate's box: the strip lies in it, whatever the box's margin."""
_NUMBER: Final = (0.15, 0.55)
_MAX_ABOVE: Final = 0.15
"""Share of blue pixels in the number above which the light, or the whole plate, is blue."""
_SIDES: Final = 0.12
_BLUE: Final = (96, 132)
"""Hue in OpenCV's half degrees."""
_MIN_SATURATION, _MIN_VALUE = 90, 45
_MIN_WIDTH_PX: Final = 70
_MIN_LIGHT: Final = 60
"""Grey level of the brightest tenth of the crop below which no colour is told."""
_STRIP_ROWS: Final = 0.5
"""Share of blue pixels from which a row belongs to a strip."""
_MIN_ROWS: Final = 0.3
_NO_ROWS: Final = 0.08


def has_blue_strip(plate: "Image") -> bool | None:
    """`plate`: its box in a frame, height x width x 3, uint8, BGR. None if it cannot be told: too small, too dark, or in between."""
    height, width = plate.shape[:2]
    if width < _MIN_WIDTH_PX or height < _MIN_WIDTH_PX // 5:
        return None
    hsv = cv2.cvtColor(plate, cv2.COLOR_BGR2HSV)
    if np.percentile(hsv[:, :, 2], 90) < _MIN_LIGHT:
        return None
    band = hsv[round(_BAND[0] * height) : round(_BAND[1] * height), round(_SIDES * width) : round((1 - _SIDES) * width)]
    number = hsv[round(_NUMBER[0] * height) : round(_NUMBER[1] * height), round(_SIDES * width) : round((1 - _SIDES) * width)]
    blue = _is_blue(band)
    rows = float((blue.mean(axis=1) >= _STRIP_ROWS).mean())
    if rows >= _MIN_ROWS:
        return True if float(_is_blue(number).mean()) <= _MAX_ABOVE else None
    return False if rows <= _NO_ROWS and float(blue.mean()) <= _NO_ROWS else None


def _is_blue(hsv: "Image") -> "NDArray[np.bool_]":
    hue, saturation, value = hsv[:, :, 0], hsv[:, :, 1], hsv[:, :, 2]
    blue: NDArray[np.bool_] = (hue >= _BLUE[0]) & (hue <= _BLUE[1]) & (saturation >= _MIN_SATURATION) & (value >= _MIN_VALUE)
    return blue
