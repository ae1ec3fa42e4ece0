"""Detects plates with YOLOv8 in onnxruntime, in crops of vehicles and in whole frames.

The network detects plates of a limited range of sizes in its input. Whole frames are therefore searched at several input sizes; a crop is
searched a second time, at a larger input, only if the first pass found no plate with a high score. The passes are merged (`fusion`).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from etle.protocols import PlateDetector
from etle.types import PlateBox
from models.plates.fusion import fuse
from models.runtime.yolov8 import Yolo, nms, shape_for
from models.weights.locate import weight

if TYPE_CHECKING:
    from etle.types import Image

_CROP_WIDTH = 256
"""Input width for a vehicle crop: a plate is a quarter to a half as wide as its vehicle, whatever the height of the crop. A square input
of 320 costs as much, scales tall crops down further, and detects half of a motorcycle's number as a whole plate with a higher score."""
_CROP_HEIGHTS = (192, 256, 384, 640)
"""Input heights; the lowest into which the crop fits is used. Few, because onnxruntime keeps memory for each."""
_SECOND_PASS_WIDTH = 640
_SECOND_PASS_HEIGHTS = (448, 640)
"""Two heights, because in a square input a low crop would leave mostly padding."""
_FRAME_SIDES_PX = (416, 640, 1280)
"""Longer sides of the inputs for a whole frame: the small ones detect close-ups, the large one distant plates."""
_MIN_PASS_SCORE = 0.05
"""Minimum score in one pass. Several passes with low scores can add up to `fusion.MIN_SCORE`."""
_CONFIDENT_SCORE = 0.4
"""A crop whose best plate has this score after the first pass gets no second one."""
_NMS_IOU = 0.5


class OnnxPlateDetector:
    """Not to be shared between threads.

    Images are processed one after another: crops differ in shape, most need one pass and some two, and on a CPU a stacked batch is no
    faster than a loop (`Yolo`).
    """

    def __init__(self, path: Path, *, threads: int = 1, name: str = "yolov8n-plates") -> None:
        """`path`: a YOLOv8 export; all its classes count as plates. Raises WeightsMissing, WeightsError, MissingExtra."""
        self._yolo = Yolo(path, name, threads=threads)
        self._yolo.open((height, _CROP_WIDTH) for height in _CROP_HEIGHTS)
        self._yolo.open((height, _SECOND_PASS_WIDTH) for height in _SECOND_PASS_HEIGHTS)
        self.name = name
        self.digest = self._yolo.digest

    def detect_crops(self, images: "Sequence[Image]") -> Sequence[tuple[PlateBox, ...]]:
        return [self._detect_crop(image) for image in images]

    def detect_frames(self, images: "Sequence[Image]") -> Sequence[tuple[PlateBox, ...]]:
        return [self._detect_frame(image) for image in images]

    def _detect_crop(self, image: "Image") -> tuple[PlateBox, ...]:
        first = self._detect_at(image, _input_shape(image, _CROP_WIDTH, _CROP_HEIGHTS))
        if first and first[0].score >= _CONFIDENT_SCORE:
            return first
        return fuse([first, self._detect_at(image, _input_shape(image, _SECOND_PASS_WIDTH, _SECOND_PASS_HEIGHTS))])

    def _detect_frame(self, image: "Image") -> tuple[PlateBox, ...]:
        return fuse([self._detect_at(image, shape_for(image, longer_side)) for longer_side in _FRAME_SIDES_PX])

    def _detect_at(self, image: "Image", shape: tuple[int, int]) -> tuple[PlateBox, ...]:
        detections = self._yolo.predict(image, shape, min_score=_MIN_PASS_SCORE)
        return tuple(PlateBox(box=found.box, score=found.score) for found in nms(detections, _NMS_IOU))


def _input_shape(image: "Image", width: int, heights: Sequence[int]) -> tuple[int, int]:
    """Height and width: the lowest of `heights` into which the image fits at this width; the highest if none."""
    fitted = width * image.shape[0] / image.shape[1]
    return next((height for height in heights if height >= fitted), heights[-1]), width


def open_plate_detector(weights: Path | None = None, *, threads: int = 1) -> PlateDetector:
    """`weights` None opens those of the catalogue. Raises WeightsMissing, WeightsError, MissingExtra."""
    return OnnxPlateDetector(weights or weight("plate-finder"), threads=threads)
