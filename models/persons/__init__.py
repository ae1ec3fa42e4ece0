"""Person detectors: an image in; the persons in it out."""

from pathlib import Path

from etle.protocols import PersonDetector
from models.weights.locate import weight

WEIGHTS = "vehicles"
"""The vehicle detector's weights know persons, too."""


def open_person_detector(weights: Path | None = None, *, threads: int = 1) -> PersonDetector:
    """`weights` None opens those of the catalogue. Raises WeightsMissing, WeightsError, MissingExtra."""
    from models.persons.onnx_detector import OnnxPersonDetector

    return OnnxPersonDetector(weights or weight(WEIGHTS), threads=threads)
