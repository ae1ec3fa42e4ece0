"""Plates read by PP-OCRv6 (or a CTC recogniser trained from it) in onnxruntime, decoded with the plate grammar.

The recogniser is a general one: 18,708 characters, Apache-2.0, as it comes in the rapidocr wheel. Its characters stand in the model's
metadata under `character`, so a recogniser fine-tuned to fewer of them runs in the same class.
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
from etle.plates.fsm import SYMBOLS, expiry_automaton, plate_automaton
from etle.types import CharacterRead, Digest, PlateRead
from models.plates.readers import ctc
from models.plates.readers.colour import plate_colour
from models.plates.readers.lines import shipped_line_finder
from models.runtime.onnx_session import OnnxSession

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etle.types import Image

_HEIGHT = 48
_MAIN_WIDTH = 208
"""Lines are padded or squeezed to this width. Alone PP-OCRv6 reads 1 in 100 plates more at 224 and as many fewer at 192; the vote with
`tnkb` reads the same plates right at 208 and 224."""
_EXPIRY_WIDTH = 144
"""Of 55 real expiries 44 are told right at 144 and at 160 pixels, and 43 at 176."""
_LEAST_SIZE = (24, 8)
"""Width and height in pixels below which there is nothing to read."""
_EXPIRY_CERTAIN = 0.5
"""Of its least sure digit. Of 55 real expiries that a person could read, 48 are told right from here on and 4 wrong (44 and 3 from .6 on);
of 150 rendered ones 103 and 12. The vote takes what most of the reads say."""
_LEAST_CHARACTERS = 3
"""`A 1` exists, but nearly every text of two characters is a scratch; three is `RI 1` and `B 1 A`."""
_STRANGE = 20.0
"""Nats that the grammar may cost. Of the right reads of development crops 98 in 100 cost less than 15; Brazilian and most American plates,
whose letters and digits have another order, cost 18 to 70. European ones have our order: their area code gives them away, as a note."""
_EXPIRY_STRANGE = 8.0

TYPEFACE_MISREADS: Mapping[str, tuple[str, float]] = {"O": ("Q", 0.3), "C": ("G", 0.15), "H": ("W", 0.15)}
"""What the recogniser calls by the first letter and how often it is the second: the tail of an Indonesian Q is a tick inside the bowl, the
bar of its G has no spur, its W stands upright. It is as sure of these as of all others and repeats them in every frame.
Counted: O 22 of 96, C 13 of 154, H 7 of 123 on 1,205 real plates; on the 226 in street pictures 4 of 19, 5 of 26, 3 of 17. The shares
here are set by hand between these, on the cautious side: a doubt too many costs a look, one too few a wrong owner."""


class PpOcrPlateReader:
    """Reads the main line and, as `details`, the colour and, on crops wide enough, the expiry."""

    def __init__(
        self,
        path: Path,
        *,
        threads: int = 1,
        name: str = "ppocrv6",
        misreads: Mapping[str, tuple[str, float]] = TYPEFACE_MISREADS,
        width: int = _MAIN_WIDTH,
        details: bool = True,
    ) -> None:
        """`misreads`: empty for a recogniser that was trained on Indonesian plates. `width`: what the number's line is padded to.
        `details`: False leaves colour and expiry to another reader.

        Raises WeightsMissing, WeightsError, MissingExtra.
        """
        self.name = name
        self._misreads = misreads
        self._width = width
        self._details = details
        self._network, self._fold, self.digest = _open(path, name, threads)
        self._lines = shipped_line_finder()

    def read(self, crops: "Sequence[Image]") -> Sequence[PlateRead]:
        """One crop after another: a batch is no faster on a CPU, and this way a read does not depend on its neighbours."""
        return [self._read(crop) for crop in crops]

    def _read(self, crop: "Image") -> PlateRead:
        if crop.shape[1] < _LEAST_SIZE[0] or crop.shape[0] < _LEAST_SIZE[1]:
            return PlateRead(reader=self.name, text="", characters=())
        lines = self._lines.find(crop)
        main = self._recognise(lines.main, self._width)
        text = _main_text(main)
        if not text:
            return PlateRead(reader=self.name, text="", characters=())
        characters = tuple(_corrected(read, self._misreads) for read in ctc.characters(main.steps, text))
        number = PlateRead(reader=self.name, text=text, characters=characters)
        return replace(number, colour=plate_colour(crop), expiry=self._expiry(lines.expiry)) if self._details else number

    def _expiry(self, line: "Image | None") -> str | None:
        return None if line is None else _expiry(self._recognise(line, _EXPIRY_WIDTH))

    def _recognise(self, line: "Image", width: int) -> "_Steps":
        probabilities = self._network.run(_blob(line, width)[None])[0]
        return _Steps(probabilities @ self._fold, probabilities.max(axis=1))


class _Steps:
    """What the recogniser said: per time step the plate characters, and the best of them in whichever case."""

    __slots__ = ("best", "steps")

    def __init__(self, steps: "NDArray[np.float32]", best: "NDArray[np.float32]") -> None:
        self.steps = steps
        self.best = best

    def strangeness(self, log_probability: float) -> float:
        """How much less probable a text is than the best path of any characters at all, in nats."""
        return float(np.log(self.best + 1e-12).sum()) - log_probability


def _main_text(steps: _Steps) -> str:
    """Empty if nothing there looks like a plate."""
    texts = ctc.decode(steps.steps, plate_automaton())
    if not texts or len(texts[0].text) < _LEAST_CHARACTERS or steps.strangeness(texts[0].log_probability) > _STRANGE:
        return ""
    return texts[0].text


def _expiry(steps: _Steps) -> str | None:
    texts = ctc.decode(steps.steps, expiry_automaton())
    if not texts or steps.strangeness(texts[0].log_probability) > _EXPIRY_STRANGE:
        return None
    if min(read.probability for read in ctc.characters(steps.steps, texts[0].text)) < _EXPIRY_CERTAIN:
        return None
    return parse_expiry(texts[0].text)


def _corrected(read: CharacterRead, misreads: Mapping[str, tuple[str, float]]) -> CharacterRead:
    """A part of the character's probability goes to the letter that it often is instead."""
    if read.character not in misreads:
        return read
    other, share = misreads[read.character]
    moved = read.probability * share
    likely = dict(read.alternatives)
    likely[other] = likely.get(other, 0.0) + moved
    alternatives = sorted(likely.items(), key=lambda item: -item[1])
    return CharacterRead(character=read.character, probability=read.probability - moved, alternatives=tuple(alternatives))


def _blob(line: "Image", width: int) -> "NDArray[np.float32]":
    """The line at the recogniser's height, padded with grey to the width (which is what the recogniser was trained with)."""
    own = min(width, max(16, int(np.ceil(_HEIGHT * line.shape[1] / line.shape[0]))))
    blob = np.zeros((3, _HEIGHT, width), dtype=np.float32)
    blob[:, :, :own] = cv2.resize(line, (own, _HEIGHT)).astype(np.float32).transpose(2, 0, 1) / 127.5 - 1
    return blob


def _open(path: Path, name: str, threads: int) -> "tuple[OnnxSession, NDArray[np.float32], Digest]":
    """The network with only those of its outputs that a plate can have, and the matrix that adds these up to blank and each of SYMBOLS.

    Thousands of other characters cost a sixth of the time and read no plate better.
    """
    try:
        from models.runtime import onnx_edit as surgery
    except ImportError as error:
        raise MissingExtra("onnx", "detect") from error
    try:
        digest = Digest(sha256(path.read_bytes()).hexdigest())
        model = surgery.read_graph(path)
    except FileNotFoundError as error:
        raise WeightsMissing(f"Plate reader weights {path} are missing. Bring them with: etle models pull") from error
    known = {entry.key: entry.value for entry in model.metadata_props}.get("character")
    if known is None:
        raise WeightsError(f"{path} does not say which characters it reads: its metadata has no key `character`")
    characters = ["", *known.splitlines(), " "][: model.graph.output[0].type.tensor_type.shape.dim[2].dim_value]
    columns, fold = _columns(characters, path)
    graph = surgery.with_outputs(model, columns, len(characters)).SerializeToString()
    return OnnxSession(graph, f"Plate reader {name}", threads=threads), fold, digest


def _columns(known: "Sequence[str]", path: Path) -> "tuple[NDArray[np.int64], NDArray[np.float32]]":
    """Which outputs stand for blank and for each plate character, and the matrix that adds lower case to upper."""
    place = {character: i for i, character in enumerate(known)}
    missing = [c for c in SYMBOLS if c.isalnum() and c not in place]
    if missing:
        raise WeightsError(f"{path} does not read {' '.join(missing)}")
    folded = [(0, 0)] + [(place[form], i) for i, c in enumerate(SYMBOLS, 1) for form in sorted({c, c.lower()}) if form in place]
    fold = np.zeros((len(folded), len(SYMBOLS) + 1), dtype=np.float32)
    fold[np.arange(len(folded)), [symbol for _, symbol in folded]] = 1
    return np.array([column for column, _ in folded]), fold
