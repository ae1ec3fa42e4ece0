"""Finds the heads of a motorcycle's riders, and tells whether they wear helmets.

To call a helmet a bare head accuses somebody: a bare head needs more than a helmet does, and what is small or not clear is UNKNOWN.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from etle.types import Box, Headgear, RiderHead
from models.heads.network import FoundHead, HeadNetwork

if TYPE_CHECKING:
    from etle.types import Image

_HEAD_PX: Final = 36.0
"""The crop is scaled so that a head has about this size."""
_MAX_ENLARGED: Final = 3.0
_MIN_SCORE: Final = 0.5
_MIN_HEAD_PX: Final = 11.0
"""Larger side, in the picture: headgear of smaller heads is not told."""
_MIN_BARE, _MIN_HELMET = 0.8, 0.65
"""Probability that is needed to tell it."""


class NetworkHeadReader:
    """Not thread-safe."""

    def __init__(self, stem: Path, weights: Path, *, threads: int = 1, name: str = "heads") -> None:
        """`stem`: the vehicle detector's weights. Raises WeightsMissing, WeightsError, MissingExtra."""
        self._network = HeadNetwork(stem, weights, threads=threads)
        self.name = name
        self.digest = self._network.digest

    def find(self, image: "Image", area: Box, head_px: float) -> Sequence[RiderHead]:
        x1, y1, x2, y2 = (round(edge) for edge in area)
        crop = image[max(0, y1) : y2, max(0, x1) : x2]
        if 0 in crop.shape:
            return ()
        scale = min(_MAX_ENLARGED, _HEAD_PX / head_px)
        size = max(8, round(crop.shape[1] * scale)), max(8, round(crop.shape[0] * scale))
        scaled = cv2.resize(crop, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        by = np.array([crop.shape[1] / size[0], crop.shape[0] / size[1]] * 2)
        found = self._network.find(np.asarray(scaled, np.uint8), _MIN_SCORE)
        return tuple(_told(head, Box(*(np.array(head.box) * by + (max(0, x1), max(0, y1)) * 2).tolist())) for head in found)


def _told(head: FoundHead, box: Box) -> RiderHead:
    if max(box.width, box.height) < _MIN_HEAD_PX:
        gear, score = Headgear.UNKNOWN, 0.0
    elif head.bare >= _MIN_BARE:
        gear, score = Headgear.NO_HELMET, head.bare
    elif 1 - head.bare >= _MIN_HELMET:
        gear, score = Headgear.HELMET, 1 - head.bare
    else:
        gear, score = Headgear.UNKNOWN, 0.0
    return RiderHead(box=box, found=head.score, headgear=gear, score=score)
