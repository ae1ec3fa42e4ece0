"""Finds heads in a crop: the first layers of the vehicle detector, and a few convolutions of our own.

The first layers were trained on photographs of all kinds, which the rendered heads that our own layers are trained on are not.
"""

from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from etle.errors import MissingExtra, WeightsMissing
from etle.geometry import iou
from etle.types import Box, Digest
from models.runtime.onnx_session import OnnxSession

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etle.types import Image

STRIDE: Final = 8
"""Pixels of the crop per cell."""
OUTPUTS: Final = 6
"""Of each cell: logits of a head and of a bare one, and logarithms of the distances of the head's left, upper, right and lower side."""
SIDE_UNIT_PX: Final = 16.0
"""Distance of a side whose logarithm is 0."""
_LAYER: Final = "/model.4/cv2/act/Mul_output_0"
"""Deeper layers know what things are, and confuse rendered heads more than this one does."""
_MULTIPLE: Final = 32
_MAX_IOU: Final = 0.5
"""Boxes that overlap more are one head."""
_NEAR_IOU: Final = 0.65
"""The mean box is of those that overlap the best one more than this."""


class FoundHead(NamedTuple):
    box: Box
    """In pixels of the crop."""
    score: float
    """Probability of a head, 0 to 1."""
    bare: float
    """Probability that it wears no helmet, if it is one: the mean of the cells that found it."""


class DetectorStem:
    """Not thread-safe."""

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        """`path`: the vehicle detector's weights. Raises WeightsMissing, WeightsError, MissingExtra."""
        try:
            from models.runtime import onnx_edit
        except ImportError as error:
            raise MissingExtra("onnx", "detect") from error
        try:
            model = onnx_edit.read_graph(path)
        except FileNotFoundError as error:
            raise WeightsMissing(f"Weights {path} are missing. Download them with: etle models pull") from error
        self._session = OnnxSession(onnx_edit.up_to(model, [_LAYER]).SerializeToString(), "head reader's first layers", threads=threads)

    def features(self, crop: "Image") -> "NDArray[np.float32]":
        """1 x 64 x height / 8 x width / 8. Sides must be multiples of 32. Raises InferenceError."""
        return self._session.run(np.ascontiguousarray(crop[None, :, :, ::-1].transpose(0, 3, 1, 2), np.float32) / np.float32(255))


class HeadNetwork:
    """Not thread-safe."""

    def __init__(self, stem: Path, weights: Path, *, threads: int = 1) -> None:
        """`stem`: the vehicle detector's weights. Raises WeightsMissing, WeightsError, MissingExtra."""
        self._stem = DetectorStem(stem, threads=threads)
        try:
            data = weights.read_bytes()
        except FileNotFoundError as error:
            raise WeightsMissing(f"Weights {weights} of the head reader are missing") from error
        self._session = OnnxSession(data, "head reader", threads=threads)
        self.digest = Digest(sha256(data).hexdigest())

    def find(self, crop: "Image", min_score: float) -> list[FoundHead]:
        """Highest score first. `crop`: height x width x 3, uint8, BGR, any size. Raises InferenceError."""
        cells = self._session.run(self._stem.features(_padded(crop)))[0]
        found = _probability(cells[0])
        rows, columns = np.nonzero(found >= min_score)
        x, y = (columns + 0.5) * STRIDE, (rows + 0.5) * STRIDE
        left, top, right, bottom = np.exp(cells[2:, rows, columns].clip(-4, 3)) * SIDE_UNIT_PX
        edges = np.stack([x - left, y - top, x + right, y + bottom], axis=1)
        return _distinct(edges, found[rows, columns], cells[1, rows, columns])


def _padded(crop: "Image") -> "Image":
    """To multiples of 32, with grey on the right and below."""
    height, width = (-(-side // _MULTIPLE) * _MULTIPLE for side in crop.shape[:2])
    padded = np.full((height, width, 3), 114, np.uint8)
    padded[: crop.shape[0], : crop.shape[1]] = crop
    return padded


def _distinct(edges: "NDArray[np.float64]", scores: "NDArray[np.float32]", logits: "NDArray[np.float32]") -> list[FoundHead]:
    """Each head once, with the mean box and headgear of the cells that found it, weighted by their scores."""
    left = sorted(range(len(scores)), key=lambda at: -scores[at])
    boxes = [Box(*row) for row in edges.tolist()]
    heads = []
    while left:
        best = left[0]
        same = [at for at in left if iou(boxes[best], boxes[at]) > _MAX_IOU]
        left = [at for at in left if at not in same and at != best]
        near = [at for at in same if iou(boxes[best], boxes[at]) > _NEAR_IOU] or [best]
        weights = scores[near] / scores[near].sum()
        box = Box(*(edges[near] * weights[:, None]).sum(axis=0))
        bare = float(_probability((logits[near] * weights).sum(keepdims=True))[0])
        heads.append(FoundHead(box, float(scores[best]), bare))
    return heads


def _probability(logits: "NDArray[np.float32]") -> "NDArray[np.float32]":
    return np.asarray(1 / (1 + np.exp(-logits)), np.float32)
