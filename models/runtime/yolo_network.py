"""A YOLOv8 network: an input in, the cells that show something out, with box, class and score.

The graphs that ultralytics exports decode the boxes of all cells, about 5,000, of which a few dozen show something. In onnxruntime that
takes a quarter of the time of the vehicle detector in 8-bit integers. `RawNetwork` leaves it out of the graph and decodes here what has a
sufficient score; the results are the same except for rounding. `DecodingNetwork` is for graphs whose end is not the known one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from models.runtime.onnx_session import OnnxSession

if TYPE_CHECKING:
    import onnx
    from numpy.typing import NDArray

_LEAST_SCORE = 1e-6
"""Lower limit of `min_score`: the logit of 0 is infinite."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """Cells of one input with a sufficient score."""

    edges: "NDArray[np.float64]"
    """4 x cells: left, top, right, bottom, in pixels of the input."""
    scores: "NDArray[np.float32]"
    """0 to 1."""
    class_ids: "NDArray[np.int64]"


class YoloNetwork(Protocol):
    """A session for inputs of one shape; not thread-safe."""

    def candidates(self, batch: "NDArray[np.float32]", min_score: float, class_ids: Sequence[int] | None) -> Candidates:
        """The cells whose best class is one of `class_ids` (None: any) and has that score, in the order of the cells.

        `batch`: 1 x 3 x height x width, RGB, 0 to 1. Raises InferenceError.
        """
        ...


def open_network(model: "onnx.ModelProto", height: int, width: int, name: str, threads: int) -> YoloNetwork:
    """`model`: a YOLOv8 export of a fixed shape. Raises WeightsError."""
    from models.runtime.onnx_edit import with_input_shape, without_decoding

    shaped = with_input_shape(model, height, width)
    raw = without_decoding(shaped)
    session = OnnxSession((shaped if raw is None else raw).SerializeToString(), name, threads=threads)
    return DecodingNetwork(session) if raw is None else RawNetwork(session, height, width)


class DecodingNetwork:
    """Of a graph that returns, for each cell, centre, width and height in pixels and the score of each class."""

    def __init__(self, session: OnnxSession) -> None:
        self._session = session

    def candidates(self, batch: "NDArray[np.float32]", min_score: float, class_ids: Sequence[int] | None) -> Candidates:
        output = self._session.run(batch)[0]
        scores = output[4:]
        cells, classes = _likely(scores, min_score, class_ids)
        x, y, width, height = output[:4, cells].astype(np.float64)
        edges = np.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2])
        return Candidates(edges=edges, scores=scores[classes, cells], class_ids=classes)


class RawNetwork:
    """Of a graph that returns, for each cell, logits of the distances of the four sides and of the classes (`without_decoding`)."""

    def __init__(self, session: OnnxSession, height: int, width: int) -> None:
        from models.runtime.onnx_edit import grid

        self._session = session
        centres, strides = grid(height, width)
        self._centres, self._strides = centres[0], strides[0]

    def candidates(self, batch: "NDArray[np.float32]", min_score: float, class_ids: Sequence[int] | None) -> Candidates:
        distances, logits = (output[0] for output in self._session.run_all(batch))
        least = max(min_score, _LEAST_SCORE)
        cells, classes = _likely(logits, math.log(least / (1 - least)), class_ids)
        scores = 1 / (1 + np.exp(-logits[classes, cells]))
        left_top, right_bottom = np.split(_expected(distances[:, cells]), 2)
        centres, strides = self._centres[:, cells], self._strides[cells]
        edges = np.concatenate([centres - left_top, centres + right_bottom]) * strides
        return Candidates(edges=edges.astype(np.float64), scores=scores, class_ids=classes)


def _likely(
    scores: "NDArray[np.float32]", minimum: float, class_ids: Sequence[int] | None
) -> "tuple[NDArray[np.int64], NDArray[np.int64]]":
    """The cells whose best class is one of `class_ids` and has at least that score or logit, and that class. `scores`: classes x cells."""
    wanted = scores if class_ids is None else scores[list(class_ids)]
    cells = np.flatnonzero(wanted.max(axis=0) >= minimum)
    classes = scores[:, cells].argmax(axis=0)
    if class_ids is not None:
        chosen = np.isin(classes, class_ids)
        cells, classes = cells[chosen], classes[chosen]
    return cells, classes


def _expected(logits: "NDArray[np.float32]") -> "NDArray[np.float32]":
    """Mean distance of each side, in strides: 4 x cells. `logits`: 4 times the distances 0 to 15 x cells."""
    sides = logits.reshape(4, len(logits) // 4, logits.shape[1])
    weights = np.exp(sides - sides.max(axis=1, keepdims=True))
    distances = np.arange(sides.shape[1], dtype=np.float32)
    mean: NDArray[np.float32] = np.einsum("sdc,d->sc", weights, distances) / weights.sum(axis=1)
    return mean
