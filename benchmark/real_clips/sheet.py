"""The evidence of a violation in one picture, with the drawings of the site and the detected boxes."""

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from etle.types import Box, EvidencePicture, ViolationMessage

if TYPE_CHECKING:
    from etle.types import Image

_WIDTH = 800
_RED, _BLUE, _YELLOW, _CYAN = (0, 0, 255), (255, 80, 0), (0, 220, 255), (255, 255, 0)


def sheet(message: ViolationMessage, file: Path) -> None:
    """Writes a PNG with the pictures before, at and after the violation and of the plate, in two rows."""
    tiles = [_tile(picture, message) for picture in message.violation.pictures[:4]]
    blank = np.zeros_like(tiles[0])
    tiles += [blank] * (4 - len(tiles))
    file.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(file), cv2.vconcat([cv2.hconcat(tiles[:2]), cv2.hconcat(tiles[2:])]))


def _tile(picture: EvidencePicture, message: ViolationMessage) -> "Image":
    violation = message.violation
    data = next(file.data for file in message.files if file.sha256 == picture.sha256)
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    for _, points in (*violation.drawing.lines, *violation.drawing.areas):
        cv2.polylines(image, [np.array(points, np.int32)], False, _YELLOW, 2)
    for _, head in violation.drawing.signals:
        _frame(image, head, _CYAN)
    for box, colour in ((picture.vehicle_box, _RED), (picture.plate_box, _BLUE)):
        if box:
            _frame(image, box, colour)
    tile: Image = cv2.resize(image, (_WIDTH, round(image.shape[0] * _WIDTH / image.shape[1])))
    label = f"{picture.role} {picture.captured_at:%H:%M:%S.%f}  {violation.plate.text or '-'}"
    cv2.putText(tile, label, (8, tile.shape[0] - 10), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (0, 0, 0), 4)
    cv2.putText(tile, label, (8, tile.shape[0] - 10), cv2.FONT_HERSHEY_SIMPLEX, 0.7, _YELLOW, 2)
    return tile


def _frame(image: "Image", box: Box, colour: tuple[int, int, int]) -> None:
    x1, y1, x2, y2 = (round(edge) for edge in box)
    cv2.rectangle(image, (x1, y1), (x2, y2), colour, 2)
