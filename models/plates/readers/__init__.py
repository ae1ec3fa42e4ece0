"""Plate readers: a plate crop in, its text with a probability for each character out.

crop -> lines (detect and rectify the text lines) -> recogniser -> ctc (decode with the plate grammar) -> PlateRead
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from etle.errors import ConfigError
from etle.protocols import PlateReader

_TNKB_WIDTH = 192
"""Input width of the training; a larger one reads no more plates."""

OpenReader = Callable[[Path, int, bool], PlateReader]
"""Takes the file of weights, the number of threads, and whether colour and expiry are to be read, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderEngine:
    """A plate reader that `detect.readers` and `detect.tiebreaker` of a site file can name."""

    name: str
    open: OpenReader
    weights: str
    """Name in the catalogue of weights."""
    label: str
    """`PlateRead.reader` of its reads; stored with each case."""
    trust: float = 1.0
    """Factor on the weight of its reads in the vote."""
    retrainable: bool = False
    """Whether `detect.reader_weights` of a site file replaces its weights."""
    best_details: bool = False
    """Whether it reads expiries best. Where it is among the readers, only it reads colour and expiry: one colour is enough."""


def _open_tnkb(weights: Path, threads: int, details: bool) -> PlateReader:
    from models.plates.readers.ppocr import PpOcrPlateReader

    return PpOcrPlateReader(weights, threads=threads, name="tnkb", confusions={}, width=_TNKB_WIDTH, details=details)


def _open_ppocr(weights: Path, threads: int, details: bool) -> PlateReader:
    from models.plates.readers.ppocr import PpOcrPlateReader

    return PpOcrPlateReader(weights, threads=threads, details=details)


def _open_easyocr(weights: Path, threads: int, details: bool) -> PlateReader:
    from models.plates.readers.easyocr_reader import EasyOcrPlateReader

    return EasyOcrPlateReader(weights.parent)


_ENGINES = (
    # our own: PP-OCR's recogniser, fine-tuned on the typeface of Indonesian plates
    ReaderEngine(name="tnkb", open=_open_tnkb, weights="plate-reader", label="tnkb", retrainable=True, best_details=True),
    ReaderEngine(name="ppocr", open=_open_ppocr, weights="ppocrv6-rec", label="ppocrv6"),
    # it reads one plate in five correctly: its agreement is informative, because it is seldom by chance, its disagreement is not
    ReaderEngine(name="easyocr", open=_open_easyocr, weights="easyocr-recognition", label="easyocr", trust=0.15),
)
PLATE_READERS = {engine.name: engine for engine in _ENGINES}
"""By name. A new reader is one entry in `_ENGINES` and its module."""
_TRUST = {engine.label: engine.trust for engine in _ENGINES}


def reader_engine(name: str) -> ReaderEngine:
    """Raises ConfigError that lists the known names."""
    if name not in PLATE_READERS:
        raise ConfigError(f"There is no plate reader {name!r}. There are: {', '.join(PLATE_READERS)}")
    return PLATE_READERS[name]


def reads_details(name: str, readers: Collection[str]) -> bool:
    """Whether the reader `name` reads colour and expiry where these `readers` are configured."""
    return reader_engine(name).best_details or not any(reader_engine(reader).best_details for reader in readers)


def trust_of(label: str) -> float:
    """Factor on the weight of reads with this `PlateRead.reader`; 1 for an unknown one."""
    return _TRUST.get(label, 1.0)


def open_plate_reader(engine: str, weights: Path, *, threads: int = 1, details: bool = True) -> PlateReader:
    """`weights`: the file of weights. `details`: read colour and expiry, too.

    Raises ConfigError for an unknown engine, WeightsMissing, WeightsError, MissingExtra.
    """
    return reader_engine(engine).open(weights, threads, details)
