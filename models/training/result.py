"""What the trainings of the small plate networks return."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingResult:
    weights: bytes
    """Content of the file of weights."""
    validation: float
    """Metric on rendered plates that were held out; each training defines it."""
