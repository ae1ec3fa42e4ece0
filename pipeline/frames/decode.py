"""Decodes a frame's JPEG: at full size to read plates, at half size to detect vehicles (the detector scales it down further anyway)."""

from typing import TYPE_CHECKING

import cv2
import numpy as np

from etle.errors import FrameBroken
from etle.types import Frame

if TYPE_CHECKING:
    from etle.types import Image

HALF_FROM_PX = 1280
"""Longest side from which half the size is enough to detect vehicles: the detector's input is 640 pixels wide."""


def decode(frame: Frame, *, halved: bool = False) -> "Image":
    """The picture, height x width x 3, uint8, BGR, at full size or at half of it (rounded up). Raises FrameBroken.

    The JPEG decoder gives half size for about half the time.
    """
    flags = cv2.IMREAD_REDUCED_COLOR_2 if halved else cv2.IMREAD_COLOR
    try:
        image = cv2.imdecode(np.frombuffer(frame.jpeg, np.uint8), flags | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise FrameBroken(f"frame {frame.sequence} of {frame.camera}: {error}") from error
    if image is None:
        raise FrameBroken(f"frame {frame.sequence} of {frame.camera}: not a JPEG that can be decoded ({len(frame.jpeg)} bytes)")
    decoded: Image = image
    return decoded
