"""Crops a plate level around the corners of its number, and tells how well corners that are located in that crop confirm them."""

from typing import TYPE_CHECKING

import cv2
import numpy as np

from models.plates.readers.lines import line_size

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etle.types import Image
    from models.plates.readers.lines import Corners

_SIDE_MARGIN, _UPPER_MARGIN, _LOWER_MARGIN = 0.8, 0.5, 1.1
"""Margins of the new crop in heights of the number; the expiry is below it."""
_MIN_HEIGHT_PX = 24.0
"""Height to which smaller numbers are enlarged: turning them at their own size would lose detail."""
_ASPECTS = (1.5, 14.0)
"""Width to height of a plausible number: two characters to ten."""
_MIN_LINE_PX = (8.0, 4.0)


def is_plausible(number: "Corners") -> bool:
    width, height = line_size(number)
    if width < _MIN_LINE_PX[0] or height < _MIN_LINE_PX[1] or not cv2.isContourConvex(number.astype(np.float32)):
        return False
    return _ASPECTS[0] <= width / height <= _ASPECTS[1]


def level_crop(image: "Image", number: "Corners") -> "tuple[Image, NDArray[np.float64]]":
    """The plate around the number, level, and the 3 x 3 matrix from pixels of the image to those of the crop."""
    width, height = line_size(number)
    scale = max(1.0, _MIN_HEIGHT_PX / height)
    width, height = width * scale, height * scale
    x, y = _SIDE_MARGIN * height, _UPPER_MARGIN * height
    level = np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]], dtype=np.float32)
    matrix = cv2.getPerspectiveTransform(number, level)
    size = (round(width + 2 * x), round(y + height + _LOWER_MARGIN * height))
    crop: Image = cv2.warpPerspective(image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return crop, matrix.astype(np.float64)


def drift(number: "Corners", crop: "Image") -> float:
    """Mean distance of the corners from where `level_crop` put them, in heights of the number: large if those were not a number's."""
    height = crop.shape[0] / (1 + _UPPER_MARGIN + _LOWER_MARGIN)
    x1, x2, y1, y2 = _SIDE_MARGIN * height, crop.shape[1] - _SIDE_MARGIN * height, _UPPER_MARGIN * height, (_UPPER_MARGIN + 1) * height
    expected = np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]])
    return float(np.linalg.norm(number - expected, axis=1).mean() / height)


def in_image(number: "Corners", to_crop: "NDArray[np.float64]") -> "Corners":
    """Corners in pixels of a crop as pixels of its image. `to_crop`: 3 x 3, from pixels of the image to those of the crop."""
    corners: Corners = cv2.perspectiveTransform(number[None].astype(np.float64), np.linalg.inv(to_crop))[0].astype(np.float32)
    return corners
