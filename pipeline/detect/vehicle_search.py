"""Detects the vehicles of a frame, in the part of it where something has moved since it was last searched.

The detector's time is proportional to the searched area, and most of a junction's picture stands still: vehicles that wait are detected
twice a second, those that move in every frame, at the same scale. A vehicle that reaches over the border of the part would get a wrong box:
then the whole frame is searched.
"""

from collections.abc import Sequence
from datetime import datetime
from math import ceil
from typing import TYPE_CHECKING, Final

from etle.geometry import intersection_area
from etle.protocols import VehicleDetector
from etle.types import Box, Detection, Track
from models.tracking.motion import predict
from models.vehicles.classes import scaled
from pipeline.frames.motion_gate import Motion

if TYPE_CHECKING:
    from etle.types import Image

_STEP: Final = 0.05
"""Sides of the part are multiples of this fraction of the frame's width: the detector pads its input to multiples of 32 of 640 pixels."""
_MIN_SIDE: Final = 0.5
"""Minimum sides of the part, as a fraction of the frame's: the detector also needs what is around a vehicle."""
_MAX_SHARE: Final = 0.85
"""A part of more than this fraction of the frame saves too little: the whole frame is searched."""
_ROUNDING = 1e-6
_MARGIN = 0.03
"""Margin around what moved, as a fraction of the frame's width: the reduced picture does not show the outermost pixels of a vehicle."""
_BORDER = 0.012
"""A box that ends this close to the border of the part, as a fraction of the frame's width, may be cut by it."""
_MOVED_SIZES = 0.05
"""A track predicted to have moved by this many sizes of its vehicle is searched for, even where no pixel changed."""
_KNOWN_OVERLAP = 0.7
"""A cut box is explained by a vehicle that stands there if this fraction of it lies inside the vehicle's box."""


class VehicleSearch:
    """Searches with one detector in the frames of one camera."""

    def __init__(self, detector: VehicleDetector, frame_size: tuple[int, int]) -> None:
        self._detector = detector
        self._frame = Box(0, 0, *frame_size)

    def part_for(self, motion: Motion, tracks: Sequence[Track], at: datetime) -> Box | None:
        """The part to search, in pixels of the frame; None for the whole frame.

        It contains what moved with a margin, each vehicle on which something moved, and where moving vehicles are expected.
        """
        margin = _MARGIN * self._frame.width
        needed = _grown(motion.box, margin)
        for track in tracks:
            predicted, centre = predict(track, at), track.last.box.centre
            if abs(predicted.x - centre.x) + abs(predicted.y - centre.y) > _MOVED_SIZES * predicted.size:
                needed = _around(needed, _grown(predicted.box, margin))
            elif motion.is_inside(track.last.box):
                needed = _around(needed, _grown(track.last.box, margin))
        needed = _inside(needed, self._frame)
        step = _STEP * self._frame.width
        sides = ((needed.width, self._frame.width), (needed.height, self._frame.height))
        width, height = (min(ceil(max(side, _MIN_SIDE * whole) / step - _ROUNDING) * step, whole) for side, whole in sides)
        return self._placed(needed, width, height) if width * height <= _MAX_SHARE * self._frame.area else None

    def detect(self, image: "Image", part: Box | None, tracks: Sequence[Track]) -> tuple[list[Detection], Box | None]:
        """The vehicles, in pixels of the frame, and the part that was searched; None: the whole frame. Raises InferenceError.

        `image`: the frame at any size, height x width x 3, uint8, BGR.
        """
        x, y = self._frame.width / image.shape[1], self._frame.height / image.shape[0]
        if part is not None:
            pixels = Box(part.x1 / x, part.y1 / y, part.x2 / x, part.y2 / y)
            found = [scaled(detection, x, y) for detection in self._detector.detect_part(image, pixels)]
            cut = [detection for detection in found if self._is_cut(detection.box, part)]
            standing = [track.last.box for track in tracks if self._is_cut(track.last.box, part)]
            if all(any(intersection_area(each.box, box) >= _KNOWN_OVERLAP * each.box.area for box in standing) for each in cut):
                return [detection for detection in found if detection not in cut], part
        return [scaled(detection, x, y) for detection in self._detector.detect([image])[0]], None

    def _placed(self, needed: Box, width: float, height: float) -> Box:
        """A part of that size with `needed` in its middle, moved into the frame, in even pixels."""
        x = min(max(0.0, needed.centre.x - width / 2), self._frame.width - width)
        y = min(max(0.0, needed.centre.y - height / 2), self._frame.height - height)
        return Box(x // 2 * 2, y // 2 * 2, x // 2 * 2 + width, y // 2 * 2 + height)

    def _is_cut(self, box: Box, part: Box) -> bool:
        """Whether the box ends at a border of the part that is not one of the frame's."""
        border = _BORDER * self._frame.width
        return (
            (part.x1 > border and box.x1 < part.x1 + border)
            or (part.y1 > border and box.y1 < part.y1 + border)
            or (part.x2 < self._frame.x2 - border and box.x2 > part.x2 - border)
            or (part.y2 < self._frame.y2 - border and box.y2 > part.y2 - border)
        )


def _grown(box: Box, margin: float) -> Box:
    return Box(box.x1 - margin, box.y1 - margin, box.x2 + margin, box.y2 + margin)


def _around(one: Box, two: Box) -> Box:
    return Box(min(one.x1, two.x1), min(one.y1, two.y1), max(one.x2, two.x2), max(one.y2, two.y2))


def _inside(box: Box, frame: Box) -> Box:
    return Box(max(box.x1, frame.x1), max(box.y1, frame.y1), min(box.x2, frame.x2), min(box.y2, frame.y2))
