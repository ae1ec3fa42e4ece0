"""Pictures of an evaluation, decoded like frames of the pipeline (EXIF orientation ignored)."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from etle.errors import SourceBroken, SourceUnavailable
from etle.types import Box

if TYPE_CHECKING:
    from etle.types import Image

_BORDER_TOLERANCE = 0.01
"""Fraction of the picture's side by which a labelled box may exceed the picture; it is clipped to the border."""


def load(path: Path) -> "Image":
    """Height x width x 3, uint8, BGR. Raises SourceUnavailable, SourceBroken; both name the file."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SourceUnavailable(f"picture {path} cannot be read: {error.strerror}") from error
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:  # an empty file
        image = None
    if image is None:
        raise SourceBroken(f"picture {path} cannot be decoded ({len(data)} bytes)")
    whole: Image = image
    return whole


def clip_boxes(path: Path, boxes: Sequence[Box | None]) -> list[Box | None]:
    """The boxes clipped to the picture. Raises SourceUnavailable, SourceBroken, the latter also for a box outside the picture."""
    height, width = load(path).shape[:2]
    outside = [box for box in boxes if box and not _lies_in(box, width, height)]
    if outside:
        values = "; ".join(f"{box.x1:g}, {box.y1:g}, {box.x2:g}, {box.y2:g}" for box in outside)
        raise SourceBroken(f"{path}: box {values} lies outside the picture of {width} x {height} pixels")
    return [box and Box(max(0, box.x1), max(0, box.y1), min(width, box.x2), min(height, box.y2)) for box in boxes]


def _lies_in(box: Box, width: int, height: int) -> bool:
    x, y = _BORDER_TOLERANCE * width, _BORDER_TOLERANCE * height
    inside_x = -x <= box.x1 < width and 0 < box.x2 <= width + x
    return inside_x and -y <= box.y1 < height and 0 < box.y2 <= height + y
