"""Estimates the direction of travel by dense optical flow, and from it the side of the vehicles that the camera sees."""

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from etle.types import Frame, View

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MIN_GAP_S, MAX_GAP_S = 0.15, 0.4
"""Between two frames that are compared. Frames that are further apart show other vehicles."""
_WIDTH_PX = 320
"""Width to which frames are scaled down."""
_MIN_FLOW_PX = 1.0
"""Minimum vertical displacement of a moving pixel."""
_MIN_MOVING_SHARE = 0.0005
"""Minimum share of moving pixels, on average: less is a moving leaf or a blinking lamp."""
_MIN_DIRECTION_SHARE = 0.7
"""Minimum share of the moving pixels with the same direction."""


def estimate_view(frames: Sequence[Frame]) -> View | None:
    """The rear if vehicles move up the picture, away from the camera; the front if they move down.

    None if too little moves, if both directions are about equal, or without OpenCV.
    """
    try:
        import cv2  # noqa: F401 - not installed on a camera host
    except ImportError:
        return None
    pictures = [(frame.captured_at, _thumbnail(frame.jpeg)) for frame in frames]
    up = down = pixels = 0
    for (before_at, before), (after_at, after) in pairwise(pictures):
        if (after_at - before_at).total_seconds() <= MAX_GAP_S and before.shape == after.shape:
            pixels_up, pixels_down = _count_moving_pixels(before, after)
            up, down, pixels = up + pixels_up, down + pixels_down, pixels + before.size
    if not pixels or up + down < _MIN_MOVING_SHARE * pixels:
        return None
    share_up = up / (up + down)
    return View.REAR if share_up >= _MIN_DIRECTION_SHARE else View.FRONT if share_up <= 1 - _MIN_DIRECTION_SHARE else None


def _thumbnail(jpeg: bytes) -> "NDArray[np.uint8]":
    """Height x width, uint8, grey; 1 x 1 if the JPEG cannot be decoded."""
    import cv2
    import numpy as np

    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None:
        return np.zeros((1, 1), np.uint8)
    height = max(1, round(image.shape[0] * _WIDTH_PX / image.shape[1]))
    return np.asarray(cv2.resize(image, (_WIDTH_PX, height), interpolation=cv2.INTER_AREA), np.uint8)


def _count_moving_pixels(before: "NDArray[np.uint8]", after: "NDArray[np.uint8]") -> tuple[int, int]:
    """Number of pixels that move up and down, in the lower three quarters of the picture.

    The median flow is subtracted as camera shake.
    """
    import cv2
    import numpy as np

    flow = cv2.calcOpticalFlowFarneback(before, after, None, 0.5, 3, 15, 3, 5, 1.2, 0)[:, :, 1]
    vertical = flow[before.shape[0] // 4 :] - np.median(flow)
    return int((vertical < -_MIN_FLOW_PX).sum()), int((vertical > _MIN_FLOW_PX).sum())
