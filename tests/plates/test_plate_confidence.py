"""The confidence model: its coefficients, and the file that contains them."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from etle.config.packaged import configs_folder
from etle.errors import ConfigError
from pipeline.plates.confidence import ConfidenceFeatures, feature_values, load_confidence_model, log_odds, packaged_confidence_model

FEATURES = ConfidenceFeatures(margin=6.0, weakest=3.0, agreement=1.0, witnesses=1.0, width=0.0)


def test_the_probability_increases_with_every_feature() -> None:
    confidence = packaged_confidence_model()
    for name, value in feature_values(FEATURES).items():
        assert confidence.probability(replace(FEATURES, **{name: value - 1})) <= confidence.probability(FEATURES), name


def test_a_plate_can_be_certain_if_two_readers_agree_and_not_if_they_disagree() -> None:
    confidence = packaged_confidence_model()
    best = ConfidenceFeatures(margin=14.0, weakest=8.0, agreement=1.0, witnesses=1.0, width=1.0)
    assert confidence.probability(best) >= confidence.certain_from
    assert confidence.probability(replace(best, margin=1.0, agreement=0.5, witnesses=0.0)) < confidence.certain_from


def test_log_odds_are_limited() -> None:
    assert log_odds(0.5) == 0
    assert log_odds(1.0) == -log_odds(0.0) == 14.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"certain_from": 1.5}, "certain_from", id="not a probability"),
        pytest.param({"certainly": 0.9}, "certainly", id="an unknown key"),
        pytest.param({"coefficients": {"constant": 0.0}}, "coefficients must be .*width.*the file has constant", id="coefficients missing"),
        pytest.param({"measured_on": 3}, "measured_on", id="a wrong type"),
    ],
)
def test_an_invalid_file_is_named(change: dict[str, object], message: str, tmp_path: Path) -> None:
    whole = yaml.safe_load((configs_folder() / "plates" / "confidence.yaml").read_text(encoding="utf-8"))
    path = tmp_path / "confidence.yaml"
    path.write_text(yaml.safe_dump(whole | change), encoding="utf-8")
    with pytest.raises(ConfigError, match=message) as refused:
        load_confidence_model(path)
    assert "confidence.yaml" in str(refused.value)
