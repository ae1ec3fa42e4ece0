"""Plates read by PP-OCRv6 (or a CTC recogniser trained from it) in onnxruntime, decoded with the plate grammar.

The recogniser is a general one: 18,708 characters, Apache-2.0, as it comes in the rapidocr wheel. Its characters stand in the model's
metadata under `character`, so a recogniser fine-tuned to fewer of them runs in the same class.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from etle.errors import InferenceError, MissingExtra, WeightsError, WeightsMissing
from etle.plates import parse_expiry
from etle.plates.automaton import SYMBOLS, expiry_automaton, plate_automaton
from etle.types import CharacterRead, Digest, PlateRead
from models.reading import ctc
from models.reading.colour import plate_colour
from models.reading.lines import PlateLines, find_lines

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etle.types import Image

_HEIGHT = 48
_MAIN_WIDTH = 224
"""Lines are padded or squeezed to this width. Alone PP-OCRv6 reads 2 in 100 plates more at 320, but the vote with `tnkb` reads the same
plates right at both, for 7 ms less."""
_EXPIRY_WIDTH = 176
"""Of 150 expiries of rendered plates, many of them small, 8 more are told than at 128 pixels."""
_LEAST_SIZE = (24, 8)
"""Width and height in pixels below which there is nothing to read."""
_EXPIRY_FROM_PX = 100
"""Narrower crops show the second line with digits of less than 6 pixels."""
_EXPIRY_CERTAIN = 0.6
"""Of its least sure digit. Of 55 real expiries that a person could read, 44 are told right from here on and 4 wrong; of 150 rendered ones
85 and 3. The vote takes what most of the reads say."""
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
        self._session, self.digest = _open(path, threads)
        self._input = self._session.get_inputs()[0].name
        self._columns, self._fold = _columns(self._session, path)

    def read(self, crops: "Sequence[Image]") -> Sequence[PlateRead]:
        """One crop after another: a batch is no faster on a CPU, and this way a read does not depend on its neighbours."""
        return [self._read(crop) for crop in crops]

    def _read(self, crop: "Image") -> PlateRead:
        if crop.shape[1] < _LEAST_SIZE[0] or crop.shape[0] < _LEAST_SIZE[1]:
            return PlateRead(reader=self.name, text="", characters=())
        lines = find_lines(crop)
        main = self._recognise(lines.main, self._width)
        text = _main_text(main)
        if not text:
            return PlateRead(reader=self.name, text="", characters=())
        characters = tuple(_corrected(read, self._misreads) for read in ctc.characters(main.steps, text))
        number = PlateRead(reader=self.name, text=text, characters=characters)
        return replace(number, colour=plate_colour(crop), expiry=self._expiry(crop, lines)) if self._details else number

    def _expiry(self, crop: "Image", lines: PlateLines) -> str | None:
        if lines.expiry is None or crop.shape[1] < _EXPIRY_FROM_PX:
            return None
        return _expiry(self._recognise(lines.expiry, _EXPIRY_WIDTH))

    def _recognise(self, line: "Image", width: int) -> "_Steps":
        probabilities = self._run(_blob(line, width)[None])
        return _Steps(probabilities[0][:, self._columns] @ self._fold, probabilities[0].max(axis=1))

    def _run(self, batch: "NDArray[np.float32]") -> "NDArray[np.float32]":
        try:
            result: NDArray[np.float32] = self._session.run(None, {self._input: batch})[0]
        except Exception as error:  # onnxruntime's exceptions have no base of their own
            raise InferenceError(f"Plate reader {self.name} failed: {error}") from error
        return result


class _Steps:
    """What the recogniser said: per time step the plate characters, and the best of all characters it knows."""

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


def _open(path: Path, threads: int) -> tuple[Any, Digest]:
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtra("onnxruntime", "detect") from error
    try:
        weights = path.read_bytes()
    except FileNotFoundError as error:
        raise WeightsMissing(f"Plate reader weights {path} are missing. Bring them with: etle models pull") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions have no base of their own
        raise WeightsError(f"{path} is not a model that onnxruntime opens: {error}") from error
    return session, Digest(sha256(weights).hexdigest())


def _columns(session: Any, path: Path) -> "tuple[NDArray[np.int64], NDArray[np.float32]]":
    """Which outputs stand for blank and for each plate character, and the matrix that adds lower case to upper."""
    known = session.get_modelmeta().custom_metadata_map.get("character")
    if known is None:
        raise WeightsError(f"{path} does not say which characters it reads: its metadata has no key `character`")
    place = {character: i for i, character in enumerate(["", *known.splitlines(), " "])}
    missing = [c for c in SYMBOLS if c.isalnum() and c not in place]
    if missing:
        raise WeightsError(f"{path} does not read {' '.join(missing)}")
    folded = [(0, 0)] + [(place[form], i) for i, c in enumerate(SYMBOLS, 1) for form in sorted({c, c.lower()}) if form in place]
    fold = np.zeros((len(folded), len(SYMBOLS) + 1), dtype=np.float32)
    fold[np.arange(len(folded)), [symbol for _, symbol in folded]] = 1
    return np.array([column for column, _ in folded]), fold
