"""How sharp a crop is, comparable between crops of different size, and how much its letters stand out."""

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from etle.types import Image

_HEIGHT = 48
"""A standard height, so that a large crop does not count as blurred for its size, nor a small one as sharp for its noise."""


def sharpness(crop: "Image") -> float:
    """Variance of the Laplacian of the crop at a standard height; larger is sharper. Zero for an empty crop."""
    if not crop.size:
        return 0.0
    grey = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY)
    width = max(1, round(_HEIGHT * grey.shape[1] / grey.shape[0]))
    way = cv2.INTER_AREA if grey.shape[0] > _HEIGHT else cv2.INTER_LINEAR
    standard = cv2.resize(grey, (width, _HEIGHT), interpolation=way)
    return float(np.var(cv2.Laplacian(standard, cv2.CV_64F)))


def contrast(crop: "Image") -> float:
    """Grey levels from the darkest to the lightest twentieth of what stands in the crop's middle; zero for an empty crop."""
    height, width = crop.shape[:2]
    middle = crop[round(0.2 * height) : round(0.7 * height), round(0.12 * width) : round(0.88 * width)]
    if not middle.size:
        return 0.0
    dark, light = np.percentile(cv2.cvtColor(middle, cv2.COLOR_BGR2GRAY), (5, 95))
    return float(light - dark)
