"""Renders what surrounds a plate: bodywork, bumper, grille, and the holder with a dealer's name."""

from typing import TYPE_CHECKING

import cv2
import numpy as np

from etle.plates.fsm import LETTERS
from models.synthetic.plates.typeface import TYPEFACES, typeface

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etle.types import Image

NAMES = (
    "HONDA",
    "TOYOTA",
    "DAIHATSU",
    "SUZUKI",
    "YAMAHA",
    "MITSUBISHI",
    "AVANZA",
    "XENIA",
    "BRIO",
    "VARIO",
    "BEAT",
    "INNOVA",
    "XPANDER",
    "ERTIGA",
)
"""Lettering on cars and holders."""


def render_context(height: int, width: int, rng: np.random.Generator) -> "Image":
    """Smooth patches of bodywork, shadow and light, often with the straight edges of a bumper or a grille."""
    patches = rng.uniform(0, 255, (int(rng.integers(2, 6)), int(rng.integers(2, 9)), 1)) * rng.uniform(0.2, 1)
    coloured = patches * rng.uniform(0.4, 1.1, 3) if rng.random() < 0.5 else patches.repeat(3, axis=2)
    image: Image = cv2.resize(np.clip(coloured, 0, 255).astype(np.uint8), (width, height), interpolation=cv2.INTER_LINEAR)
    for _ in range(int(rng.integers(0, 4))):
        y, slope = rng.uniform(0, height), rng.normal(0, 0.08) * height
        cv2.line(image, (0, int(y - slope)), (width, int(y + slope)), _grey(rng), int(rng.integers(1, max(2, height // 8))), cv2.LINE_AA)
    if rng.random() < 0.3:
        x = int(rng.uniform(0, width))
        cv2.line(image, (x, 0), (x + int(rng.normal(0, 4)), height), _grey(rng), int(rng.integers(1, max(2, height // 8))), cv2.LINE_AA)
    return image


def with_holder(plate: "Image", rng: np.random.Generator) -> "tuple[Image, int]":
    """The plate in a holder, and the width of the frame in pixels; in half of the cases the plate without a holder, and 0."""
    if rng.random() < 0.5:
        return plate, 0
    frame = int(rng.integers(3, 14))
    strip = int(rng.integers(10, 24)) if rng.random() < 0.4 else 0
    colour = (16.0, 16.0, 18.0) if rng.random() < 0.6 else _grey(rng)
    held: Image = cv2.copyMakeBorder(plate, frame, frame + strip, frame, frame, cv2.BORDER_CONSTANT, value=colour)
    if rng.random() < 0.4:  # an edge between frame and plate
        h, w = plate.shape[:2]
        cv2.rectangle(held, (frame, frame), (frame + w - 1, frame + h - 1), _grey(rng), int(rng.integers(1, 3)), cv2.LINE_AA)
    if strip >= 12:
        draw_lettering(
            held, str(rng.choice(NAMES)), (held.shape[1] * rng.uniform(0.1, 0.5), held.shape[0] - frame * 0.5 - strip), strip * 0.8, rng
        )
    for x in (rng.uniform(0.05, 0.3), rng.uniform(0.7, 0.95)):
        if rng.random() < 0.3:
            y = int(rng.choice([frame // 2, held.shape[0] - frame // 2]))
            cv2.circle(held, (int(x * held.shape[1]), y), max(2, frame // 3), _grey(rng), -1, cv2.LINE_AA)
    return held, frame


def draw_lettering(image: "Image", text: str, at: tuple[float, float], height: float, rng: np.random.Generator) -> None:
    """Draw text in a random grey on the image (in place), clipped to it. `at`: upper left corner."""
    face = typeface(int(rng.integers(TYPEFACES)))
    masks = [cv2.resize(face.mask(c), (max(2, round(height * 0.6)), max(3, round(height)))) for c in text if c in LETTERS]
    x, y = (max(0, round(v)) for v in at)
    space = image.shape[1] - x
    strip = np.concatenate([np.pad(mask, ((0, 0), (1, 1))) for mask in masks], axis=1)[: image.shape[0] - y, :space]
    region = image[y : y + strip.shape[0], x : x + strip.shape[1]]
    alpha = strip[..., None].astype(np.float32) / 255
    region[:] = (region * (1 - alpha) + np.float32(rng.uniform(0, 255)) * alpha).astype(np.uint8)


def blend(background: "Image", foreground: "Image", mask: "NDArray[np.uint8]") -> "Image":
    alpha = mask[..., None].astype(np.float32) * np.float32(1 / 255)
    blended: Image = (background + (foreground - background.astype(np.float32)) * alpha).astype(np.uint8)
    return blended


def _grey(rng: np.random.Generator) -> tuple[float, float, float]:
    grey = float(rng.uniform(0, 255))
    return (grey, grey, grey)
