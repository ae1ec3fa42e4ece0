"""YOLOv8 in ONNX: a picture of any size in, boxes in the picture's own pixels out.

One picture at a time: a batch is no faster on a CPU, and this way no result depends on its neighbours. The input's shape follows the
picture's, because filling a square up with grey costs as much as looking at the road: 384x640 instead of 640x640 is 0.6 of the time.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from etle.errors import InferenceError, MissingExtra, WeightsMissing
from etle.types import Box, Digest
from models.runtime.onnx_session import OnnxSession

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etle.types import Image

_STRIDE = 32
_GREY = 114
"""What YOLO was trained to ignore."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawDetection:
    """A box that the network gives, before anything is said about what it is."""

    box: Box
    score: float
    kind: int


class Yolo:
    """One file of weights; a session for each input shape, opened when a picture first needs it."""

    def __init__(self, path: Path, name: str, *, threads: int = 1) -> None:
        """Raises WeightsMissing, WeightsError, MissingExtra."""
        try:
            from models.runtime import onnx_edit as surgery
        except ImportError as error:
            raise MissingExtra("onnx", "detect") from error
        try:
            self.digest = Digest(sha256(path.read_bytes()).hexdigest())
            self._model = surgery.read_graph(path)
        except FileNotFoundError as error:
            raise WeightsMissing(f"Weights {path} of the {name} are missing. Bring them with: etle models pull") from error
        self._reshaped = surgery.reshaped
        self._name = name
        self._threads = threads
        self.names = surgery.class_names(self._model)
        """Of the kinds, by their numbers."""
        self._networks: dict[tuple[int, int], OnnxSession] = {}
        self._opened(_STRIDE, _STRIDE)  # so that weights which cannot be used are known before the first picture

    def candidates(self, image: "Image", shape: tuple[int, int], *, least: float, kinds: Sequence[int] | None = None) -> list[RawDetection]:
        """What the network gives for the picture at an input of this height and width: best first, doubles not yet removed.

        `least` is the lowest score; of other `kinds` nothing is given. Raises InferenceError.
        """
        if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
            raise InferenceError(f"{self._name} needs pictures of height x width x 3, not {image.shape}")
        blob, fit = _letterboxed(image, shape)
        return _decoded(self._network(*shape).run(blob)[0], fit, image.shape[:2], least, kinds)

    def open(self, shapes: Iterable[tuple[int, int]]) -> None:
        """Now, and not when the first picture of that shape comes: a worker's memory shall not grow by the week."""
        for shape in shapes:
            self._network(*shape)

    def bare(self, image: "Image", shape: tuple[int, int]) -> "Callable[[], NDArray[np.float32]]":
        """The network's run on the picture, its input ready made: what everything around it is measured against."""
        blob, _ = _letterboxed(image, shape)
        return partial(self._network(*shape).run, blob)

    def _network(self, height: int, width: int) -> OnnxSession:
        network = self._networks.get((height, width))
        if network is None:
            network = self._networks[height, width] = self._opened(height, width)
        return network

    def _opened(self, height: int, width: int) -> OnnxSession:
        graph = self._reshaped(self._model, height, width).SerializeToString()
        return OnnxSession(graph, self._name, threads=self._threads)


def shape_for(image: "Image", longest: int) -> tuple[int, int]:
    """Height and width of the input on which the picture fits best, its longer side `longest`."""
    height, width = image.shape[:2]
    scale = longest / max(height, width)
    return _up(height * scale), _up(width * scale)


def nms(candidates: Sequence[RawDetection], overlap: float) -> list[RawDetection]:
    """Best first; leaves out what overlaps more than that with a better one, of whatever kind."""
    if not candidates:
        return []
    boxes = np.array([candidate.box for candidate in candidates])
    order = np.argsort([-candidate.score for candidate in candidates], kind="stable")
    kept = []
    while order.size:
        best, rest = order[0], order[1:]
        kept.append(candidates[best])
        order = rest[_overlaps(boxes[best], boxes[rest]) <= overlap]
    return kept


@dataclass(frozen=True, slots=True)
class _Fit:
    """How a picture was put into the input."""

    scale: float
    left: int
    top: int


def _up(side: float) -> int:
    return max(1, int(np.ceil(round(side) / _STRIDE))) * _STRIDE


def _letterboxed(image: "Image", shape: tuple[int, int]) -> "tuple[NDArray[np.float32], _Fit]":
    """The picture scaled to fit, in the middle of the input, grey around it."""
    (height, width), (own_height, own_width) = shape, image.shape[:2]
    scale = min(height / own_height, width / own_width)
    inner = max(1, round(own_width * scale)), max(1, round(own_height * scale))
    fitted = image if inner == (own_width, own_height) else cv2.resize(image, inner, interpolation=cv2.INTER_LINEAR)
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    if inner != (width, height):
        around = (top, height - inner[1] - top, left, width - inner[0] - left)
        fitted = cv2.copyMakeBorder(fitted, *around, cv2.BORDER_CONSTANT, value=(_GREY, _GREY, _GREY))
    blob: NDArray[np.float32] = cv2.dnn.blobFromImage(fitted, 1 / 255, swapRB=True)
    return blob, _Fit(scale, left, top)


def _decoded(
    output: "NDArray[np.float32]", fit: _Fit, size: tuple[int, int], least: float, kinds: Sequence[int] | None
) -> list[RawDetection]:
    """Columns of (x, y, width, height, score of each kind) as boxes in the picture."""
    scores = output[4:]
    likely = np.flatnonzero((scores if kinds is None else scores[list(kinds)]).max(axis=0) >= least)
    kind = scores[:, likely].argmax(axis=0)
    score = scores[kind, likely]
    if kinds is not None:
        of_kind = np.isin(kind, kinds)
        likely, kind, score = likely[of_kind], kind[of_kind], score[of_kind]
    x, y, width, height = output[:4, likely].astype(np.float64)
    height_px, width_px = size
    edges = (
        np.clip((x - width / 2 - fit.left) / fit.scale, 0, width_px),
        np.clip((y - height / 2 - fit.top) / fit.scale, 0, height_px),
        np.clip((x + width / 2 - fit.left) / fit.scale, 0, width_px),
        np.clip((y + height / 2 - fit.top) / fit.scale, 0, height_px),
    )
    rows = zip(*(each.tolist() for each in (*edges, score, kind)), strict=True)
    found = [RawDetection(box=Box(x1, y1, x2, y2), score=score, kind=kind) for x1, y1, x2, y2, score, kind in rows if x2 > x1 and y2 > y1]
    return sorted(found, key=lambda candidate: -candidate.score)


def _overlaps(box: "NDArray[np.float64]", others: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Intersection over union of one box with each of the others."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    shared = np.clip(sides, 0, None).prod(axis=1)
    areas = (others[:, 2:] - others[:, :2]).prod(axis=1)
    result: NDArray[np.float64] = shared / ((box[2:] - box[:2]).prod() + areas - shared)
    return result
