"""Detects vehicles with ultralytics: for custom weights (.pt, or any export that ultralytics runs), and for GPUs.

By default ultralytics checks for updates, reports usage and installs packages. Enforcement hosts are behind firewalls and must not change
while they run, so all of this is disabled before the import. Checkpoints are loaded with ultralytics' list of permitted classes, because
unpickling an untrusted file can run arbitrary code.
"""

import os
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from etle.errors import InferenceError, MissingExtra, WeightsError, WeightsMissing
from etle.types import Box, Detection, Digest
from models.runtime.yolov8 import RawDetection
from models.vehicles.classes import MIN_SCORE, moved, to_detections, vehicle_classes

if TYPE_CHECKING:
    from etle.types import Image

INPUT_SIDE_PX = 640
OFFLINE_ENVIRONMENT = {
    "YOLO_OFFLINE": "true",
    "YOLO_AUTOINSTALL": "false",
    "YOLO_VERBOSE": "false",
    "ULTRALYTICS_SAFE_LOAD": "true",
}


class UltralyticsVehicleDetector:
    """Returns detections with scores from 0.1. Processes images one after another, so that none affects another; not thread-safe."""

    def __init__(self, path: Path, *, threads: int = 1, name: str = "ultralytics-vehicles", input_side_px: int = INPUT_SIDE_PX) -> None:
        """`path`: a file that ultralytics can run. `threads`: for inference on a CPU. Raises WeightsMissing, WeightsError, MissingExtra."""
        if not path.exists():
            raise WeightsMissing(f"Weights {path} of the ultralytics engine are missing: set `detect.weights` in the site file")
        self._model, names = _load(path, threads, input_side_px)
        self._classes = vehicle_classes(names)
        self._input_side_px = input_side_px
        self._takes_any_size = path.suffix == ".pt"
        """An export may have a fixed input size."""
        self.name = name
        self.digest = _digest(path)

    def detect(self, images: "Sequence[Image]") -> Sequence[tuple[Detection, ...]]:
        return [self._detect(image) for image in images]

    def detect_part(self, image: "Image", part: Box, zoom: float = 1.0) -> tuple[Detection, ...]:
        x1, y1, x2, y2 = (round(edge) for edge in part)
        crop = image[y1:y2, x1:x2]
        share = zoom * max(crop.shape[:2]) / max(image.shape[:2]) if self._takes_any_size else 1.0
        return tuple(moved(detection, x1, y1) for detection in self._detect(crop, round(self._input_side_px * share)))

    def _detect(self, image: "Image", input_side_px: int | None = None) -> tuple[Detection, ...]:
        if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
            raise InferenceError(f"{self.name} needs images of shape height x width x 3, not {image.shape}")
        try:
            (result,) = self._model.predict(
                image, imgsz=input_side_px or self._input_side_px, conf=MIN_SCORE, classes=list(self._classes), verbose=False, save=False
            )
            boxes = result.boxes.cpu().numpy()
        except Exception as error:  # torch and the runtimes of exports raise many types
            raise InferenceError(f"{self.name} failed on an image: {error}") from error
        rows = zip(boxes.xyxy.tolist(), boxes.conf.tolist(), boxes.cls.tolist(), strict=True)
        raw = [RawDetection(box=Box(*box), score=score, class_id=int(class_id)) for box, score, class_id in rows]
        return to_detections(raw, self._classes)


def _load(path: Path, threads: int, input_side_px: int) -> tuple[Any, dict[int, str]]:
    """The model and its class names by class id."""
    for key, value in OFFLINE_ENVIRONMENT.items():
        os.environ.setdefault(key, value)
    try:
        import torch
        import ultralytics
    except ImportError as error:
        raise MissingExtra("ultralytics", "torch") from error
    try:
        model = ultralytics.YOLO(path, task="detect")
        (result,) = model.predict(np.zeros((64, 64, 3), np.uint8), imgsz=input_side_px, verbose=False, save=False)
    except Exception as error:  # an unknown file can raise many types
        raise WeightsError(f"{path} is not a model that ultralytics can run: {error}") from error
    torch.set_num_threads(threads)  # after the first image, because ultralytics sets the number when it prepares the model
    return model, result.names


def _digest(path: Path) -> Digest:
    """SHA-256 of the file; for a folder (OpenVINO, TensorFlow) of all its files in the order of their names."""
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    hashed = sha256()
    for file in files:
        hashed.update(file.read_bytes())
    return Digest(hashed.hexdigest())
