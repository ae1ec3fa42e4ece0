"""Whether a picture shows the whole of a vehicle."""

from collections.abc import Sequence
from typing import Final

from etle.geometry import intersection_area
from etle.types import Box

_EDGE_PX: Final = 4.0
_MAX_HIDDEN: Final = 0.25
"""Share of the vehicle that the box of a nearer one may cover."""


def is_clear(box: Box, others: Sequence[Box], size: tuple[int, int]) -> bool:
    """Whether it is inside the picture of this height and width, and none of the `others` is before it."""
    height, width = size
    inside = box.x1 >= _EDGE_PX and box.y1 >= _EDGE_PX and box.x2 <= width - _EDGE_PX and box.y2 <= height - _EDGE_PX
    return inside and all(other.y2 <= box.y2 or intersection_area(box, other) <= _MAX_HIDDEN * box.area for other in others)
