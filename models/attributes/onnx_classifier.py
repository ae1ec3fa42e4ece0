"""Classifies crops with a small network in onnxruntime. Its labels are in the file."""

import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from etle.errors import InferenceError, MissingExtra, WeightsError, WeightsMissing
from etle.types import AttributeRead, Digest
from models.runtime.onnx_session import OnnxSession

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etle.types import Image

SIDE: Final = 96
"""Of the network's input, in pixels; crops are scaled to it without keeping their shape."""
LABELS_KEY: Final = "labels"
"""Of the file's metadata: a JSON list."""


class OnnxAttributeClassifier:
    """Not thread-safe."""

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        """Raises WeightsMissing, WeightsError, MissingExtra."""
        try:
            from models.runtime.onnx_edit import read_graph
        except ImportError as error:
            raise MissingExtra("onnx", "detect") from error
        try:
            model = read_graph(path)
        except FileNotFoundError as error:
            raise WeightsMissing(
                f"Weights {path} of an attribute classifier are missing: train them with etle models train attribute"
            ) from error
        data = path.read_bytes()
        self.labels = _labels({each.key: each.value for each in model.metadata_props}.get(LABELS_KEY), path)
        self._session = OnnxSession(data, str(path), threads=threads)
        self.name = path.stem
        self.digest = Digest(sha256(data).hexdigest())

    def classify(self, crops: "Sequence[Image]") -> Sequence[AttributeRead]:
        return [self._classify(crop) for crop in crops]

    def _classify(self, crop: "Image") -> AttributeRead:
        if crop.ndim != 3 or crop.shape[2] != 3 or 0 in crop.shape:
            raise InferenceError(f"{self.name} needs crops of shape height x width x 3, not {crop.shape}")
        logits = self._session.run(network_input([crop]))[0].astype(np.float64)
        odds = np.exp(logits - logits.max())
        return AttributeRead(probabilities=tuple(zip(self.labels, (odds / odds.sum()).tolist(), strict=True)))


def network_input(crops: "Sequence[Image]") -> "NDArray[np.float32]":
    """n x 3 x SIDE x SIDE, BGR, 0 to 1."""
    windows = [
        cv2.resize(crop, (SIDE, SIDE), interpolation=cv2.INTER_AREA if max(crop.shape) > SIDE else cv2.INTER_LINEAR) for crop in crops
    ]
    return np.stack(windows).transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)


def _labels(text: str | None, path: Path) -> tuple[str, ...]:
    try:
        labels = json.loads(text or "")
    except ValueError:
        labels = None
    if not isinstance(labels, list) or len(labels) < 2 or not all(isinstance(label, str) for label in labels):
        raise WeightsError(f"{path} is no attribute classifier: its metadata have no list of labels")
    return tuple(labels)
