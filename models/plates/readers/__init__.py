"""Plate readers: a crop of a plate in, its text with a probability for every character out.

crop -> lines (find, straighten) -> recogniser -> ctc (search with the plate grammar) -> PlateRead
"""

from collections.abc import Callable
from pathlib import Path

from etle.errors import ConfigError
from etle.protocols import PlateReader

_TNKB_WIDTH = 192
"""It was trained at this width; wider is no better."""


def _ppocr(weights: Path, threads: int, details: bool) -> PlateReader:
    from models.plates.readers.ppocr import PpOcrPlateReader

    return PpOcrPlateReader(weights, threads=threads, details=details)


def _tnkb(weights: Path, threads: int, details: bool) -> PlateReader:
    """Our own: PP-OCR's recogniser, taught the typeface of Indonesian plates, on lines of that width."""
    from models.plates.readers.ppocr import PpOcrPlateReader

    return PpOcrPlateReader(weights, threads=threads, name="tnkb", misreads={}, width=_TNKB_WIDTH, details=details)


def _easyocr(weights: Path, threads: int, details: bool) -> PlateReader:
    from models.plates.readers.easyocr_reader import EasyOcrPlateReader

    return EasyOcrPlateReader(weights)


PLATE_READERS: dict[str, Callable[[Path, int, bool], PlateReader]] = {
    "tnkb": _tnkb,
    "ppocr": _ppocr,
    "easyocr": _easyocr,
}
"""Each engine by the name that a site file calls it."""


def open_plate_reader(engine: str, weights: Path, *, threads: int = 1, details: bool = True) -> PlateReader:
    """`weights` is the ONNX file for `tnkb` and `ppocr`, the folder with english_g2.pth for `easyocr`. `details`: colour and expiry, too.

    Raises ConfigError for an unknown engine, WeightsMissing, WeightsError, MissingExtra.
    """
    if engine not in PLATE_READERS:
        raise ConfigError(f"There is no plate reader {engine!r}. There are: {', '.join(PLATE_READERS)}")
    return PLATE_READERS[engine](weights, threads, details)
