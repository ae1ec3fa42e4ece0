"""Sharpness of a crop, comparable between crops of different size, and contrast of its characters."""

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from etle.types import Image

_HEIGHT = 48
"""Crops are scaled to this height: otherwise large crops would appear blurred and noise in small ones sharp."""


def sharpness(crop: "Image") -> float:
    """Variance of the Laplacian of the scaled crop; larger is sharper, 0 for an empty crop. `crop`: height x width x 3, uint8, BGR."""
    if not crop.size:
        return 0.0
    grey = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY)
    width = max(1, round(_HEIGHT * grey.shape[1] / grey.shape[0]))
    interpolation = cv2.INTER_AREA if grey.shape[0] > _HEIGHT else cv2.INTER_LINEAR
    scaled = cv2.resize(grey, (width, _HEIGHT), interpolation=interpolation)
    return float(np.var(cv2.Laplacian(scaled, cv2.CV_64F)))


def contrast(crop: "Image") -> float:
    """Difference in grey levels (0 to 255) of the 95th and the 5th percentile in the middle of the crop; 0 for an empty crop."""
    height, width = crop.shape[:2]
    middle = crop[round(0.2 * height) : round(0.7 * height), round(0.12 * width) : round(0.88 * width)]
    if not middle.size:
        return 0.0
    dark, light = np.percentile(cv2.cvtColor(middle, cv2.COLOR_BGR2GRAY), (5, 95))
    return float(light - dark)
