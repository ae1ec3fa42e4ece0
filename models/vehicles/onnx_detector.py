"""Vehicles by YOLOv8 in onnxruntime: the default detector, one core, no torch."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from etle.types import Detection
from models.runtime.yolov8 import Yolo, shape_for
from models.vehicles.classes import LEAST_SCORE, as_detections, vehicle_kinds

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from etle.types import Image

LONGEST_PX = 640
"""Longer side of the input. On 480 a third of the motorcycles farther away than 40 m is missed, 1280 costs four times as much."""


class OnnxVehicleDetector:
    """Gives detections down to a score of 0.1, each vehicle once; not to be shared between threads."""

    def __init__(self, path: Path, *, threads: int = 1, name: str = "yolov8n-vehicles", longest_px: int = LONGEST_PX) -> None:
        """`path`: a YOLOv8 export that knows vehicles. Raises WeightsMissing, WeightsError, MissingExtra."""
        self._yolo = Yolo(path, name, threads=threads)
        self._kinds = vehicle_kinds(self._yolo.names)
        self._longest_px = longest_px
        self.name = name
        self.digest = self._yolo.digest

    def detect(self, images: "Sequence[Image]") -> Sequence[tuple[Detection, ...]]:
        return [self._detect(image) for image in images]

    def bare(self, image: "Image") -> "Callable[[], NDArray[np.float32]]":
        """The network alone on that picture, to be measured against."""
        return self._yolo.bare(image, shape_for(image, self._longest_px))

    def _detect(self, image: "Image") -> tuple[Detection, ...]:
        shape = shape_for(image, self._longest_px)
        candidates = self._yolo.candidates(image, shape, least=LEAST_SCORE, kinds=tuple(self._kinds))
        return as_detections(candidates, self._kinds)
