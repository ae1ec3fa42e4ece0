"""Paints a plate: colours, rim, embossing, gloss, bolts and dirt."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from etle.types import PlateColour

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from etle.types import Image

    Mask = NDArray[np.uint8]

_BASES: dict[PlateColour, tuple[tuple[int, int, int], tuple[int, int, int], bool]] = {
    PlateColour.WHITE: ((205, 205, 200), (250, 250, 250), False),
    PlateColour.BLACK: ((12, 10, 8), (74, 68, 64), True),
    PlateColour.YELLOW: ((10, 140, 190), (70, 195, 245), False),
    PlateColour.RED: ((22, 18, 135), (66, 54, 215), True),
    PlateColour.GREEN: ((60, 120, 25), (125, 185, 100), False),
}
"""Darkest and lightest base (BGR), and whether the characters are light."""
_FREQUENCIES = {
    PlateColour.WHITE: 0.34,
    PlateColour.BLACK: 0.42,
    PlateColour.YELLOW: 0.12,
    PlateColour.RED: 0.08,
    PlateColour.GREEN: 0.04,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Paint:
    colour: PlateColour
    base: "NDArray[np.float32]"
    letters: "NDArray[np.float32]"
    light_letters: bool


def sample_paint(rng: np.random.Generator) -> Paint:
    colour = list(_FREQUENCIES)[int(rng.choice(len(_FREQUENCIES), p=list(_FREQUENCIES.values())))]
    darkest, lightest, light_letters = _BASES[colour]
    base = np.array(darkest) + rng.random() * (np.array(lightest) - np.array(darkest)) + rng.normal(0, 5, 3)
    letters = rng.uniform(170, 255) + rng.normal(0, 4, 3) if light_letters else rng.uniform(8, 70) + rng.normal(0, 4, 3)
    if colour is PlateColour.WHITE and rng.random() < 0.05:  # a dealer's trial plate, with red characters
        letters = np.array([50, 40, 190]) + rng.normal(0, 15, 3)
    fade = rng.uniform(0.3, 0.65) if rng.random() < 0.08 else 0.0  # bleached paint
    letters = letters + fade * (base - letters)
    return Paint(colour=colour, base=base.astype(np.float32), letters=letters.astype(np.float32), light_letters=light_letters)


def paint_plate(ink: "Mask", rim: "Mask", paint: Paint, rng: np.random.Generator) -> "Image":
    """The plate (uint8, BGR) from the masks of characters and rim: embossed, on a slightly uneven base, sometimes glossy."""
    level = np.maximum(ink, rim)
    steps = np.arange(256, dtype=np.float32)[:, None] / 255
    table = np.clip(paint.base + (paint.letters - paint.base) * steps, 0, 255).astype(np.uint8)
    image: Image = cv2.LUT(cv2.merge([level, level, level]), table[None])
    if rng.random() < 0.5:
        image = _embossed(image, ink, rng)
    if rng.random() < 0.5:
        small = rng.normal(0, rng.uniform(2, 7), (5, 14)).astype(np.float32)
        uneven = cv2.resize(small, (ink.shape[1], ink.shape[0]), interpolation=cv2.INTER_LINEAR)
        image = cv2.add(image, cv2.merge([uneven, uneven, uneven]), dtype=cv2.CV_8U)
    return _glossy(image, rng) if rng.random() < (0.3 if paint.light_letters else 0.08) else image


def _glossy(image: "Image", rng: np.random.Generator) -> "Image":
    """Reflections of the sky in fresh enamel: black becomes grey in broad patches, the characters stay lighter."""
    height, width = image.shape[:2]
    patches = cv2.resize(rng.random((3, 6)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    alpha = np.clip(rng.uniform(0.15, 0.6) + rng.uniform(0.1, 0.5) * (patches - 0.5), 0, 0.75)[..., None]
    sky = np.array([1.0, rng.uniform(0.92, 1.0), rng.uniform(0.8, 1.0)]) * rng.uniform(170, 255)
    glossy: Image = np.clip(image + alpha * np.clip(sky - image, 0, None), 0, 255).astype(np.uint8)
    return glossy


def _embossed(image: "Image", ink: "Mask", rng: np.random.Generator) -> "Image":
    """A light edge on one side of each character and a dark one on the other."""
    dx, dy = int(rng.integers(-2, 3)), int(rng.choice([-2, -1, 1, 2]))
    shifted = np.roll(ink, (dy, dx), (0, 1))
    strength = rng.uniform(0.05, 0.2)
    light, dark = cv2.subtract(ink, shifted), cv2.subtract(shifted, ink)
    image = cv2.addWeighted(image, 1.0, cv2.merge([light, light, light]), strength, 0)
    embossed: Image = cv2.addWeighted(image, 1.0, cv2.merge([dark, dark, dark]), -strength, 0)
    return embossed


def draw_rim(ink: "Mask", rng: np.random.Generator) -> "Mask":
    """Mask of the embossed rim near the edge, with square or round corners, sometimes partly worn off."""
    rim = np.zeros_like(ink)
    if rng.random() < 0.22:
        return rim
    height, width = ink.shape
    inset, thick = int(rng.integers(1, 7)), int(rng.integers(1, 5))
    level = int(rng.uniform(110, 255))
    radius = int(rng.uniform(0, 18)) if rng.random() < 0.7 else 0
    rounded_rectangle(rim, (inset, inset, width - 1 - inset, height - 1 - inset), radius, level, thick)
    if rng.random() < 0.12:  # worn off along one side
        part = int(rng.uniform(0.2, 0.8) * width)
        rim[:, :part] //= 3
    return rim


def rounded_rectangle(mask: "Mask", box: tuple[int, int, int, int], radius: int, level: int, thick: int) -> None:
    """Draw in place; `thick` -1 fills the rectangle."""
    x1, y1, x2, y2 = box
    corners = (
        (x1 + radius, y1 + radius, 180),
        (x2 - radius, y1 + radius, 270),
        (x2 - radius, y2 - radius, 0),
        (x1 + radius, y2 - radius, 90),
    )
    outline = [cv2.ellipse2Poly((x, y), (radius, radius), 0, start, start + 90, 15) for x, y, start in corners]
    points = np.concatenate(outline).reshape(-1, 1, 2)
    if thick < 0:
        cv2.fillPoly(mask, [points], level, cv2.LINE_AA)
    else:
        cv2.polylines(mask, [points], True, level, thick, cv2.LINE_AA)


def add_bolts_and_dirt(image: "Image", gaps: "Sequence[tuple[float, float]]", rng: np.random.Generator) -> None:
    """In place. `gaps`: start and end x of the spaces between the groups of the number."""
    height, width = image.shape[:2]
    for _ in range(int(rng.integers(0, 5))):
        if rng.random() < 0.45:
            _bolt(image, (rng.uniform(0.02, 0.98) * width, rng.uniform(0.1, 0.75) * height), rng)
    if gaps and rng.random() < 0.4:
        _bolts_between(image, gaps, rng)
    if rng.random() < 0.25:  # the emblem of the police, lower left
        grey = float(rng.uniform(60, 230))
        centre = (int(width * rng.uniform(0.04, 0.09)), int(height * rng.uniform(0.72, 0.86)))
        cv2.ellipse(
            image, centre, (int(rng.uniform(4, 9)), int(rng.uniform(6, 11))), 0, 0, 360, (grey, grey, grey), int(rng.choice([-1, 1, 2]))
        )
    for _ in range(int(rng.integers(0, 4))):
        if rng.random() < 0.35:
            _dirt(image, height, width, rng)


def _bolts_between(image: "Image", gaps: "Sequence[tuple[float, float]]", rng: np.random.Generator) -> None:
    """Most plates are fixed by screws between the groups, at mid-height, where readers confuse them with strokes."""
    y = image.shape[0] * rng.uniform(0.2, 0.5)
    relative_x = rng.uniform(0.25, 0.75)
    for left, right in gaps:
        if rng.random() < 0.85:
            x = relative_x if left < image.shape[1] / 3 else 1 - relative_x  # the holes are symmetric
            _bolt(image, (left + x * (right - left), y + rng.normal(0, 2)), rng)


def _bolt(image: "Image", at: tuple[float, float], rng: np.random.Generator) -> None:
    """A screw head with its shadow and sometimes a washer."""
    centre, radius = (round(at[0]), round(at[1])), int(rng.uniform(2, 7))
    if rng.random() < 0.3:
        washer = float(rng.uniform(0, 255))
        cv2.circle(image, centre, radius + int(rng.uniform(2, 4)), (washer, washer, washer), -1, cv2.LINE_AA)
    if rng.random() < 0.4:
        cv2.circle(image, (centre[0] + int(rng.integers(-2, 3)), centre[1] + 2), radius, (20, 20, 20), -1, cv2.LINE_AA)
    grey = float(rng.uniform(0, 255))
    cv2.circle(image, centre, radius, (grey, grey, grey), -1, cv2.LINE_AA)
    if radius > 3 and rng.random() < 0.5:
        light = min(255.0, grey + float(rng.uniform(20, 120)))
        cv2.circle(image, (centre[0] - 1, centre[1] - 1), radius // 2, (light, light, light), -1, cv2.LINE_AA)


def _dirt(image: "Image", height: int, width: int, rng: np.random.Generator) -> None:
    """A semi-transparent patch or scratch."""
    overlay = image.copy()
    colour = tuple(float(v) for v in rng.uniform(20, 200) + rng.normal(0, 12, 3))
    first = (int(rng.uniform(0, width)), int(rng.uniform(0, height)))
    if rng.random() < 0.5:
        cv2.ellipse(overlay, first, (int(rng.uniform(3, 28)), int(rng.uniform(3, 18))), float(rng.uniform(0, 180)), 0, 360, colour, -1)
    else:
        cv2.line(overlay, first, (int(rng.uniform(0, width)), int(rng.uniform(0, height))), colour, int(rng.integers(1, 3)))
    alpha = float(rng.uniform(0.2, 0.75))
    cv2.addWeighted(overlay, alpha, image, 1 - alpha, 0, dst=image)
