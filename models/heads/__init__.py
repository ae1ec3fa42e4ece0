"""Reads the heads of motorcycle riders: helmet, none, or not told."""

from pathlib import Path

from etle.protocols import HeadReader
from models.weights.locate import weight

WEIGHTS = "heads"
STEM_WEIGHTS = "vehicles"
"""The network's first layers are those of the vehicle detector."""


def open_head_reader(weights: Path | None = None, *, threads: int = 1) -> HeadReader:
    """`weights` None opens those of the catalogue. Raises WeightsMissing, WeightsError, MissingExtra."""
    from models.heads.reader import NetworkHeadReader

    return NetworkHeadReader(weight(STEM_WEIGHTS), weights or weight(WEIGHTS), threads=threads)
