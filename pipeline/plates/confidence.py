"""How probable it is that a voted plate is right in every character: what the reads say of themselves, held against real plates.

Readers are as sure of their errors as of the rest, so no score of theirs is a probability. What tells right plates from wrong ones are
signs of agreement; a logistic regression on real plates turns these into a probability. Its coefficients stand with the least probability
of a `certain` plate in `configs/plates/confidence.yaml`, and with what they were measured on; `benchmark.plate_confidence` fits them.
"""

import math
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

import msgspec

from etle.config.packaged import configs_folder
from etle.config.strict_yaml import read_yaml
from etle.errors import ConfigError

_FARTHEST = 14.0
"""Of a logarithm of odds: beyond one in a million a reader's word means no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfidenceFeatures:
    """What speaks for a text and against it."""

    margin: float
    """Logarithm of the odds of the text against all other candidates of the vote."""
    weakest: float
    """The same of its least sure character."""
    agreement: float
    """Share of the reads' weight that says exactly this."""
    witnesses: float
    """1 if two readers say it, each by most of its reads; else 0."""
    width: float
    """Of the widest plate seen: log2 of its pixels / 90, between -2 and 1."""


class ConfidenceModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    measured_on: str
    certain_from: float
    coefficients: dict[str, float]

    def probability(self, signs: ConfidenceFeatures) -> float:
        """That the whole text is right."""
        logit = self.coefficients["constant"] + sum(self.coefficients[name] * value for name, value in as_numbers(signs).items())
        return 1 / (1 + math.exp(-max(-30.0, min(30.0, logit))))


def as_numbers(signs: ConfidenceFeatures) -> dict[str, float]:
    return {field.name: getattr(signs, field.name) for field in fields(signs)}


def log_odds(probability: float) -> float:
    """Cut off at both ends."""
    safe = min(max(probability, 1e-9), 1 - 1e-9)
    return max(-_FARTHEST, min(_FARTHEST, math.log(safe / (1 - safe))))


@cache
def shipped_confidence() -> ConfidenceModel:
    return load_confidence(configs_folder() / "plates" / "confidence.yaml")


def load_confidence(path: Path) -> ConfidenceModel:
    """Raises ConfigError."""
    try:
        confidence = msgspec.convert(read_yaml(path), ConfidenceModel)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {error}") from error
    wanted = {"constant", *(field.name for field in fields(ConfidenceFeatures))}
    if set(confidence.coefficients) != wanted:
        raise ConfigError(f"{path}: coefficients are for {', '.join(sorted(wanted))}; here: {', '.join(sorted(confidence.coefficients))}")
    if not 0 < confidence.certain_from < 1:
        raise ConfigError(f"{path}: certain_from is a probability between 0 and 1, not {confidence.certain_from}")
    return confidence
