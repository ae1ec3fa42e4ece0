"""Violations compared with the ground truth."""

from dataclasses import replace
from datetime import timedelta

import pytest

from etle.errors import ConfigError
from etle.testing import BEGIN, a_violation
from etle.types import CameraId, RuleName
from pipeline.evaluation.violations import TrueViolation, load_ground_truth, score


def true(seconds: float = 0.0, plate: str = "B1432GMC", rule: str = "red_light") -> TrueViolation:
    moment = BEGIN + timedelta(seconds=seconds)
    return TrueViolation(camera=CameraId("cam-1"), rule=RuleName(rule), occurred_at=moment, plate=plate, kind="car", hidden_s=None)


def found(seconds: float = 0.0, plate: str | None = "B1432GMC"):
    return a_violation(f"{seconds} {plate}", plate=plate, occurred_at=BEGIN + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("violations", "truth", "precision", "recall"),
    [
        pytest.param([found(0.3)], [true()], 1.0, 1.0, id="found"),
        pytest.param([], [true()], 1.0, 0.0, id="missed"),
        pytest.param([found()], [], 0.0, 1.0, id="false"),
        pytest.param([found(1.2)], [true()], 0.0, 0.0, id="too far from the true time"),
        pytest.param([found(plate="B1432CMC")], [true()], 0.0, 0.0, id="another plate"),
        pytest.param([found(plate=None)], [true()], 0.0, 0.0, id="no plate"),
        pytest.param([found(0.0), found(0.4)], [true()], 0.5, 1.0, id="the same twice"),
        pytest.param([found(0.0, "A1"), found(0.4, "B2")], [true(0.4, "A1"), true(0.0, "B2")], 1.0, 1.0, id="two at once, by plate"),
        pytest.param([found()], [true(rule="stop_line")], 0.0, 0.0, id="another rule"),
    ],
)
def test_score(violations, truth, precision, recall):
    result = score(violations, truth)
    assert (result.precision, result.recall) == (precision, recall)
    assert result.perfect is (precision == recall == 1.0)


def test_violations_of_another_camera_do_not_match():
    assert score([replace(found(), camera=CameraId("cam-2"))], [true()]).missed == (true(),)


def test_an_invalid_truth_file_is_reported(tmp_path):
    (tmp_path / "truth.json").write_text("{}")
    with pytest.raises(ConfigError, match="is not the ground truth of footage"):
        load_ground_truth(tmp_path / "truth.json")
