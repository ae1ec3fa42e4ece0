"""Probability that every character of a voted plate is right, calibrated on real plates.

OCR scores are not probabilities: readers report high scores for wrong characters, too. Agreement between reads and between readers
separates right plates from wrong ones, so a logistic regression over agreement features gives the probability. Its coefficients, the
threshold for `certain` and the data they were measured on are in `configs/plates/confidence.yaml`; `benchmark.plate_confidence` fits them.
"""

import math
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

import msgspec

from etle.config.packaged import configs_folder
from etle.config.strict_yaml import read_yaml
from etle.decoded_types import prepare
from etle.errors import ConfigError

_MAX_LOG_ODDS = 9.0
"""About one in ten thousand; plates with larger values are wrong as often."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfidenceFeatures:
    """Features of one candidate text of a vote. The field names are the keys of the coefficients in confidence.yaml."""

    margin: float
    """Log odds of the text against all other candidates of the vote."""
    agreement: float
    """Share of the total weight of the reads whose text is exactly this one, 0 to 1."""
    witnesses: float
    """1 if at least two readers give this text with the largest part of their weight, otherwise 0."""
    width: float
    """log2 of the width of the widest plate in pixels / 90, limited to -2 to 1."""
    contrast: float
    """log2 of the highest contrast of a read with this text in grey levels / 64, limited to -3 to 0."""
    clear: float
    """1 if one reader reads the text clearly and no other read contradicts it, otherwise 0."""


class ConfidenceModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    measured_on: str
    certain_from: float
    coefficients: dict[str, float]

    def probability(self, features: ConfidenceFeatures) -> float:
        """Probability that the whole text is right."""
        logit = self.coefficients["constant"] + sum(self.coefficients[name] * value for name, value in feature_values(features).items())
        return 1 / (1 + math.exp(-max(-30.0, min(30.0, logit))))


prepare(ConfidenceModel)


def feature_values(features: ConfidenceFeatures) -> dict[str, float]:
    return {field.name: getattr(features, field.name) for field in fields(features)}


def log_odds(probability: float) -> float:
    """Limited to -9 to 9."""
    clipped = min(max(probability, 1e-9), 1 - 1e-9)
    return max(-_MAX_LOG_ODDS, min(_MAX_LOG_ODDS, math.log(clipped / (1 - clipped))))


@cache
def packaged_confidence_model() -> ConfidenceModel:
    return load_confidence_model(configs_folder() / "plates" / "confidence.yaml")


def load_confidence_model(path: Path) -> ConfidenceModel:
    """Raises ConfigError."""
    try:
        model = msgspec.convert(read_yaml(path), ConfidenceModel)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {error}") from error
    expected = {"constant", *(field.name for field in fields(ConfidenceFeatures))}
    if set(model.coefficients) != expected:
        raise ConfigError(
            f"{path}: coefficients must be {', '.join(sorted(expected))}; the file has {', '.join(sorted(model.coefficients))}"
        )
    if not 0 < model.certain_from < 1:
        raise ConfigError(f"{path}: certain_from must be a probability between 0 and 1, not {model.certain_from}")
    return model
