"""Draws objects that plate detectors confuse with plates: lamps with bright bars, stickers, grilles, cones, signs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from models.synthetic.scenes.textures import Rng, chance, grey, lettering, vary_colour, vivid
from models.synthetic.scenes.values import Quad

if TYPE_CHECKING:
    from etle.types import Image

Canvas = NDArray[np.float32]
_GLASS = ((30, 25, 200), (60, 60, 255), (60, 150, 255), (235, 235, 235), (200, 220, 255))


def lamp(rng: Rng, image: "Image | Canvas", middle: tuple[float, float], wide: float) -> None:
    """A tail lamp or headlamp: coloured glass with a dark or chrome rim, and bright fields and bars."""
    high = wide * rng.uniform(0.25, 1.0)
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * (wide / 2, high / 2) + rng.normal(0, 0.12, (4, 2)) * (wide, high)
    outline = (corners + middle).astype(np.int32)
    cv2.fillPoly(image, [outline], vary_colour(rng, _GLASS[rng.integers(len(_GLASS))], 30), cv2.LINE_AA)
    x1, y1 = (corners.min(axis=0) + middle).tolist()
    for _ in range(int(rng.integers(0, 5))):
        left, top = x1 + rng.uniform(0, 0.8) * wide, y1 + rng.uniform(0, 0.8) * high
        far = (int(left + rng.uniform(0.1, 0.5) * wide), int(top + rng.uniform(0.08, 0.5) * high))
        cv2.rectangle(image, (int(left), int(top)), far, vary_colour(rng, _GLASS[rng.integers(len(_GLASS))], 20), -1)
    cv2.polylines(image, [outline], True, grey(rng, 0, 230), max(1, int(wide / 30)), cv2.LINE_AA)


def sticker(rng: Rng, image: "Image | Canvas", middle: tuple[float, float], high: float) -> None:
    """A coloured sticker with up to three lines of text."""
    wide = high * rng.uniform(1, 5)
    x, y = middle
    paper = vivid(rng) if chance(rng, 0.6) else grey(rng, 0, 255)
    if chance(rng, 0.7):
        cv2.rectangle(image, (int(x - wide / 2), int(y - high / 2)), (int(x + wide / 2), int(y + high / 2)), paper, -1)
    ink = grey(rng, 0, 60) if sum(paper) > 380 else grey(rng, 190, 255)
    rows = int(rng.integers(0, 4))
    for row in range(rows):
        at = (x, y - high / 2 + high * (row + 0.5) / rows)
        lettering(rng, image, at, max(3.0, high / rows * rng.uniform(0.4, 0.8)), ink)


def bars(rng: Rng, image: "Image | Canvas", middle: tuple[float, float], wide: float) -> None:
    """Stripes in a frame: a grille, a footrest, a step."""
    high, count = wide * rng.uniform(0.2, 0.6), int(rng.integers(3, 12))
    lean = rng.normal(0, 0.15) * wide
    dark, bright = grey(rng, 0, 90), grey(rng, 90, 255)
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * (wide / 2, high / 2) + middle
    corners[1:3, 1] += lean
    cv2.fillPoly(image, [corners.astype(np.int32)], dark, cv2.LINE_AA)
    for i in range(count):
        t = (i + 0.5) / count
        (ax, ay), (bx, by) = (np.array(corners[i]) * (1 - t) + np.array(corners[j]) * t for i, j in ((0, 1), (3, 2)))
        if chance(rng, 0.9):
            cv2.line(image, (int(ax), int(ay)), (int(bx), int(by)), bright, max(1, int(wide / count / 3)), cv2.LINE_AA)


def cone(rng: Rng, canvas: Canvas, foot: tuple[float, float], high: float) -> None:
    x, y = foot
    for part, colour in ((1.0, (40, 90, 235)), (0.7, (235, 235, 235)), (0.45, (40, 90, 235))):
        half = high * 0.28 * part
        points = np.array([(x, y - high), (x + half, y - high * (1 - part)), (x - half, y - high * (1 - part))], np.int32)
        cv2.fillPoly(canvas, [points], vary_colour(rng, colour, 20), cv2.LINE_AA)


def sign(rng: Rng, canvas: Canvas, plates: Sequence[Quad] = ()) -> None:
    """A sign with text, in full brightness also at night; not drawn if it would overlap one of `plates`."""
    height, width = canvas.shape[:2]
    wide = rng.uniform(0.06, 0.4) * width
    high = wide * rng.choice([rng.uniform(0.15, 0.4), rng.uniform(0.4, 1.3)])
    x, y = rng.uniform(-wide / 2, width - wide / 2), rng.uniform(-high / 2, height * 0.8)
    if any(_near(quad, (x, y, x + wide, y + high), wide / 4) for quad in plates):
        return
    board = np.full((max(4, int(high)), max(4, int(wide)), 3), vivid(rng) if chance(rng, 0.7) else grey(rng, 5, 250), np.float32)
    ink = (245.0, 245.0, 245.0) if board.mean() < 128 else grey(rng, 0, 60)
    rows = int(rng.integers(1, 4)) if high < wide * 0.6 else int(rng.integers(2, 7))
    for row in range(rows):
        step = board.shape[0] / rows
        at = (board.shape[1] * rng.uniform(0.4, 0.6), step * (row + 0.5))
        lettering(rng, board, at, max(2.0, step * rng.uniform(0.3, 0.65)), ink)
    rotation = cv2.getRotationMatrix2D((0, 0), rng.normal(0, 4), 1.0)
    rotation[:, 2] += (x, y)
    drawn = cv2.warpAffine(board, rotation, (width, height), flags=cv2.INTER_LINEAR)
    mask = cv2.warpAffine(np.ones(board.shape[:2], np.float32), rotation, (width, height))[..., None]
    canvas[:] = canvas * (1 - mask) + drawn


def _near(quad: Quad, box: tuple[float, float, float, float], margin: float) -> bool:
    (x1, y1), (x2, y2) = quad.min(axis=0) - margin, quad.max(axis=0) + margin
    return bool(x1 < box[2] and x2 > box[0] and y1 < box[3] and y2 > box[1])
