"""How sharp a crop is, comparable between crops of different size."""

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
