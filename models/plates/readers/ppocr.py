"""Reads plates with PP-OCRv6, or a CTC recogniser trained from it, in onnxruntime; decodes with the plate grammar.

PP-OCRv6 is a general recogniser with 18,708 characters (Apache-2.0, from the rapidocr wheel). The model's metadata list the characters
under `character`, so a recogniser fine-tuned to fewer characters runs in the same class.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from etle.errors import MissingExtra, WeightsError, WeightsMissing
from etle.plates import parse_expiry
from etle.plates.fsm import SYMBOLS, expiry_fsm, plate_fsm
from etle.types import CharacterRead, Digest, PlateRead
from models.plates.readers import ctc
from models.plates.readers.colour import plate_colour
from models.plates.readers.lines import shipped_line_detector
from models.runtime.onnx_session import OnnxSession

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etle.types import Image

_HEIGHT = 48
_MAIN_WIDTH = 208
"""Lines are padded or compressed to this width. Alone PP-OCRv6 reads 1 in 100 plates more at 224 and 1 in 100 fewer at 192; the vote with
`tnkb` reads the same plates correctly at 208 and 224."""
_EXPIRY_WIDTH = 144
"""Of 55 real expiries 44 are read correctly at 144 and at 160 pixels, and 43 at 176."""
_MIN_SIZE = (24, 8)
"""Minimum width and height of a legible crop in pixels."""
_MIN_EXPIRY_PROBABILITY = 0.5
"""Minimum probability of each digit. Of 55 real expiries that a person can read, 48 are read correctly with 0.5 and 4 wrongly (44 and 3
with 0.6); of 150 rendered ones 103 and 12. The vote takes the most frequent one."""
_MIN_CHARACTERS = 3
"""`A 1` exists, but nearly every text of two characters is noise; `RI 1` and `B 1 A` have three."""
_MAX_LLR = 20.0
"""Maximum log-likelihood ratio in nats of the best text of any characters against the best one of the grammar. It is below 15 for 98 in
100 correct reads of the development crops, and 18 to 70 for Brazilian and most American plates, whose letters and digits have another
order. European plates have the Indonesian order; a warning for an unknown area code marks them."""
_MAX_EXPIRY_LLR = 8.0

TYPEFACE_CONFUSIONS: Mapping[str, tuple[str, float]] = {"O": ("Q", 0.3), "C": ("G", 0.15), "H": ("W", 0.15)}
"""Read letter -> (true letter, probability). The tail of an Indonesian Q is inside the bowl, the bar of the G has no spur, and the sides of
the W are vertical; the recogniser confuses them with a high probability, and in every frame. Counts on 1,205 real plates: O 22 of 96,
C 13 of 154, H 7 of 123; on the 226 in street photos 4 of 19, 5 of 26, 3 of 17. The probabilities are set by hand between these and biased
towards review: a false doubt costs seconds, a missed one a letter to the wrong owner."""


class PpOcrPlateReader:
    """Reads the number and, with `details`, the colour and the expiry. Not thread-safe."""

    def __init__(
        self,
        path: Path,
        *,
        threads: int = 1,
        name: str = "ppocrv6",
        confusions: Mapping[str, tuple[str, float]] = TYPEFACE_CONFUSIONS,
        width: int = _MAIN_WIDTH,
        details: bool = True,
    ) -> None:
        """`confusions`: empty for a recogniser trained on Indonesian plates. `width`: width to which the number line is padded.
        `details`: False if another reader reads colour and expiry.

        Raises WeightsMissing, WeightsError, MissingExtra.
        """
        self.name = name
        self._confusions = confusions
        self._width = width
        self._details = details
        self._session, self._fold, self.digest = _open(path, name, threads)
        self._lines = shipped_line_detector()

    def read(self, crops: "Sequence[Image]") -> Sequence[PlateRead]:
        """Read one crop after another: a batch is no faster on a CPU, and a read cannot depend on the other crops."""
        return [self._read(crop) for crop in crops]

    def _read(self, crop: "Image") -> PlateRead:
        if crop.shape[1] < _MIN_SIZE[0] or crop.shape[0] < _MIN_SIZE[1]:
            return PlateRead(reader=self.name, text="", characters=())
        lines = self._lines.detect(crop)
        main = self._recognise(lines.main, self._width)
        text = _number_text(main)
        if not text:
            return PlateRead(reader=self.name, text="", characters=())
        characters = tuple(_apply_confusion(read, self._confusions) for read in ctc.characters(main.steps, text))
        number = PlateRead(reader=self.name, text=text, characters=characters)
        return replace(number, colour=plate_colour(crop), expiry=self._expiry(lines.expiry)) if self._details else number

    def _expiry(self, line: "Image | None") -> str | None:
        return None if line is None else _expiry_text(self._recognise(line, _EXPIRY_WIDTH))

    def _recognise(self, line: "Image", width: int) -> "_Recognition":
        probabilities = self._session.run(_blob(line, width)[None])[0]
        return _Recognition(probabilities @ self._fold, probabilities.max(axis=1))


class _Recognition:
    """Output of the recogniser. `steps`: time x (blank, then SYMBOLS), probabilities; `best`: time, the highest of all outputs."""

    __slots__ = ("best", "steps")

    def __init__(self, steps: "NDArray[np.float32]", best: "NDArray[np.float32]") -> None:
        self.steps = steps
        self.best = best

    def log_likelihood_ratio(self, log_probability: float) -> float:
        """Log-probability of the best path of any outputs minus that of a text, in nats."""
        return float(np.log(self.best + 1e-12).sum()) - log_probability


def _number_text(line: _Recognition) -> str:
    """Empty if the line is not plausible as a plate number."""
    texts = ctc.decode(line.steps, plate_fsm())
    if not texts or len(texts[0].text) < _MIN_CHARACTERS or line.log_likelihood_ratio(texts[0].log_probability) > _MAX_LLR:
        return ""
    return texts[0].text


def _expiry_text(line: _Recognition) -> str | None:
    texts = ctc.decode(line.steps, expiry_fsm())
    if not texts or line.log_likelihood_ratio(texts[0].log_probability) > _MAX_EXPIRY_LLR:
        return None
    if min(read.probability for read in ctc.characters(line.steps, texts[0].text)) < _MIN_EXPIRY_PROBABILITY:
        return None
    return parse_expiry(texts[0].text)


def _apply_confusion(read: CharacterRead, confusions: Mapping[str, tuple[str, float]]) -> CharacterRead:
    """Move a part of the character's probability to the letter with which the recogniser confuses it."""
    if read.character not in confusions:
        return read
    other, probability = confusions[read.character]
    moved = read.probability * probability
    likely = dict(read.alternatives)
    likely[other] = likely.get(other, 0.0) + moved
    alternatives = sorted(likely.items(), key=lambda item: -item[1])
    return CharacterRead(character=read.character, probability=read.probability - moved, alternatives=tuple(alternatives))


def _blob(line: "Image", width: int) -> "NDArray[np.float32]":
    """The line scaled to the recogniser's height and padded with grey, as in its training: 3 x height x `width`, float32, -1 to 1."""
    own = min(width, max(16, int(np.ceil(_HEIGHT * line.shape[1] / line.shape[0]))))
    blob = np.zeros((3, _HEIGHT, width), dtype=np.float32)
    blob[:, :, :own] = cv2.resize(line, (own, _HEIGHT)).astype(np.float32).transpose(2, 0, 1) / 127.5 - 1
    return blob


def _open(path: Path, name: str, threads: int) -> "tuple[OnnxSession, NDArray[np.float32], Digest]":
    """The session with only the outputs for plate characters, and the matrix that sums them to blank and each of SYMBOLS.

    Computing the thousands of other outputs takes a sixth of the time and improves no read.
    """
    try:
        from models.runtime import onnx_edit
    except ImportError as error:
        raise MissingExtra("onnx", "detect") from error
    try:
        digest = Digest(sha256(path.read_bytes()).hexdigest())
        model = onnx_edit.read_graph(path)
    except FileNotFoundError as error:
        raise WeightsMissing(f"Plate reader weights {path} are missing. Download them with: etle models pull") from error
    known = {entry.key: entry.value for entry in model.metadata_props}.get("character")
    if known is None:
        raise WeightsError(f"{path} does not list its characters: its metadata have no key `character`")
    characters = ["", *known.splitlines(), " "][: model.graph.output[0].type.tensor_type.shape.dim[2].dim_value]
    columns, fold = _columns(characters, path)
    graph = onnx_edit.select_outputs(model, columns, len(characters)).SerializeToString()
    return OnnxSession(graph, f"Plate reader {name}", threads=threads), fold, digest


def _columns(known: "Sequence[str]", path: Path) -> "tuple[NDArray[np.int64], NDArray[np.float32]]":
    """Indices of the outputs for blank and plate characters (k), and the matrix (k x blank and SYMBOLS) that sums both cases."""
    place = {character: i for i, character in enumerate(known)}
    missing = [c for c in SYMBOLS if c.isalnum() and c not in place]
    if missing:
        raise WeightsError(f"{path} has no output for {' '.join(missing)}")
    folded = [(0, 0)] + [(place[form], i) for i, c in enumerate(SYMBOLS, 1) for form in sorted({c, c.lower()}) if form in place]
    fold = np.zeros((len(folded), len(SYMBOLS) + 1), dtype=np.float32)
    fold[np.arange(len(folded)), [symbol for _, symbol in folded]] = 1
    return np.array([column for column, _ in folded]), fold
