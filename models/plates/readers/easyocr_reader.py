"""Reads plates with EasyOCR's English recogniser, decoded with the plate grammar; meant as a tie-breaker where other readers disagree.

EasyOCR's own `readtext` first detects text with a network that takes 1.2 seconds, and appends the expiry to the number. The line is known
here, so only the recogniser runs, and its probabilities are decoded as those of the other readers. It is not trained on Indonesian
typefaces and reads about one plate in four; use it once per violation, not per frame.
"""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from etle.errors import InferenceError, MissingExtra, WeightsError, WeightsMissing
from etle.plates.fsm import SYMBOLS, plate_fsm
from etle.types import Digest, PlateRead
from models.plates.readers import ctc
from models.plates.readers.colour import plate_colour
from models.plates.readers.lines import detect_lines

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etle.types import Image

WEIGHTS_NAME = "english_g2.pth"
_HEIGHT = 64
_MIN_SIZE = (24, 8)
"""Minimum width and height of a legible crop in pixels."""
_MIN_CHARACTERS = 3


class EasyOcrPlateReader:
    """Reads the number and the colour, not the expiry."""

    name = "easyocr"

    def __init__(self, folder: Path) -> None:
        """`folder`: contains english_g2.pth; nothing is downloaded. Raises WeightsMissing, WeightsError, MissingExtra."""
        weights = folder / WEIGHTS_NAME
        if not weights.is_file():
            raise WeightsMissing(f"EasyOCR weights {weights} are missing. Download them with: etle models pull")
        self.digest = Digest(sha256(weights.read_bytes()).hexdigest())
        self._torch, self._network, known = _open(folder)
        place = {character: i for i, character in enumerate(known)}
        self._columns = [(place[form], i) for i, c in enumerate(SYMBOLS, 1) for form in sorted({c, c.lower()})]

    def read(self, crops: "Sequence[Image]") -> Sequence[PlateRead]:
        return [self._read(crop) for crop in crops]

    def _read(self, crop: "Image") -> PlateRead:
        empty = PlateRead(reader=self.name, text="", characters=())
        if crop.shape[1] < _MIN_SIZE[0] or crop.shape[0] < _MIN_SIZE[1]:
            return empty
        steps = self._recognise(detect_lines(crop).main)
        texts = ctc.decode(steps, plate_fsm())
        if not texts or len(texts[0].text) < _MIN_CHARACTERS:
            return empty
        text = texts[0].text
        return PlateRead(reader=self.name, text=text, characters=ctc.characters(steps, text), colour=plate_colour(crop))

    def _recognise(self, line: "Image") -> "NDArray[np.float32]":
        grey = cv2.cvtColor(line, cv2.COLOR_BGR2GRAY)
        width = max(32, round(_HEIGHT * grey.shape[1] / grey.shape[0]))
        blob = cv2.resize(grey, (width, _HEIGHT)).astype(np.float32) / 127.5 - 1
        torch = self._torch
        try:
            with torch.no_grad():
                scores = self._network(torch.from_numpy(blob)[None, None], torch.zeros(1, 1, dtype=torch.long))
        except RuntimeError as error:
            raise InferenceError(f"Plate reader {self.name} failed: {error}") from error
        probabilities = scores.softmax(2)[0].numpy()
        steps = np.zeros((len(probabilities), len(SYMBOLS) + 1), dtype=np.float32)
        steps[:, 0] = probabilities[:, 0]
        for column, symbol in self._columns:
            steps[:, symbol] += probabilities[:, column]
        return steps


def _open(folder: Path) -> tuple[Any, Any, list[str]]:
    """The torch module, the recogniser, and its characters with blank first."""
    try:
        import easyocr
        import torch
    except ImportError as error:
        raise MissingExtra("easyocr", "torch") from error
    try:
        reader = easyocr.Reader(
            ["en"],
            gpu=False,
            model_storage_directory=str(folder),
            user_network_directory=str(folder),
            download_enabled=False,
            detector=False,
            quantize=False,
            verbose=False,
        )
    except (FileNotFoundError, RuntimeError) as error:
        raise WeightsError(f"EasyOCR cannot use the weights in {folder}: {error}") from error
    return torch, reader.recognizer, list(reader.converter.character)
