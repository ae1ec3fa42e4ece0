"""Baselines for the evaluation: EasyOCR as tutorials use it, and PP-OCR's recogniser without a grammar.

They are not engines: they return a text without probabilities. `etle evaluate plates --peers` runs them on the crops that the readers get.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import cv2
import numpy as np

from etle.errors import InferenceError, MissingExtra, WeightsError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etle.types import Image

_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_MIN_RELATIVE_HEIGHT = 0.6
"""Minimum height of a text of the number relative to the tallest one; the expiry is lower."""
_HEIGHT, _WIDTH = 48, 320


class BaselineReader(Protocol):
    name: str

    def text_of(self, crop: "Image") -> str:
        """Capital letters and digits; empty if nothing was read."""
        ...


class EasyOcrBaseline:
    """Text detection and recognition (`readtext`) with an allow list; returns the texts of the main line from left to right."""

    name = "EasyOCR readtext"

    def __init__(self, folder: Path) -> None:
        """`folder`: contains the weights of both networks; nothing is downloaded. Raises WeightsError, MissingExtra."""
        try:
            import easyocr
            import torch
        except ImportError as error:
            raise MissingExtra("easyocr", "torch") from error
        torch.set_num_threads(1)
        try:
            with _without_warnings():
                self._reader: Any = easyocr.Reader(
                    ["en"], gpu=False, model_storage_directory=str(folder), download_enabled=False, verbose=False
                )
        except (FileNotFoundError, RuntimeError) as error:
            raise WeightsError(f"EasyOCR cannot use the weights in {folder}: {error}") from error

    def text_of(self, crop: "Image") -> str:
        try:
            with _without_warnings():
                found = self._reader.readtext(crop, allowlist=_LETTERS)
        except (RuntimeError, ValueError, cv2.error) as error:
            raise InferenceError(f"{self.name} failed on a crop of {crop.shape[1]} x {crop.shape[0]} pixels: {error}") from error
        return main_line([(corners, text) for corners, text, _ in found])


class PpOcrBaseline:
    """The recogniser alone, on the crop or its upper part; decodes the most probable of its 18,708 characters at each step."""

    def __init__(self, weights: Path, *, upper: float = 1.0) -> None:
        """`upper`: fraction of the crop's height that is read. Raises WeightsError, MissingExtra."""
        self.name = "PP-OCRv6, whole crop" if upper == 1 else f"PP-OCRv6, upper {upper:.0%}"
        self._upper = upper
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingExtra("onnxruntime", "detect") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        try:
            self._session: Any = onnxruntime.InferenceSession(weights.read_bytes(), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's exceptions have no common base class
            raise WeightsError(f"{weights} is not a model that onnxruntime can open: {error}") from error
        known = self._session.get_modelmeta().custom_metadata_map["character"]
        self._characters = ["", *known.splitlines(), " "]

    def text_of(self, crop: "Image") -> str:
        line = crop[: max(1, round(self._upper * crop.shape[0]))]
        steps = self._session.run(None, {self._session.get_inputs()[0].name: _blob(line)[None]})[0][0].argmax(axis=1)
        characters = [self._characters[step] for i, step in enumerate(steps) if i == 0 or step != steps[i - 1]]
        return _plain("".join(characters))


def main_line(found: Sequence[tuple[Sequence[Sequence[float]], str]]) -> str:
    """`found`: four corners (x, y) and the text of each detection."""
    texts = [(min(x for x, _ in corners), _height(corners), text) for corners, text in found]
    tallest = max((height for _, height, _ in texts), default=0.0)
    return _plain("".join(text for _, height, text in sorted(texts) if height >= _MIN_RELATIVE_HEIGHT * tallest))


def _height(corners: Sequence[Sequence[float]]) -> float:
    return max(y for _, y in corners) - min(y for _, y in corners)


@contextmanager
def _without_warnings() -> Iterator[None]:
    """EasyOCR uses deprecated functions of torch, which warn once per crop."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _blob(line: "Image") -> "NDArray[np.float32]":
    """As RapidOCR prepares it: scaled to a height of 48, padded to a width of at least 320; 3 x height x width, float32, -1 to 1."""
    width = max(1, int(np.ceil(_HEIGHT * line.shape[1] / line.shape[0])))
    blob = np.zeros((3, _HEIGHT, max(width, _WIDTH)), dtype=np.float32)
    blob[:, :, :width] = cv2.resize(line, (width, _HEIGHT)).astype(np.float32).transpose(2, 0, 1) / 127.5 - 1
    return blob


def _plain(text: str) -> str:
    return "".join(c for c in text.upper() if c in _LETTERS)
