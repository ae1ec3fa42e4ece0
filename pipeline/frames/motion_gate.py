"""Spends no inference on pictures in which nothing has moved since the last one that was looked at.

Where lanes are drawn, only they and what lies around the lines count: neither the recorder's clock in the corner nor the trees
beside the road wake the detector.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import cv2
import numpy as np

from etle.config import site as config
from pipeline.scene.scene import seconds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etle.types import Image

_WIDTH = 320
_CHANGED = 14
"""Grey levels by which a pixel of the small picture must differ: twice what a camera's noise and JPEG leave after averaging."""
_PIXELS = 6
"""So many of them are a motorcycle 40 m away in a 1080p picture."""
_LOOK_AGAIN_S = 0.5
"""However still it is, the detector looks so often: a standing vehicle stays known, and a slow dawn is no motion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionGateState:
    """The small picture that was last looked at, row by row, and when."""

    looked_at: datetime
    height: int
    grey: bytes


class MotionGate:
    """Says whether a picture needs the detector."""

    def __init__(self, camera: config.CameraSettings, state: MotionGateState | None = None) -> None:
        self._mask = _mask(camera)
        self.state = state

    def opens(self, image: "Image", captured_at: datetime) -> bool:
        """True if something moved where it matters, or it is time to look again; the picture then counts as looked at."""
        small = self._small(image)
        before = self.state
        if before is not None and before.height == len(small) and 0 <= seconds(before.looked_at, captured_at) < _LOOK_AGAIN_S:
            then = np.frombuffer(before.grey, np.uint8).reshape(small.shape)
            if int((cv2.absdiff(small, then) > _CHANGED).sum()) < _PIXELS:
                return False
        self.state = MotionGateState(looked_at=captured_at, height=len(small), grey=small.tobytes())
        return True

    def _small(self, image: "Image") -> "NDArray[np.uint8]":
        height = max(1, round(_WIDTH * image.shape[0] / image.shape[1]))
        grey = cv2.resize(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), (_WIDTH, height), interpolation=cv2.INTER_AREA)
        if self._mask is not None and self._mask.shape == grey.shape:
            grey[self._mask == 0] = 0
        small: NDArray[np.uint8] = grey
        return small


def _mask(camera: config.CameraSettings) -> "NDArray[np.uint8] | None":
    """Where motion counts; None where no lane is drawn: everywhere."""
    if not camera.lanes:
        return None
    width, height = camera.frame_size
    scale = _WIDTH / width
    mask = np.zeros((max(1, round(scale * height)), _WIDTH), np.uint8)
    areas = [lane.polygon for lane in camera.lanes] + [(*line.points, line.beyond) for line in camera.lines]
    for area in areas:
        cv2.fillPoly(mask, [_scaled(area, scale)], 255)
    reach = max(3, _WIDTH // 20) | 1  # a vehicle stands above its foot: what moves there rises out of the lane
    grown: NDArray[np.uint8] = cv2.dilate(mask, np.ones((reach, reach), np.uint8))
    return grown


def _scaled(points: Sequence[tuple[float, float]], scale: float) -> "NDArray[np.int32]":
    return np.array([[round(x * scale), round(y * scale)] for x, y in points], np.int32)
