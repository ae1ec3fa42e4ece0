"""Masks and shading: shapes with soft edges, rounded like balls, or matte like cloth."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from models.synthetic.heads.values import CANVAS, HeadPose, Light, Rng, Tint
from models.synthetic.scenes.textures import chance, noise

Mask = NDArray[np.float32]
_SUB = 4
_ROWS, _COLUMNS = np.mgrid[0:CANVAS, 0:CANVAS].astype(np.float32)


def ellipse(pose: HeadPose, x: float, y: float, across: float, along: float, angle: float = 0.0) -> Mask:
    """In radii from the middle of the skull; `angle` in degrees."""
    mask = np.zeros((CANVAS, CANVAS), np.uint8)
    centre = tuple(round(each * 2**_SUB) for each in pose.at(x, y))
    axes = tuple(max(1, round(each * pose.radius * 2**_SUB)) for each in (across, along))
    cv2.ellipse(mask, centre, axes, angle, 0, 360, 255, -1, cv2.LINE_AA, _SUB)
    return mask.astype(np.float32) / np.float32(255)


def polygon(pose: HeadPose, corners: Sequence[tuple[float, float]]) -> Mask:
    """In radii from the middle of the skull."""
    mask = np.zeros((CANVAS, CANVAS), np.uint8)
    points = np.array([[round(each * 2**_SUB) for each in pose.at(x, y)] for x, y in corners], np.int32)
    cv2.fillPoly(mask, [points], 255, cv2.LINE_AA, _SUB)
    return mask.astype(np.float32) / np.float32(255)


def above(pose: HeadPose, y: float, slope: float = 0.0, bend: float = 0.0) -> Mask:
    """What is above a line through (0, y), in radii."""
    across = (_COLUMNS - pose.x) / pose.radius
    edge = y + slope * across + bend * across**2
    mask: Mask = ((edge - (_ROWS - pose.y) / pose.radius) * np.float32(pose.radius) + 0.5).clip(0, 1).astype(np.float32)
    return mask


def rounded(pose: HeadPose, x: float, y: float, across: float, along: float, *, depth: float) -> Mask:
    """Brightness of a ball of this size in the sun: 1 on average; `depth` 0 is flat."""
    u, v = (_COLUMNS - pose.x) / pose.radius - x, (_ROWS - pose.y) / pose.radius - y
    u, v = u / np.float32(across), v / np.float32(along)
    lit = u * np.float32(pose.sun[0]) + v * np.float32(pose.sun[1])
    rim = (u * u + v * v).clip(0, 1)
    shade: Mask = (1 + np.float32(depth) * (lit - np.float32(0.5) * rim)).clip(0.12, 3).astype(np.float32)
    return shade


def highlight(rng: Rng, pose: HeadPose, x: float, y: float, across: float, along: float) -> Mask:
    """The reflection of the sun or the sky on a polished ball."""
    where = x + 0.5 * across * pose.sun[0] + rng.normal(0, 0.08), y + 0.55 * along * pose.sun[1] + rng.normal(0, 0.08)
    size = rng.uniform(0.05, 0.3) * across
    spot = ellipse(pose, *where, size, size * rng.uniform(0.3, 1.4), float(rng.uniform(0, 180)))
    return np.asarray(cv2.GaussianBlur(spot, (0, 0), float(rng.uniform(0.6, 5))), np.float32)


def paint(light: Light, mask: Mask, colour: Tint, shade: Mask | float = 1.0) -> None:
    """In place, and only where the mask covers anything: most shapes are small."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return
    covered = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    shading = shade[covered][..., None] if isinstance(shade, np.ndarray) else np.float32(shade)
    part = light[covered]
    change = np.broadcast_to(np.array(colour, np.float32) * shading, part.shape) - part
    change *= mask[covered][..., None]
    part += change


def cloth(rng: Rng, strength: float = 0.25) -> Mask:
    """Folds and weave."""
    folds = noise(rng, CANVAS, CANVAS, 3, 4) * np.float32(strength)
    if chance(rng, 0.4):
        wave = np.sin((_COLUMNS * rng.normal(0, 0.12) + _ROWS * rng.normal(0, 0.12)) + rng.uniform(0, 6))
        folds = folds + np.float32(strength * 0.5) * wave
    return np.asarray(np.exp(folds), np.float32)


def strands(rng: Rng) -> Mask:
    """Hair, mostly along the picture's height."""
    grid = rng.normal(0, 1, (int(rng.integers(4, 14)), int(rng.integers(30, 70)))).astype(np.float32)
    if chance(rng, 0.3):
        grid = rng.normal(0, 1, (30, 30)).astype(np.float32)
    fine = cv2.resize(grid, (CANVAS, CANVAS), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.exp(fine * np.float32(rng.uniform(0.05, 0.35))), np.float32)
