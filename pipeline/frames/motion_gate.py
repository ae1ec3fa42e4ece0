"""Skips inference on frames in which nothing has moved since the last frame that was analysed.

Where lanes are drawn, only the lanes and the areas around the lines are compared: a clock in the corner of the picture or trees beside
the road do not open the gate.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import cv2
import numpy as np

from etle.clock import seconds_between
from etle.config import site as config

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etle.types import Image

_WIDTH = 320
_MIN_DIFFERENCE = 14
"""Minimum change of a pixel of the reduced picture, in grey levels of 256: twice what camera noise and JPEG leave after averaging."""
_MIN_PIXELS = 6
"""Minimum number of changed pixels; 6 corresponds to a motorcycle at 40 m in 1080p."""
_MAX_CLOSED_S = 0.5
"""The gate opens at least this often: tracks of standing vehicles stay alive, and slow changes of light do not accumulate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionGateState:
    """The reduced picture of the last analysed frame: `height` rows of 320 grey values, and the frame's time."""

    looked_at: datetime
    height: int
    grey: bytes


class MotionGate:
    """Decides which frames go to the detector."""

    def __init__(self, camera: config.CameraSettings, state: MotionGateState | None = None) -> None:
        self._mask = _mask(camera)
        self.state = state

    def opens(self, image: "Image", captured_at: datetime) -> bool:
        """True if something moved in the masked area or the maximum interval is over; the frame then becomes the reference.

        `image`: height x width x 3, uint8, BGR, at any size.
        """
        small = self._reduced(image)
        before = self.state
        if before is not None and before.height == len(small) and 0 <= seconds_between(before.looked_at, captured_at) < _MAX_CLOSED_S:
            reference = np.frombuffer(before.grey, np.uint8).reshape(small.shape)
            if int((cv2.absdiff(small, reference) > _MIN_DIFFERENCE).sum()) < _MIN_PIXELS:
                return False
        self.state = MotionGateState(looked_at=captured_at, height=len(small), grey=small.tobytes())
        return True

    def _reduced(self, image: "Image") -> "NDArray[np.uint8]":
        """Grey values, height x 320, uint8; 0 outside the mask."""
        height = max(1, round(_WIDTH * image.shape[0] / image.shape[1]))
        grey = cv2.resize(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), (_WIDTH, height), interpolation=cv2.INTER_AREA)
        if self._mask is not None and self._mask.shape == grey.shape:
            grey[self._mask == 0] = 0
        small: NDArray[np.uint8] = grey
        return small


def _mask(camera: config.CameraSettings) -> "NDArray[np.uint8] | None":
    """255 where motion counts, height x 320, uint8; None if no lanes are drawn: motion counts everywhere."""
    if not camera.lanes:
        return None
    width, height = camera.frame_size
    scale = _WIDTH / width
    mask = np.zeros((max(1, round(scale * height)), _WIDTH), np.uint8)
    areas = [lane.polygon for lane in camera.lanes] + [(*line.points, line.beyond) for line in camera.lines]
    for area in areas:
        cv2.fillPoly(mask, [_scaled(area, scale)], 255)
    margin = max(3, _WIDTH // 20) | 1  # vehicles rise above their foot, so their motion reaches out of the lane
    dilated: NDArray[np.uint8] = cv2.dilate(mask, np.ones((margin, margin), np.uint8))
    return dilated


def _scaled(points: Sequence[tuple[float, float]], scale: float) -> "NDArray[np.int32]":
    """The points as n x 2, int32."""
    return np.array([[round(x * scale), round(y * scale)] for x, y in points], np.int32)
