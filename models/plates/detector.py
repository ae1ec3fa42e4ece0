"""Plates by YOLOv8 in onnxruntime, in crops of vehicles and in whole frames: one look where that is enough, more where it is not.

A plate of any size must come to the network at a size that it knows, and one input cannot suit them all. So whole frames are looked at
in several sizes, and a crop again in another one if the first look leaves a doubt. The looks are merged (`merging`).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from etle.protocols import PlateDetector
from etle.types import PlateBox
from models.plates.fusion import merged
from models.runtime.yolov8 import Yolo, nms, shape_for
from models.weights.locate import weight

if TYPE_CHECKING:
    from etle.types import Image

_CROP_WIDTH = 256
"""Of the input for a vehicle's crop: a plate is a quarter to a half as wide as its vehicle, whatever the height of the crop. A tall crop
pressed into a square of 320 costs as much, shows half of a motorcycle's number as a whole plate, and is surer of that."""
_CROP_HEIGHTS = (192, 256, 384, 640)
"""The lowest into which the crop fits. Few, because each keeps memory of its own."""
_CROP_AGAIN_PX = 640
"""Width of the input for a second look."""
_AGAIN_HEIGHTS = (448, 640)
"""Its heights: a low crop needs no square, whose rest would be grey."""
_FRAME_PX = (416, 640, 1280)
"""Longer sides of the inputs for a whole frame: a close-up fills it, and far plates are small in it."""
_LEAST_SCORE = 0.05
"""Of one look; it takes several of these to become a plate."""
_PLATE_FROM = 0.4
"""Score of all looks together from which it is one."""
_SURE = 0.4
"""A crop whose best plate has this score after one look needs no other."""
_DOUBLE = 0.5
"""Plates do not overlap."""


class OnnxPlateDetector:
    """Not to be shared between threads."""

    def __init__(self, path: Path, *, threads: int = 1, name: str = "yolov8n-plates") -> None:
        """`path`: a YOLOv8 export of which every class is a plate. Raises WeightsMissing, WeightsError, MissingExtra."""
        self._yolo = Yolo(path, name, threads=threads)
        self._yolo.open((height, _CROP_WIDTH) for height in _CROP_HEIGHTS)
        self._yolo.open((height, _CROP_AGAIN_PX) for height in _AGAIN_HEIGHTS)
        self.name = name
        self.digest = self._yolo.digest

    def find(self, images: "Sequence[Image]", *, whole: bool = False) -> Sequence[tuple[PlateBox, ...]]:
        return [self._find(image, whole) for image in images]

    def _find(self, image: "Image", whole: bool) -> tuple[PlateBox, ...]:
        plates = self._in_frame(image) if whole else self._in_crop(image)
        return tuple(plate for plate in plates if plate.score >= _PLATE_FROM)

    def _in_crop(self, image: "Image") -> tuple[PlateBox, ...]:
        first = self._look(image, _shape(image, _CROP_WIDTH, _CROP_HEIGHTS))
        if first and first[0].score >= _SURE:
            return first
        return merged([first, self._look(image, _shape(image, _CROP_AGAIN_PX, _AGAIN_HEIGHTS))])

    def _in_frame(self, image: "Image") -> tuple[PlateBox, ...]:
        return merged([self._look(image, shape_for(image, longest)) for longest in _FRAME_PX])

    def _look(self, image: "Image", shape: tuple[int, int]) -> tuple[PlateBox, ...]:
        candidates = self._yolo.candidates(image, shape, least=_LEAST_SCORE)
        return tuple(PlateBox(box=found.box, score=found.score) for found in nms(candidates, _DOUBLE))


def _shape(image: "Image", width: int, heights: Sequence[int]) -> tuple[int, int]:
    """The lowest input of that width into which the picture fits, or else the highest."""
    height = width * image.shape[0] / image.shape[1]
    return next((each for each in heights if each >= height), heights[-1]), width


def open_plate_finder(weights: Path | None = None, *, threads: int = 1) -> PlateDetector:
    """`weights` None means those of the catalogue. Raises WeightsMissing, WeightsError, MissingExtra."""
    return OnnxPlateDetector(weights or weight("plate-finder"), threads=threads)
