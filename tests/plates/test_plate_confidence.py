"""The confidence model: its coefficients, and the file that contains them."""

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import yaml

from benchmark.plate_confidence import ConfidenceExample, ReadPlate, certain_from, fitted, judge
from etle.config.packaged import configs_folder
from etle.errors import ConfigError
from pipeline.plates.confidence import (
    ConfidenceFeatures,
    ConfidenceModel,
    feature_values,
    load_confidence_model,
    log_odds,
    packaged_confidence_model,
)

FEATURES = ConfidenceFeatures(margin=6.0, agreement=1.0, witnesses=1.0, width=0.0, contrast=0.0, clear=1.0)


def test_the_probability_increases_with_every_feature() -> None:
    confidence = packaged_confidence_model()
    for name, value in feature_values(FEATURES).items():
        assert confidence.probability(replace(FEATURES, **{name: value - 1})) <= confidence.probability(FEATURES), name


def test_a_plate_can_be_certain_if_two_readers_agree_and_not_if_they_disagree() -> None:
    confidence = packaged_confidence_model()
    best = ConfidenceFeatures(margin=9.0, agreement=1.0, witnesses=1.0, width=1.0, contrast=0.0, clear=0.0)
    assert confidence.probability(best) >= confidence.certain_from
    assert confidence.probability(replace(best, margin=1.0, agreement=0.5, witnesses=0.0)) < confidence.certain_from


def test_log_odds_are_limited() -> None:
    assert log_odds(0.5) == 0
    assert log_odds(1.0) == -log_odds(0.0) == 9.0


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


UNCLEAR, CLEAR = replace(FEATURES, margin=1.0, agreement=0.5, witnesses=0.0, clear=0.0), FEATURES
FITTED_TO = (
    [ConfidenceExample(CLEAR, right=True, corroborated=True)] * 99
    + [ConfidenceExample(CLEAR, right=False, corroborated=True)]
    + [ConfidenceExample(UNCLEAR, right=n % 2 == 0, corroborated=False) for n in range(40)]
)


def test_a_fitted_model_predicts_the_share_that_is_right() -> None:
    confidence = replace_coefficients(fitted(FITTED_TO))
    assert confidence.probability(CLEAR) == pytest.approx(0.99, abs=0.01)
    assert confidence.probability(UNCLEAR) == pytest.approx(0.5, abs=0.05)
    assert all(value >= 0 for name, value in confidence.coefficients.items() if name != "constant")


@pytest.mark.parametrize(("max_error", "threshold"), [(0.02, 0.97), (0.001, 0.999)])
def test_a_plate_is_certain_from_the_probability_above_which_few_are_wrong(max_error: float, threshold: float) -> None:
    assert certain_from(replace_coefficients(fitted(FITTED_TO)), FITTED_TO, max_error) == pytest.approx(threshold, abs=0.02)


@pytest.mark.parametrize(
    ("first", "second", "certain"),
    [
        pytest.param(CLEAR, UNCLEAR, True, id="after the first crop"),
        pytest.param(UNCLEAR, CLEAR, True, id="after the second"),
        pytest.param(UNCLEAR, UNCLEAR, False, id="in neither"),
    ],
)
def test_a_plate_is_judged_by_the_first_crop_that_makes_it_certain(
    first: ConfidenceFeatures, second: ConfidenceFeatures, certain: bool
) -> None:
    confidence = msgspec.structs.replace(replace_coefficients(fitted(FITTED_TO)), certain_from=0.97)
    crops = [ConfidenceExample(features, right=True, corroborated=True) for features in (first, second)]
    assert judge(ReadPlate("B1A", "table", *crops, ()), confidence)[1:] == (True, certain)


def replace_coefficients(coefficients: dict[str, float]) -> ConfidenceModel:
    return msgspec.structs.replace(packaged_confidence_model(), coefficients=coefficients)
