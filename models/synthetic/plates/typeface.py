"""Renders an alphabet's strokes with one brush into masks."""

from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np

from models.synthetic.plates.alphabet import FINE, RELATIVE_WIDTH, Letter, sample_alphabet

if TYPE_CHECKING:
    from numpy.typing import NDArray

GLYPH_HEIGHT = 72
TYPEFACES = 600
"""Number of typefaces; each is rendered on first use and cached (100 kB)."""
_MAX_BRUSH = 0.31
"""Maximum brush relative to a character's width: the boldest real typefaces leave a third of it between the sides of an H."""
_SHIFT = 4
"""Fractional bits of OpenCV's coordinates."""


class Typeface:
    """`mask`: a character, GLYPH_HEIGHT x width, uint8, 0 to 255. `median_width`: of all characters, relative to their height."""

    def __init__(self, number: int) -> None:
        rng = np.random.default_rng([8, number])
        width = rng.uniform(0.36, 0.5)
        self._brush = max(4, round(GLYPH_HEIGHT * min(rng.uniform(0.085, 0.17), _MAX_BRUSH * width)))
        self._fine_brush = max(3, round(self._brush * rng.uniform(0.55, 1.0)))
        letters = sample_alphabet(rng)
        one = rng.uniform(0.45, 0.9)
        relative_width = {**RELATIVE_WIDTH, "1": one}
        self._masks = {c: self._draw(letter, width * relative_width.get(c, 1.0), FINE.get(c)) for c, letter in letters.items()}
        self.median_width = float(np.median([mask.shape[1] for mask in self._masks.values()])) / GLYPH_HEIGHT

    def mask(self, character: str) -> "NDArray[np.uint8]":
        return self._masks[character]

    def _draw(self, letter: Letter, width: float, fine_from: int | None) -> "NDArray[np.uint8]":
        """Cropped to the drawn pixels; a dash keeps the full height."""
        brush = self._brush
        box = np.array([max(3, round(GLYPH_HEIGHT * width) - brush), GLYPH_HEIGHT - brush])
        picture = np.zeros((GLYPH_HEIGHT + 16, int(box[0]) + brush + 48), dtype=np.uint8)
        for i, stroke in enumerate(letter):
            thickness = brush if fine_from is None or i < fine_from else self._fine_brush
            points = np.round((np.array(stroke) * box + (24 + brush / 2, 8 + brush / 2)) * 2**_SHIFT).astype(np.int32)
            cv2.polylines(picture, [points.reshape(-1, 1, 2)], False, 255, thickness, cv2.LINE_AA, _SHIFT)
        columns = np.flatnonzero(picture.max(axis=0) > 60)
        rows = np.flatnonzero(picture.max(axis=1) > 60)
        if rows[-1] - rows[0] < GLYPH_HEIGHT // 2:
            rows = np.array([8, 8 + GLYPH_HEIGHT - 1])
        cut = picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        mask: NDArray[np.uint8] = cv2.resize(cut, (cut.shape[1], GLYPH_HEIGHT))
        return mask


@lru_cache(maxsize=TYPEFACES)
def typeface(number: int) -> Typeface:
    return Typeface(number)
