"""How probable it is that a plate is right: the table, and what it says."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from etle.config.packaged import configs_folder
from etle.errors import ConfigError
from pipeline.plates.confidence import ConfidenceFeatures, as_numbers, load_confidence, log_odds, shipped_confidence

SIGNS = ConfidenceFeatures(margin=6.0, weakest=3.0, agreement=1.0, witnesses=1.0, width=0.0)


def test_nothing_that_speaks_for_a_text_makes_it_less_probable() -> None:
    confidence = shipped_confidence()
    for name, value in as_numbers(SIGNS).items():
        assert confidence.probability(replace(SIGNS, **{name: value - 1})) <= confidence.probability(SIGNS), name


def test_two_readers_of_one_mind_can_be_certain_and_quarrelling_ones_cannot() -> None:
    confidence = shipped_confidence()
    best = ConfidenceFeatures(margin=14.0, weakest=8.0, agreement=1.0, witnesses=1.0, width=1.0)
    assert confidence.probability(best) >= confidence.certain_from
    assert confidence.probability(replace(best, margin=1.0, agreement=0.5, witnesses=0.0)) < confidence.certain_from


def test_log_odds_are_cut_off_at_both_ends() -> None:
    assert log_odds(0.5) == 0
    assert log_odds(1.0) == -log_odds(0.0) == 14.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"certain_from": 1.5}, "certain_from", id="no probability"),
        pytest.param({"certainly": 0.9}, "certainly", id="an unknown key"),
        pytest.param({"coefficients": {"constant": 0.0}}, "coefficients are for .*width.*here: constant", id="coefficients missing"),
        pytest.param({"measured_on": 3}, "measured_on", id="of another type"),
    ],
)
def test_a_table_that_cannot_be_used_is_named(change: dict[str, object], message: str, tmp_path: Path) -> None:
    whole = yaml.safe_load((configs_folder() / "plates" / "confidence.yaml").read_text(encoding="utf-8"))
    path = tmp_path / "confidence.yaml"
    path.write_text(yaml.safe_dump(whole | change), encoding="utf-8")
    with pytest.raises(ConfigError, match=message) as refused:
        load_confidence(path)
    assert "confidence.yaml" in str(refused.value)
