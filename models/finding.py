"""Plates by YOLOv8 in onnxruntime, in crops of vehicles and in whole frames: one look where that is enough, more where it is not.

A plate of any size must come to the network at a size that it knows, and one input cannot suit them all. So a picture whose first look
leaves a doubt is looked at again at another size, and each plate that is still doubtful once more alone, as large as the network likes it.
The looks are merged (`merging`).
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from etle.geometry import overlap
from etle.protocols import PlateFinder
from etle.types import Box, PlateBox
from models.merging import agreed, apart, merged
from models.weights import weight
from models.yolov8 import Yolo, shape_for, without_doubles

if TYPE_CHECKING:
    from etle.types import Image

_CROP_PX = 416
"""Side of the input for a vehicle's crop. Only violators' plates are looked for, so the time is no matter."""
_CROP_AGAIN_PX = 640
_FRAMES_PX = (416, 640, 1280)
"""Longer sides of the inputs for a whole frame: close-ups fill it, and far plates are small in it."""
_LEAST_SCORE = 0.02
"""Of a look; it takes several of these, or a closer look, to become a plate."""
_PLATE_FROM = 0.08
"""Score from which a plate is given: two in three below it are none."""
_SURE = 0.6
"""A crop whose best plate has this score after one look needs no other."""
_CLOSE_PX = 320
_CLOSE_SHARE = 0.5
"""A closer look has the plate over this share of its width."""
_DOUBTFUL = (0.04, 0.85)
"""Scores between which a closer look is worth its time."""
_CLOSER_LOOKS = 12
_SAME_CLOSE = 0.2
"""Intersection over union with the plate that was looked at: the first look's box may be poor."""
_DOUBLE = 0.5


class OnnxPlateFinder:
    """Not to be shared between threads."""

    def __init__(self, path: Path, *, threads: int = 1, name: str = "yolov8n-plates") -> None:
        """`path`: a YOLOv8 export of which every class is a plate. Raises WeightsMissing, WeightsError, MissingExtra."""
        self._yolo = Yolo(path, name, threads=threads)
        self.name = name
        self.digest = self._yolo.digest

    def find(self, images: "Sequence[Image]", *, whole: bool = False) -> Sequence[tuple[PlateBox, ...]]:
        return [self._find(image, whole) for image in images]

    def _find(self, image: "Image", whole: bool) -> tuple[PlateBox, ...]:
        plates = self._in_frame(image) if whole else self._in_crop(image)
        return tuple(plate for plate in plates if plate.score >= _PLATE_FROM)

    def _in_crop(self, image: "Image") -> tuple[PlateBox, ...]:
        """Crops of all proportions share one input: many sessions would fill the memory."""
        first = self._look(image, (_CROP_PX, _CROP_PX))
        if first and first[0].score >= _SURE:
            return first
        return self._closer(image, merged([first, self._look(image, (_CROP_AGAIN_PX, _CROP_AGAIN_PX))]))

    def _in_frame(self, image: "Image") -> tuple[PlateBox, ...]:
        return self._closer(image, merged([self._look(image, shape_for(image, longest)) for longest in _FRAMES_PX]))

    def _closer(self, image: "Image", plates: Sequence[PlateBox]) -> tuple[PlateBox, ...]:
        """The same plates, each doubtful one looked at alone."""
        doubtful = [plate for plate in plates if _DOUBTFUL[0] <= plate.score < _DOUBTFUL[1]][:_CLOSER_LOOKS]
        return apart([self._close_look(image, plate) if plate in doubtful else plate for plate in plates])

    def _close_look(self, image: "Image", plate: PlateBox) -> PlateBox:
        left, top, right, bottom = _around(plate.box, image)
        seen = self._look(image[top:bottom, left:right], (_CLOSE_PX, _CLOSE_PX))
        moved = [PlateBox(box=_moved(each.box, left, top), score=each.score) for each in seen]
        same = max((each for each in moved if overlap(each.box, plate.box) > _SAME_CLOSE), key=lambda each: each.score, default=None)
        return agreed(plate, same) if same else plate

    def _look(self, image: "Image", shape: tuple[int, int]) -> tuple[PlateBox, ...]:
        candidates = self._yolo.candidates(image, shape, least=_LEAST_SCORE)
        return tuple(PlateBox(box=found.box, score=found.score) for found in without_doubles(candidates, _DOUBLE))


def open_plate_finder(weights: Path | None = None, *, threads: int = 1) -> PlateFinder:
    """`weights` None means those of the catalogue. Raises WeightsMissing, WeightsError, MissingExtra."""
    return OnnxPlateFinder(weights or weight("plates"), threads=threads)


def _around(box: Box, image: "Image") -> tuple[int, int, int, int]:
    """A square in the picture with the plate in its middle."""
    half = max(box.width, 2 * box.height) / _CLOSE_SHARE / 2
    centre, (height, width) = box.centre, image.shape[:2]
    return (
        max(0, math.floor(centre.x - half)),
        max(0, math.floor(centre.y - half)),
        min(width, math.ceil(centre.x + half)),
        min(height, math.ceil(centre.y + half)),
    )


def _moved(box: Box, left: int, top: int) -> Box:
    return Box(box.x1 + left, box.y1 + top, box.x2 + left, box.y2 + top)
