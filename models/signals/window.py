"""The part of a frame that the lamp network sees: the drawn box of a signal head with a margin, upright and at a fixed size.

People draw boxes loosely, and cameras sway: the margin shows the whole head where the box cuts it, and what hides it.
"""

from collections.abc import Sequence
from functools import cache
from math import ceil, floor
from typing import TYPE_CHECKING

import cv2
import numpy as np

from etle.types import Box, Lamp

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etle.types import Image

WINDOW = (32, 64)
"""Width and height of the window in pixels of the network's input."""
_ACROSS, _ALONG = 0.6, 0.4
"""Margin at each side across the head and along its lamps, as a fraction of the box's width and length."""
_CHANNELS = (Lamp.RED, Lamp.YELLOW, Lamp.GREEN)
_MIN_WHITE = 96.0
"""Lower limit of the white level: brightening images at dusk further would turn noise into light."""
_WHITE_FRACTION = 0.005
"""Fraction of the window's pixels that may be brighter than white."""
_MIN_LAMP_WHITE, _LAMP_WHITE_FRACTION = 24.0, 0.02
"""The same for the planes that show dim lamps: white is what is bright in the middle of the drawn box, without the sky beside it."""
PLANES = 9
DRAWN_BOX = Box(
    WINDOW[0] * _ACROSS / (1 + 2 * _ACROSS),
    WINDOW[1] * _ALONG / (1 + 2 * _ALONG),
    WINDOW[0] * (1 + _ACROSS) / (1 + 2 * _ACROSS),
    WINDOW[1] * (1 + _ALONG) / (1 + 2 * _ALONG),
)
"""The drawn box in pixels of the window."""
_MIDDLE = slice(round(DRAWN_BOX.x1 + DRAWN_BOX.width / 4), round(DRAWN_BOX.x2 - DRAWN_BOX.width / 4))
"""Columns of the middle of the drawn box."""


def window_box(head: Box) -> Box:
    """The box of the window in whole pixels of the image; it may lie partly outside of it."""
    across, along = (_ACROSS, _ALONG) if head.height >= head.width else (_ALONG, _ACROSS)
    return Box(
        floor(head.x1 - across * head.width),
        floor(head.y1 - along * head.height),
        ceil(head.x2 + across * head.width),
        ceil(head.y2 + along * head.height),
    )


def cut_window(image: "Image", head: Box, *, enlarged_by: int = cv2.INTER_LINEAR) -> "Image":
    """The window around the drawn box `head`: 64 x 32 x 3, first lamp on top; the edge of the image is repeated outside of it.

    The box must overlap the image. `enlarged_by`: OpenCV's interpolation of heads that are smaller than in the window.
    """
    box = window_box(head)
    height, width = image.shape[:2]
    x1, y1, x2, y2 = (int(side) for side in (box.x1, box.y1, box.x2, box.y2))
    inside = image[max(0, y1) : min(height, y2), max(0, x1) : min(width, x2)]
    outside = max(0, -y1), max(0, y2 - height), max(0, -x1), max(0, x2 - width)
    if any(outside):
        inside = cv2.copyMakeBorder(inside, *outside, cv2.BORDER_REPLICATE)
    upright = inside if head.height >= head.width else np.ascontiguousarray(inside.transpose(1, 0, 2))
    shrinks = upright.shape[0] > WINDOW[1]
    window: Image = cv2.resize(upright, WINDOW, interpolation=cv2.INTER_AREA if shrinks else enlarged_by)
    return window


def network_input(window: "Image", order: Sequence[Lamp]) -> "NDArray[np.float32]":
    """1 x 9 x 64 x 32: the colours, scaled to the brightest of the window; the same, scaled to the brightest in the middle of the drawn
    box; and per colour a plane: 1 where its lamps are expected."""
    blue, green, red = cv2.split(window)
    brightness = cv2.max(cv2.max(blue, green), red)
    middle = brightness[round(DRAWN_BOX.y1) : round(DRAWN_BOX.y2), _MIDDLE]
    whites = max(_MIN_WHITE, _brightest(brightness, _WHITE_FRACTION)), max(_MIN_LAMP_WHITE, _brightest(middle, _LAMP_WHITE_FRACTION))
    planes = np.empty((1, PLANES, WINDOW[1], WINDOW[0]), np.float32)
    for first, white in zip((0, 3), whites, strict=True):
        for i, colour in enumerate((blue, green, red), first):
            np.minimum(colour / np.float32(white), np.float32(1), out=planes[0, i])
    planes[0, 6:] = order_planes(tuple(order))
    return planes


def _brightest(brightness: "NDArray[np.uint8]", fraction: float) -> float:
    """The value that this fraction of the pixels exceeds."""
    rank = brightness.size - 1 - int(fraction * brightness.size)
    return float(np.partition(brightness.ravel(), rank)[rank])


@cache
def order_planes(order: tuple[Lamp, ...]) -> "NDArray[np.float32]":
    """3 x 64 x 32: red, yellow, green; 1 in the equal sections of the drawn box in which `order` has that colour."""
    planes = np.zeros((len(_CHANNELS), WINDOW[1], WINDOW[0]), np.float32)
    drawn = DRAWN_BOX
    length = drawn.height / len(order)
    for i, lamp in enumerate(order):
        rows = slice(round(drawn.y1 + i * length), round(drawn.y1 + (i + 1) * length))
        planes[_CHANNELS.index(lamp), rows, round(drawn.x1) : round(drawn.x2)] = 1
    return planes


def in_image(box: Box, head: Box) -> Box:
    """A box in pixels of the window around the drawn box `head`, in pixels of the image."""
    window = window_box(head)
    upright = head.height >= head.width
    x1, y1, x2, y2 = (box.x1, box.y1, box.x2, box.y2) if upright else (box.y1, box.x1, box.y2, box.x2)
    width, height = WINDOW if upright else WINDOW[::-1]
    return Box(
        window.x1 + x1 * window.width / width,
        window.y1 + y1 * window.height / height,
        window.x1 + x2 * window.width / width,
        window.y1 + y2 * window.height / height,
    )
