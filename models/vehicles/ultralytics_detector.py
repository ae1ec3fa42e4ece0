"""Vehicles by ultralytics: for weights that somebody has trained (.pt, or any export that ultralytics runs), and for GPUs.

Ultralytics would look for updates, report usage and install packages by itself. Enforcement hosts stand behind firewalls, and nothing
may change under a running stage: all of that is switched off before it is imported. Checkpoints are loaded with its list of known
classes, because a pickle from elsewhere is a program.
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
from models.vehicles.classes import LEAST_SCORE, as_detections, vehicle_kinds

if TYPE_CHECKING:
    from etle.types import Image

LONGEST_PX = 640
_ENVIRONMENT = {
    "YOLO_OFFLINE": "true",
    "YOLO_AUTOINSTALL": "false",
    "YOLO_VERBOSE": "false",
    "ULTRALYTICS_SAFE_LOAD": "true",
}


class UltralyticsVehicleDetector:
    """Gives detections down to a score of 0.1, each vehicle once; not to be shared between threads."""

    def __init__(self, path: Path, *, threads: int = 1, name: str = "ultralytics-vehicles", longest_px: int = LONGEST_PX) -> None:
        """`path`: a file that ultralytics runs. `threads` is for work on the CPU. Raises WeightsMissing, WeightsError, MissingExtra."""
        if not path.exists():
            raise WeightsMissing(f"Weights {path} of the ultralytics engine are missing: `weights` in the site file names them")
        self._model, names = _loaded(path, threads, longest_px)
        self._kinds = vehicle_kinds(names)
        self._longest_px = longest_px
        self.name = name
        self.digest = _digest(path)

    def detect(self, images: "Sequence[Image]") -> Sequence[tuple[Detection, ...]]:
        return [self._detect(image) for image in images]

    def _detect(self, image: "Image") -> tuple[Detection, ...]:
        if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
            raise InferenceError(f"{self.name} needs pictures of height x width x 3, not {image.shape}")
        try:
            (result,) = self._model.predict(
                image, imgsz=self._longest_px, conf=LEAST_SCORE, classes=list(self._kinds), verbose=False, save=False
            )
            boxes = result.boxes.cpu().numpy()
        except Exception as error:  # whatever torch, or the runtime of the export, raises
            raise InferenceError(f"{self.name} failed on a picture: {error}") from error
        rows = zip(boxes.xyxy.tolist(), boxes.conf.tolist(), boxes.cls.tolist(), strict=True)
        return as_detections([RawDetection(box=Box(*box), score=score, kind=int(kind)) for box, score, kind in rows], self._kinds)


def _loaded(path: Path, threads: int, longest_px: int) -> tuple[Any, dict[int, str]]:
    """The model, and what its classes are called."""
    for key, value in _ENVIRONMENT.items():
        os.environ.setdefault(key, value)
    try:
        import torch
        import ultralytics
    except ImportError as error:
        raise MissingExtra("ultralytics", "torch") from error
    try:
        model = ultralytics.YOLO(path, task="detect")
        (result,) = model.predict(np.zeros((64, 64, 3), np.uint8), imgsz=longest_px, verbose=False, save=False)
    except Exception as error:  # whatever a foreign file makes of it
        raise WeightsError(f"{path} is nothing that ultralytics runs: {error}") from error
    torch.set_num_threads(threads)  # after the first picture: ultralytics sets it while it gets ready
    return model, result.names


def _digest(path: Path) -> Digest:
    """Of the file; of a folder (OpenVINO, TensorFlow) of all its files, in the order of their names."""
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    hashed = sha256()
    for file in files:
        hashed.update(file.read_bytes())
    return Digest(hashed.hexdigest())
