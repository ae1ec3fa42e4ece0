"""Pictures of an evaluation: decoded as the pipeline decodes frames, in the pixels of the file."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from etle.errors import SourceBroken, SourceUnavailable
from etle.types import Box

if TYPE_CHECKING:
    from etle.types import Image

_OVER_THE_EDGE = 0.01
"""Share of the picture's side by which a box set by eye may lie over its edge; it is cut there."""


def load(path: Path) -> "Image":
    """Raises SourceUnavailable, SourceBroken; both name the file."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SourceUnavailable(f"picture {path} cannot be read: {error.strerror}") from error
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:  # no bytes at all
        image = None
    if image is None:
        raise SourceBroken(f"picture {path} is none that can be decoded ({len(data)} bytes)")
    whole: Image = image
    return whole


def broken_or_box_outside(path: Path, boxes: Sequence[Box | None]) -> str | list[Box | None]:
    """What is wrong, in words, or the boxes cut at the picture's edge."""
    try:
        height, width = load(path).shape[:2]
    except (SourceBroken, SourceUnavailable) as error:
        return str(error)
    outside = [box for box in boxes if box and not _lies_in(box, width, height)]
    if outside:
        told = "; ".join(f"{box.x1:g}, {box.y1:g}, {box.x2:g}, {box.y2:g}" for box in outside)
        return f"{path}: box {told} lies outside the picture of {width} x {height} pixels"
    return [box and Box(max(0, box.x1), max(0, box.y1), min(width, box.x2), min(height, box.y2)) for box in boxes]


def _lies_in(box: Box, width: int, height: int) -> bool:
    x, y = _OVER_THE_EDGE * width, _OVER_THE_EDGE * height
    wide = -x <= box.x1 < width and 0 < box.x2 <= width + x
    return wide and -y <= box.y1 < height and 0 < box.y2 <= height + y
