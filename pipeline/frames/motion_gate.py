"""Skips inference on what has not moved since it was last analysed: on whole frames, and on the part of a frame in which nothing moves.

Where lanes are drawn, only lanes, zones and the areas around lines and markings are compared: a clock in the corner of the picture or trees
beside the road do not open the gate. What stands is analysed every half second.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from math import ceil, floor
from typing import TYPE_CHECKING

import cv2
import numpy as np

from etle.clock import seconds_between
from etle.config import site as config
from etle.types import Box

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etle.types import Image

_WIDTH = 320
_MIN_DIFFERENCE = 14
"""Minimum change of a pixel of the reduced picture, in grey levels of 256: twice what camera noise and JPEG leave after averaging."""
_MIN_PIXELS = 6
"""Minimum number of changed pixels; 6 corresponds to a motorcycle at 40 m in 1080p."""
_MAX_CLOSED_S = 0.5
"""The whole frame is analysed at least this often: tracks of standing vehicles stay alive, and slow changes of light do not accumulate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionGateState:
    """The reduced picture, `height` rows of 320 grey values, each from the last frame in which its place was analysed."""

    looked_at: datetime
    """Time of the last frame that was analysed as a whole."""
    height: int
    grey: bytes


@dataclass(frozen=True, slots=True)
class Motion:
    """Where something has moved since it was last analysed. `changed`: height x 320, bool; the frame reduced."""

    changed: "NDArray[np.bool_]"
    frame_size: tuple[int, int]

    @property
    def box(self) -> Box:
        """The smallest box around all motion, in pixels of the frame."""
        columns, rows = np.flatnonzero(self.changed.any(axis=0)), np.flatnonzero(self.changed.any(axis=1))
        x, y = self._pixel
        return Box(float(columns[0] * x), float(rows[0] * y), float((columns[-1] + 1) * x), float((rows[-1] + 1) * y))

    def is_inside(self, box: Box) -> bool:
        """Whether any of it is inside the box (pixels of the frame)."""
        x, y = self._pixel
        rows = slice(max(0, floor(box.y1 / y)), max(0, ceil(box.y2 / y)))
        columns = slice(max(0, floor(box.x1 / x)), max(0, ceil(box.x2 / x)))
        return bool(self.changed[rows, columns].any())

    @property
    def _pixel(self) -> tuple[float, float]:
        """Width and height of a reduced pixel, in pixels of the frame."""
        return self.frame_size[0] / _WIDTH, self.frame_size[1] / len(self.changed)


class MotionGate:
    """Decides which frames go to the detector, and which part of them."""

    def __init__(self, camera: config.CameraSettings, state: MotionGateState | None = None) -> None:
        self._mask = _mask(camera)
        self._frame_size = camera.frame_size
        self.state = state
        self._latest: NDArray[np.uint8] | None = None

    def motion(self, image: "Image", captured_at: datetime) -> Motion | None:
        """Motion in the masked area since it was last analysed; None without.

        The whole frame if the maximum interval is over. `image`: height x width x 3, uint8, BGR, at any size.
        """
        small = self._latest = self._reduced(image)
        before = self.state
        if before is None or before.height != len(small) or not 0 <= seconds_between(before.looked_at, captured_at) < _MAX_CLOSED_S:
            return Motion(np.ones(small.shape, np.bool_), self._frame_size)
        changed = cv2.absdiff(small, _picture(before)) > _MIN_DIFFERENCE
        if int(changed.sum()) < _MIN_PIXELS:
            return None
        return Motion(changed, self._frame_size)

    def analysed(self, captured_at: datetime, part: Box | None = None) -> None:
        """Make the last image that `motion` was given the reference for later ones: in that part (pixels of the full frame), or whole."""
        small, before = self._latest, self.state
        assert small is not None
        if part is None or before is None:
            self.state = MotionGateState(looked_at=captured_at, height=len(small), grey=small.tobytes())
            return
        reference = _picture(before).copy()
        x, y = _WIDTH / self._frame_size[0], len(small) / self._frame_size[1]
        inside = np.s_[ceil(part.y1 * y) : floor(part.y2 * y), ceil(part.x1 * x) : floor(part.x2 * x)]
        reference[inside] = small[inside]
        self.state = replace(before, grey=reference.tobytes())

    def _reduced(self, image: "Image") -> "NDArray[np.uint8]":
        """Grey values, height x 320, uint8; 0 outside the mask."""
        height = max(1, round(_WIDTH * image.shape[0] / image.shape[1]))
        grey = cv2.cvtColor(cv2.resize(image, (_WIDTH, height), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY)
        if self._mask is not None and self._mask.shape == grey.shape:
            grey[self._mask == 0] = 0
        small: NDArray[np.uint8] = grey
        return small


def _picture(state: MotionGateState) -> "NDArray[np.uint8]":
    """Height x 320, uint8; not to be written to."""
    return np.frombuffer(state.grey, np.uint8).reshape(state.height, _WIDTH)


def _mask(camera: config.CameraSettings) -> "NDArray[np.uint8] | None":
    """255 where motion counts, height x 320, uint8; None if no lanes are drawn: motion counts everywhere."""
    if not camera.lanes:
        return None
    width, height = camera.frame_size
    scale = _WIDTH / width
    mask = np.zeros((max(1, round(scale * height)), _WIDTH), np.uint8)
    areas = [
        *(lane.polygon for lane in camera.lanes),
        *(zone.polygon for zone in camera.zones),
        *((*line.points, line.beyond) for line in camera.lines),
        *(marking.points for marking in camera.markings),
    ]
    for area in areas:
        cv2.fillPoly(mask, [_scaled(area, scale)], 255)
    margin = max(3, _WIDTH // 20) | 1  # vehicles rise above their foot, so their motion reaches out of the lane
    dilated: NDArray[np.uint8] = cv2.dilate(mask, np.ones((margin, margin), np.uint8))
    return dilated


def _scaled(points: Sequence[tuple[float, float]], scale: float) -> "NDArray[np.int32]":
    """The points as n x 2, int32."""
    return np.array([[round(x * scale), round(y * scale)] for x, y in points], np.int32)
