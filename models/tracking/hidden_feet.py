"""Whether a nearer vehicle hides the lower edge of a box.

A hidden foot is drawn too far up the picture, and lies farther away on the road, perhaps in another lane.
"""

from collections.abc import Sequence
from typing import Final

from etle.types import Box

_STRIP: Final = 0.15
"""Fraction of a box's height at its lower edge that no nearer vehicle may cover."""
_BELOW: Final = 0.05
"""A box that ends so shortly above a nearer vehicle may end there because the rest is hidden: detectors draw what they see."""
_BELOW_PX: Final = 3.0
"""The same in pixels: edges are uncertain by so much even where little is visible of a vehicle."""
_AT: Final = (0.1, 0.3, 0.5, 0.7, 0.9)


def is_foot_hidden(box: Box, others: Sequence[Box]) -> bool:
    """Whether a box that reaches nearer to the camera covers a part of the strip along the lower edge. `others`: of the same frame; `box`
    itself among them hides nothing."""
    nearer = [each for each in others if each.y2 > box.y2 and each.x1 < box.x2 and each.x2 > box.x1]
    if not nearer:
        return False
    xs = [box.x1 + box.width * part for part in _AT]
    ys = (box.y2 - box.height * _STRIP, box.y2 + max(_BELOW_PX, box.height * _BELOW))
    return any(any(each.x1 <= x < each.x2 for x in xs) and any(each.y1 <= y < each.y2 for y in ys) for each in nearer)
