"""Lays out the characters of a plate: draws their mask and returns the box of each."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from etle.types import Box
from models.synthetic.plates.typeface import GLYPH_HEIGHT, Typeface

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Mask = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRow:
    """A line of text from x1 to x2, characters from y to y + `height`, in pixels. `spread`: the groups fill the whole width."""

    x1: float
    x2: float
    y: float
    height: float
    spread: bool
    widths: tuple[float, float] = (0.36, 0.52)
    """Range of the median width of a character, in heights; measured on real plates."""


def draw_row(mask: "Mask", groups: "Sequence[str]", row: TextRow, face: Typeface, rng: np.random.Generator) -> tuple[Box, ...]:
    """Draw the groups of characters into `mask` (in place), separated by spaces, and return the characters' boxes."""
    stretch = rng.uniform(*row.widths) / face.median_width
    gap = row.height * rng.uniform(0.08, 0.2)
    widths = [[face.mask(c).shape[1] * row.height / GLYPH_HEIGHT * stretch for c in group] for group in groups]
    slots = _slots(widths, same=rng.random() < 0.35)
    spaces = _spaces(slots, gap, row, rng)
    text_width = sum(sum(group) + gap * (len(group) - 1) for group in slots) + sum(spaces)
    shrink = min(1.0, (row.x2 - row.x1) / text_width)
    x = row.x1 if row.spread else row.x1 + max(0.0, row.x2 - row.x1 - text_width) * rng.random()
    boxes = []
    for group, own, slot_widths, space in zip(groups, widths, slots, [*spaces, 0.0], strict=True):
        for character, width, slot in zip(group, own, slot_widths, strict=True):
            y = row.y + rng.uniform(-0.012, 0.012) * row.height
            boxes.append(_put(mask, face.mask(character), x + (slot - width) / 2 * shrink, y, width * shrink, row.height))
            x += (slot + gap) * shrink
        x += (space - gap) * shrink
    return tuple(boxes)


def _slots(widths: list[list[float]], *, same: bool) -> list[list[float]]:
    """Width of the slot of each character: its own width; with `same` at least the median of all."""
    minimum = float(np.median([width for group in widths for width in group])) if same else 0.0
    return [[max(width, minimum) for width in group] for group in widths]


def _spaces(slots: list[list[float]], gap: float, row: TextRow, rng: np.random.Generator) -> list[float]:
    """Spaces between the groups."""
    between = len(slots) - 1
    if between == 0:
        return []
    free = (row.x2 - row.x1) - sum(sum(group) + gap * (len(group) - 1) for group in slots)
    widest = free / between if row.spread else min(free / between, row.height * rng.uniform(0.3, 0.9))
    space = max(widest, row.height * rng.uniform(0.16, 0.45))
    uneven = rng.uniform(-0.25, 0.25) * space if between == 2 and rng.random() < 0.5 else 0.0
    return [space + uneven, space - uneven][:between]


def _put(mask: "Mask", glyph: "Mask", x: float, y: float, width: float, height: float) -> Box:
    left, top = max(0, int(x)), max(0, int(y))
    right = min(mask.shape[1], left + max(2, int(width)))
    bottom = min(mask.shape[0], top + max(2, int(height)))
    scaled = cv2.resize(glyph, (max(1, right - left), max(1, bottom - top)), interpolation=cv2.INTER_AREA)
    region = mask[top:bottom, left:right]
    np.maximum(region, scaled[: region.shape[0], : region.shape[1]], out=region)
    return Box(left, top, right, bottom)


def bounding_box(boxes: "Sequence[Box]") -> Box:
    return Box(min(b.x1 for b in boxes), min(b.y1 for b in boxes), max(b.x2 for b in boxes), max(b.y2 for b in boxes))


def group_gaps(groups: "Sequence[str]", boxes: "Sequence[Box]") -> tuple[tuple[float, float], ...]:
    """Start and end x of the spaces between the groups."""
    ends = np.cumsum([len(group) for group in groups])[:-1]
    return tuple((boxes[end - 1].x2, boxes[end].x1) for end in ends)
