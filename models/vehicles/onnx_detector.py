"""Detects vehicles with YOLOv8 in onnxruntime: the default detector; needs one core and no torch."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from etle.types import Box, Detection
from models.runtime.yolov8 import Yolo, shape_for
from models.vehicles.classes import MIN_SCORE, moved, to_detections, vehicle_classes

if TYPE_CHECKING:
    from etle.types import Image
    from models.runtime.quantized import Rounding

INPUT_SIDE_PX = 640
"""Longer side of the input. At 480 a third of the motorcycles beyond 40 m is missed; 1280 takes four times as long."""


class OnnxVehicleDetector:
    """Returns detections with scores from 0.1. Processes images one after another (`Yolo` has the measurement); not thread-safe."""

    def __init__(
        self,
        path: Path,
        *,
        threads: int = 1,
        name: str = "yolov8n-vehicles",
        input_side_px: int = INPUT_SIDE_PX,
        rounding: "Rounding | None" = None,
    ) -> None:
        """`path`: a YOLOv8 export with vehicle classes; `rounding`: to compute in 8-bit integers.

        Raises WeightsMissing, WeightsError, MissingExtra.
        """
        self._yolo = Yolo(path, name, threads=threads, rounding=rounding)
        self._classes = vehicle_classes(self._yolo.names)
        self._input_side_px = input_side_px
        self.name = name
        self.digest = self._yolo.digest

    def detect(self, images: "Sequence[Image]") -> Sequence[tuple[Detection, ...]]:
        return [self._detect(image) for image in images]

    def detect_part(self, image: "Image", part: Box, zoom: float = 1.0) -> tuple[Detection, ...]:
        x1, y1, x2, y2 = (round(edge) for edge in part)
        crop = image[y1:y2, x1:x2]
        side = round(zoom * self._input_side_px * max(crop.shape[:2]) / max(image.shape[:2]))
        raw = self._yolo.predict(crop, shape_for(crop, side), min_score=MIN_SCORE, class_ids=tuple(self._classes))
        return tuple(moved(detection, x1, y1) for detection in to_detections(raw, self._classes))

    def _detect(self, image: "Image") -> tuple[Detection, ...]:
        shape = shape_for(image, self._input_side_px)
        raw = self._yolo.predict(image, shape, min_score=MIN_SCORE, class_ids=tuple(self._classes))
        return to_detections(raw, self._classes)
