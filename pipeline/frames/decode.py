"""From a frame's JPEG to a picture: whole for reading plates, half for finding vehicles, which looks at a third of it anyway."""

from typing import TYPE_CHECKING

import cv2
import numpy as np

from etle.errors import FrameBroken
from etle.types import Frame

if TYPE_CHECKING:
    from etle.types import Image

HALF_FROM_PX = 1280
"""Longest side from which half the size is enough: the detector looks at 640."""


def decode(frame: Frame, *, halved: bool = False) -> "Image":
    """The picture at full size, or at half of it (rounded up), which the JPEG decoder gives for half the work. Raises FrameBroken."""
    way = cv2.IMREAD_REDUCED_COLOR_2 if halved else cv2.IMREAD_COLOR
    try:
        image = cv2.imdecode(np.frombuffer(frame.jpeg, np.uint8), way | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise FrameBroken(f"frame {frame.sequence} of {frame.camera}: {error}") from error
    if image is None:
        raise FrameBroken(f"frame {frame.sequence} of {frame.camera}: not a JPEG that can be decoded ({len(frame.jpeg)} bytes)")
    whole: Image = image
    return whole
