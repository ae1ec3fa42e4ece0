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

_STRIDE = 32
_LEAST_SCORE = 1e-6
"""Lower limit of `min_score`: the logit of 0 is infinite."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateBoxes:
    """Cells of one input with a sufficient score."""

    edges: "NDArray[np.float64]"
    """4 x cells: left, top, right, bottom, in pixels of the input."""
    scores: "NDArray[np.float32]"
    """0 to 1."""
    class_ids: "NDArray[np.int64]"


class YoloNetwork(Protocol):
    """Not thread-safe."""

    def candidates(self, batch: "NDArray[np.float32]", min_score: float, class_ids: Sequence[int] | None) -> CandidateBoxes:
        """The cells whose best class is one of `class_ids` (None: any) and has that score, in the order of the cells.

        `batch`: 1 x 3 x height x width, RGB, 0 to 1; multiples of the stride. Raises InferenceError.
        """
        ...

    def open(self, height: int, width: int) -> None:
        """Prepare for inputs of this shape."""
        ...


def open_network(model: "onnx.ModelProto", name: str, threads: int) -> YoloNetwork:
    """`model`: a YOLOv8 export of a fixed shape. Raises WeightsError."""
    from models.runtime.onnx_edit import without_decoding

    raw = without_decoding(model)
    if raw is None:
        return DecodingNetwork(model, name, threads)
    return RawNetwork(OnnxSession(raw.SerializeToString(), name, threads=threads))


class DecodingNetwork:
    """Of a graph that returns, for each cell, centre, width and height in pixels and the score of each class.

    It has one session for each shape of the input, opened on first use.
    """

    def __init__(self, model: "onnx.ModelProto", name: str, threads: int) -> None:
        """Raises WeightsError."""
        self._model, self._name, self._threads = model, name, threads
        self._sessions: dict[tuple[int, int], OnnxSession] = {}
        self.open(_STRIDE, _STRIDE)  # to report unusable weights now and not on the first image

    def candidates(self, batch: "NDArray[np.float32]", min_score: float, class_ids: Sequence[int] | None) -> CandidateBoxes:
        output = self._session(*batch.shape[2:]).run(batch)[0]
        scores = output[4:]
        cells, classes = _likely(scores, min_score, class_ids)
        x, y, width, height = output[:4, cells].astype(np.float64)
        edges = np.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2])
        return CandidateBoxes(edges=edges, scores=scores[classes, cells], class_ids=classes)

    def open(self, height: int, width: int) -> None:
        self._session(height, width)

    def _session(self, height: int, width: int) -> OnnxSession:
        from models.runtime.onnx_edit import with_input_shape

        session = self._sessions.get((height, width))
        if session is None:
            graph = with_input_shape(self._model, height, width).SerializeToString()
            session = self._sessions[height, width] = OnnxSession(graph, self._name, threads=self._threads)
        return session


class RawNetwork:
    """Of a graph that returns, for each cell, logits of the distances of the four sides and of the classes (`without_decoding`).

    One session takes inputs of all shapes, in the same time as one for each shape, with the same results and less memory.
    """

    def __init__(self, session: OnnxSession) -> None:
        self._session = session
        self._grids: dict[tuple[int, int], tuple[NDArray[np.float32], NDArray[np.float32]]] = {}

    def candidates(self, batch: "NDArray[np.float32]", min_score: float, class_ids: Sequence[int] | None) -> CandidateBoxes:
        distances, logits = (output[0] for output in self._session.run_all(batch))
        least = max(min_score, _LEAST_SCORE)
        cells, classes = _likely(logits, math.log(least / (1 - least)), class_ids)
        scores = 1 / (1 + np.exp(-logits[classes, cells]))
        left_top, right_bottom = np.split(_expected(distances[:, cells]), 2)
        centres, strides = self._grid(*batch.shape[2:])
        edges = np.concatenate([centres[:, cells] - left_top, centres[:, cells] + right_bottom]) * strides[cells]
        return CandidateBoxes(edges=edges.astype(np.float64), scores=scores, class_ids=classes)

    def open(self, height: int, width: int) -> None:
        self._grid(height, width)

    def _grid(self, height: int, width: int) -> "tuple[NDArray[np.float32], NDArray[np.float32]]":
        """Centres of the cells, 2 x cells in strides, and their strides in pixels."""
        from models.runtime.onnx_edit import grid

        if (height, width) not in self._grids:
            centres, strides = grid(height, width)
            self._grids[height, width] = centres[0], strides[0]
        return self._grids[height, width]


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
