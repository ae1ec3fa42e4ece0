"""Plates by YOLOv8 in onnxruntime, in crops of vehicles and in whole frames."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from etle.protocols import PlateFinder
from etle.types import PlateBox
from models.weights import weight
from models.yolov8 import Yolo, shape_for, without_doubles

if TYPE_CHECKING:
    from etle.types import Image

_CROP_PX = 416
"""Side of the input for a vehicle's crop. Of 246 plates of real pictures, mostly at night, it finds 62 in 100; 320 finds 57 for 0.6 of
the time. Only violators' plates are looked for, so the time is no matter."""
_FRAME_PX = 1280
"""Longer side of the input for a whole frame, in which plates are small."""
_CROP_UP_TO_PX = 960
"""Pictures whose longer side is larger are taken for whole frames."""
_LEAST_SCORE = 0.25
_DOUBLE = 0.5
"""Plates do not overlap."""


class OnnxPlateFinder:
    """Not to be shared between threads."""

    def __init__(self, path: Path, *, threads: int = 1, name: str = "yolov8n-plates") -> None:
        """`path`: a YOLOv8 export of which every class is a plate. Raises WeightsMissing, WeightsError, MissingExtra."""
        self._yolo = Yolo(path, name, threads=threads)
        self.name = name
        self.digest = self._yolo.digest

    def find(self, images: "Sequence[Image]") -> Sequence[tuple[PlateBox, ...]]:
        return [self._find(image) for image in images]

    def _find(self, image: "Image") -> tuple[PlateBox, ...]:
        candidates = self._yolo.candidates(image, _shape(image), least=_LEAST_SCORE)
        return tuple(PlateBox(box=found.box, score=found.score) for found in without_doubles(candidates, _DOUBLE))


def open_plate_finder(weights: Path | None = None, *, threads: int = 1) -> PlateFinder:
    """`weights` None means those of the catalogue. Raises WeightsMissing, WeightsError, MissingExtra."""
    return OnnxPlateFinder(weights or weight("plates"), threads=threads)


def _shape(image: "Image") -> tuple[int, int]:
    """Crops of all proportions share one input: many sessions would fill the memory."""
    return shape_for(image, _FRAME_PX) if max(image.shape[:2]) > _CROP_UP_TO_PX else (_CROP_PX, _CROP_PX)
