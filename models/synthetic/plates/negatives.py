"""Renders negatives, false positives of plate detectors: grilles, stripes, lamps, stickers, lettering, empty holders."""

from typing import TYPE_CHECKING

import cv2
import numpy as np

from models.synthetic.plates.camera import Degradation, apply_blur, apply_lighting, apply_sensor, conditions_for
from models.synthetic.plates.context import NAMES, draw_lettering, render_context, with_holder
from models.synthetic.plates.paint import draw_rim, paint_plate, sample_paint

if TYPE_CHECKING:
    from etle.types import Image

_DEGRADATIONS = (Degradation.NONE, Degradation.FAR, Degradation.DARK, Degradation.GLOW, Degradation.GLARE)


def render_negative(rng: np.random.Generator) -> "Image":
    conditions = conditions_for(_DEGRADATIONS[int(rng.integers(len(_DEGRADATIONS)))], rng)
    height = max(12, round(conditions.plate_height_px))
    width = max(24, round(height * rng.uniform(1.8, 4.5)))
    image = render_context(height, width, rng)
    _KINDS[int(rng.integers(len(_KINDS)))](image, rng)
    return apply_sensor(apply_blur(apply_lighting(image, conditions, rng), conditions, rng), conditions, rng)


def _bodywork(image: "Image", rng: np.random.Generator) -> None:
    """Only bodywork and shadow."""


def _grille(image: "Image", rng: np.random.Generator) -> None:
    height, width = image.shape[:2]
    step = max(3, int(height * rng.uniform(0.12, 0.5)))
    thick, lean = max(1, int(step * rng.uniform(0.2, 0.6))), int(rng.normal(0, 0.3) * height)
    grey = float(rng.uniform(0, 255))
    if rng.random() < 0.5:
        for x in range(int(rng.integers(step)), width + abs(lean), step):
            cv2.line(image, (x, 0), (x - lean, height), (grey, grey, grey), thick, cv2.LINE_AA)
    if rng.random() < 0.6:
        for y in range(int(rng.integers(step)), height, step):
            cv2.line(image, (0, y), (width, y), (grey, grey, grey), thick, cv2.LINE_AA)


def _lettering(image: "Image", rng: np.random.Generator) -> None:
    height, width = image.shape[:2]
    draw_lettering(
        image,
        str(rng.choice(NAMES)),
        (width * rng.uniform(0.02, 0.3), height * rng.uniform(0.05, 0.4)),
        height * rng.uniform(0.25, 0.6),
        rng,
    )


def _lamp(image: "Image", rng: np.random.Generator) -> None:
    height, width = image.shape[:2]
    red = (float(rng.uniform(0, 60)), float(rng.uniform(0, 160)), float(rng.uniform(150, 255)))
    centre = (int(rng.uniform(0, width)), int(rng.uniform(0, height)))
    cv2.ellipse(image, centre, (int(width * rng.uniform(0.15, 0.6)), int(height * rng.uniform(0.2, 0.7))), 0, 0, 360, red, -1, cv2.LINE_AA)
    white = float(rng.uniform(180, 255))
    for _ in range(int(rng.integers(0, 4))):
        at = (int(rng.uniform(0, width)), int(rng.uniform(0, height)))
        cv2.circle(image, at, max(1, int(height * rng.uniform(0.04, 0.2))), (white * 0.7, white * 0.8, white), -1, cv2.LINE_AA)


def _sticker(image: "Image", rng: np.random.Generator) -> None:
    height, width = image.shape[:2]
    for _ in range(int(rng.integers(1, 6))):
        a, b = rng.uniform(0, 1, (2, 2)) * (width, height)
        colour = tuple(float(v) for v in rng.uniform(0, 255, 3))
        cv2.rectangle(image, a.astype(int).tolist(), b.astype(int).tolist(), colour, int(rng.choice([-1, 1, 2])), cv2.LINE_AA)


def _empty_plate(image: "Image", rng: np.random.Generator) -> None:
    """A holder or a plate without a number."""
    height, width = image.shape[:2]
    blank = np.zeros((120, round(120 * width / height)), dtype=np.uint8)
    held, _ = with_holder(paint_plate(blank, draw_rim(blank, rng), sample_paint(rng), rng), rng)
    image[:] = cv2.resize(held, (width, height), interpolation=cv2.INTER_AREA)


_KINDS = (_bodywork, _grille, _lettering, _lamp, _sticker, _empty_plate)
