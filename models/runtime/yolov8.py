"""YOLOv8 in ONNX: takes an image of any size and returns boxes in pixels of that image.

Images are processed one at a time. Batches are no faster on a CPU: the vehicle detector at 384x640 takes 43 ms per image alone and 47 ms
in a batch of four (one thread; 33 and 64 ms with two), and a result cannot depend on the other images. The shape of the input follows
that of the image, because padding costs as much as image: 384x640 instead of 640x640 takes 0.6 of the time.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from etle.errors import InferenceError, MissingExtra, WeightsMissing
from etle.types import Box, Digest
from models.runtime.yolo_network import CandidateBoxes, open_network

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etle.types import Image
    from models.runtime.quantized import Rounding

_STRIDE = 32
_PADDING_GREY = 114
"""The padding colour of YOLO's training."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawDetection:
    """One box of the network's output, before non-maximum suppression."""

    box: Box
    score: float
    class_id: int


class Yolo:
    """One file of weights, for inputs of any shape."""

    def __init__(self, path: Path, name: str, *, threads: int = 1, rounding: "Rounding | None" = None) -> None:
        """`rounding`: to compute in 8-bit integers. Raises WeightsMissing, WeightsError, MissingExtra."""
        try:
            from models.runtime import onnx_edit, quantized
        except ImportError as error:
            raise MissingExtra("onnx", "detect") from error
        try:
            self.digest = Digest(sha256(path.read_bytes()).hexdigest())
            model = onnx_edit.read_graph(path)
        except FileNotFoundError as error:
            raise WeightsMissing(f"Weights {path} of the {name} are missing. Download them with: etle models pull") from error
        if rounding is not None:
            model = quantized.with_integers(model, rounding)
            self.digest = Digest(sha256(model.SerializeToString(deterministic=True)).hexdigest())
        self._name = name
        self.names = onnx_edit.class_names(model)
        """Class names by class id."""
        self._network = open_network(model, name, threads)

    def predict(
        self, image: "Image", shape: tuple[int, int], *, min_score: float, class_ids: Sequence[int] | None = None
    ) -> list[RawDetection]:
        """The network's output for the image (height x width x 3, uint8, BGR) scaled into an input of `shape` (height, width).

        Highest score first, before non-maximum suppression; boxes in pixels of the image. `class_ids` None means all classes.
        Raises InferenceError.
        """
        if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
            raise InferenceError(f"{self._name} needs images of shape height x width x 3, not {image.shape}")
        blob, fit = letterbox(image, shape)
        return _in_image(self._network.candidates(blob, min_score, class_ids), fit, image.shape[:2])

    def open(self, shapes: Iterable[tuple[int, int]]) -> None:
        """Prepare for inputs of these shapes (height, width) now, so that a worker's memory does not grow with later images."""
        for shape in shapes:
            self._network.open(*shape)


def shape_for(image: "Image", longer_side: int) -> tuple[int, int]:
    """Height and width of the smallest input (multiples of the stride) for the image scaled to `longer_side`."""
    height, width = image.shape[:2]
    scale = longer_side / max(height, width)
    return _round_up(height * scale), _round_up(width * scale)


def nms(detections: Sequence[RawDetection], max_iou: float) -> list[RawDetection]:
    """Non-maximum suppression over all classes together, highest score first.

    Drops each detection whose intersection over union with one of a higher score exceeds `max_iou`.
    """
    if not detections:
        return []
    boxes = np.array([detection.box for detection in detections])
    order = np.argsort([-detection.score for detection in detections], kind="stable")
    kept = []
    while order.size:
        best, rest = order[0], order[1:]
        kept.append(detections[best])
        order = rest[_ious(boxes[best], boxes[rest]) <= max_iou]
    return kept


@dataclass(frozen=True, slots=True)
class Fit:
    """Scale and offset of an image in the network's input, in pixels of the input."""

    scale: float
    left: int
    top: int


def _round_up(side: float) -> int:
    return max(1, int(np.ceil(round(side) / _STRIDE))) * _STRIDE


def letterbox(image: "Image", shape: tuple[int, int]) -> "tuple[NDArray[np.float32], Fit]":
    """The image scaled to fit and centred on grey: 1 x 3 x height x width, float32, RGB, 0 to 1."""
    (height, width), (own_height, own_width) = shape, image.shape[:2]
    scale = min(height / own_height, width / own_width)
    inner = max(1, round(own_width * scale)), max(1, round(own_height * scale))
    fitted = image if inner == (own_width, own_height) else cv2.resize(image, inner, interpolation=cv2.INTER_LINEAR)
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    if inner != (width, height):
        padding = (top, height - inner[1] - top, left, width - inner[0] - left)
        fitted = cv2.copyMakeBorder(fitted, *padding, cv2.BORDER_CONSTANT, value=(_PADDING_GREY,) * 3)
    return _planes(fitted), Fit(scale, left, top)


def _planes(image: "Image") -> "NDArray[np.float32]":
    """1 x 3 x height x width, float32, RGB, 0 to 1: as `cv2.dnn.blobFromImage`, which takes five times as long."""
    planes = np.empty((1, 3, *image.shape[:2]), np.float32)
    for channel, plane in enumerate(cv2.split(image)):
        np.multiply(plane, np.float32(1 / 255), out=planes[0, 2 - channel])
    return planes


def _in_image(found: CandidateBoxes, fit: Fit, size: tuple[int, int]) -> list[RawDetection]:
    """In pixels of the image, clipped to its `size` (height and width); highest score first."""
    height, width = size
    x1, x2 = np.clip((found.edges[::2] - fit.left) / fit.scale, 0, width).tolist()
    y1, y2 = np.clip((found.edges[1::2] - fit.top) / fit.scale, 0, height).tolist()
    rows = zip(x1, y1, x2, y2, found.scores.tolist(), found.class_ids.tolist(), strict=True)
    kept = [
        RawDetection(box=Box(*edges), score=score, class_id=i) for *edges, score, i in rows if edges[2] > edges[0] and edges[3] > edges[1]
    ]
    return sorted(kept, key=lambda detection: -detection.score)


def _ious(box: "NDArray[np.float64]", others: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Intersection over union of one box (4) with each of the others (n x 4)."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    shared = np.clip(sides, 0, None).prod(axis=1)
    areas = (others[:, 2:] - others[:, :2]).prod(axis=1)
    result: NDArray[np.float64] = shared / ((box[2:] - box[:2]).prod() + areas - shared)
    return result
