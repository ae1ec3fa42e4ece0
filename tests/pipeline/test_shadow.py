"""Shadow mode: live traffic gets the current model's answers, whatever the second model says or raises."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from etle.config.site import DetectionSettings, ShadowSettings
from etle.config.strict_yaml import validate
from etle.errors import ConfigError, InferenceError
from etle.testing.engines import ScriptedDetector, ScriptedLamps, ScriptedPlateDetector, ScriptedReader
from etle.testing.values import a_read
from etle.types import Box, Detection, Lamp, PlateBox, VehicleClass
from etle_cli.main import main
from pipeline.shadow.engines import (
    EngineComparer,
    ShadowedLampReader,
    ShadowedPlateDetector,
    ShadowedPlateReader,
    ShadowedVehicleDetector,
)
from pipeline.shadow.report import ShadowOutcome, ShadowReport, read_report, summarize

IMAGE: Any = np.zeros((60, 80, 3), np.uint8)
CAR = Detection(box=Box(10, 10, 40, 40), vehicle=VehicleClass.CAR, score=0.9)
SAME, DIFFERENT, FAILED = ShadowOutcome.SAME, ShadowOutcome.DIFFERENT, ShadowOutcome.FAILED


@pytest.fixture
def report(tmp_path: Path) -> ShadowReport:
    return ShadowReport(tmp_path / "shadow.jsonl")


def outcomes(report: ShadowReport) -> list[ShadowOutcome]:
    return [comparison.outcome for comparison in read_report(report.path)]


def details(report: ShadowReport) -> list[dict[str, object]]:
    return [dict(comparison.detail) for comparison in read_report(report.path)]


@pytest.mark.parametrize(
    ("theirs", "outcome", "detail"),
    [
        pytest.param((CAR,), SAME, {"both": 1, "other_class": 0, "only_current": 0, "only_shadow": 0}, id="the same"),
        pytest.param((), DIFFERENT, {"both": 0, "other_class": 0, "only_current": 1, "only_shadow": 0}, id="missed"),
        pytest.param(
            (CAR, Detection(box=Box(50, 10, 70, 30), vehicle=VehicleClass.CAR, score=0.5)),
            DIFFERENT,
            {"both": 1, "other_class": 0, "only_current": 0, "only_shadow": 1},
            id="one more",
        ),
        pytest.param(
            (CAR, Detection(box=Box(50, 10, 70, 30), vehicle=VehicleClass.CAR, score=0.2)),
            SAME,
            {"both": 1, "other_class": 0, "only_current": 0, "only_shadow": 0},
            id="one more of a low score",
        ),
        pytest.param(
            (Detection(box=Box(11, 11, 41, 41), vehicle=VehicleClass.TRUCK, score=0.8),),
            DIFFERENT,
            {"both": 1, "other_class": 1, "only_current": 0, "only_shadow": 0},
            id="another class",
        ),
    ],
)
def test_vehicles_are_compared_by_their_boxes(report, theirs, outcome, detail):
    comparer = EngineComparer(ScriptedDetector([theirs], name="trial"), share=1, report=report)
    detector = ShadowedVehicleDetector(ScriptedDetector([(CAR,)]), comparer)

    assert detector.detect([IMAGE]) == [(CAR,)]
    assert outcomes(report) == [outcome]
    assert details(report) == [detail]


def test_the_answer_name_and_digest_are_those_of_the_current_model(report):
    current, trial = ScriptedReader([a_read("B1AB")]), ScriptedReader([a_read("B1AC")], name="trial")
    reader = ShadowedPlateReader(current, EngineComparer(trial, share=1, report=report))

    assert reader.read([IMAGE]) == [a_read("B1AB")]
    assert (reader.name, reader.digest) == (current.name, current.digest)
    (comparison,) = read_report(report.path)
    assert (comparison.current, comparison.shadow, comparison.shadow_digest) == (current.name, "trial", trial.digest)
    assert comparison.detail == {"current": "B1AB", "shadow": "B1AC"}


def test_an_error_of_the_shadow_model_does_not_reach_live_traffic(report):
    class Broken(ScriptedLamps):
        def read(self, *_: object) -> tuple[Lamp, float]:
            raise ZeroDivisionError("a bug on trial")

    lamps = ShadowedLampReader(ScriptedLamps([Lamp.RED]), EngineComparer(Broken([]), share=1, report=report))
    assert lamps.read(IMAGE, Box(0, 0, 10, 20), (Lamp.RED, Lamp.GREEN))[0] is Lamp.RED
    assert outcomes(report) == [FAILED]
    assert details(report) == [{"error": "ZeroDivisionError: a bug on trial"}]


def test_an_error_of_the_current_model_is_raised_as_before(report):
    comparer = EngineComparer(ScriptedDetector([(CAR,)]), share=1, report=report)
    with pytest.raises(InferenceError):
        ShadowedVehicleDetector(ScriptedDetector([InferenceError("broken")]), comparer).detect([IMAGE])


def test_only_the_share_is_compared_evenly_spread(report):
    plates = (PlateBox(box=Box(1, 1, 9, 4), score=0.9),)
    trial = ScriptedPlateDetector([plates] * 25, name="trial")
    detector = ShadowedPlateDetector(ScriptedPlateDetector([plates] * 100), EngineComparer(trial, share=0.25, report=report))
    seen = []
    for _ in range(100):
        detector.detect_crops([IMAGE])
        seen.append(trial.images_seen)
    assert seen[3::4] == list(range(1, 26))
    assert outcomes(report) == [SAME] * 25


def test_a_full_or_unwritable_report_ends_with_one_warning(tmp_path, caplog):
    report = ShadowReport(tmp_path / "full.jsonl", limit_bytes=400)
    reader = ShadowedPlateReader(ScriptedReader([a_read()] * 9), EngineComparer(ScriptedReader([a_read()] * 9), share=1, report=report))
    for _ in range(9):
        reader.read([IMAGE])
    assert report.path.stat().st_size <= 400
    assert len([record for record in caplog.records if "takes no more comparisons" in record.message]) == 1

    nowhere = ShadowReport(tmp_path / "missing" / "shadow.jsonl")
    comparer = EngineComparer(ScriptedReader([a_read()]), share=1, report=nowhere)
    assert ShadowedPlateReader(ScriptedReader([a_read()]), comparer).read([IMAGE]) == [a_read()]


def test_the_report_is_summed_up_by_model(report, capsys):
    trial = ScriptedReader([a_read("B1AB"), a_read("B1AC"), a_read("B1AB")], name="trial")
    reader = ShadowedPlateReader(ScriptedReader([a_read("B1AB")] * 3), EngineComparer(trial, share=1, report=report))
    for _ in range(3):
        reader.read([IMAGE])
    with report.path.open("ab") as file:
        file.write(b'{"kind": "text", "cur')  # cut off by a kill

    (summary,) = summarize(report.path)
    assert (summary.outcomes, summary.compared) == ({SAME: 2, DIFFERENT: 1, FAILED: 0}, 3)
    assert summary.examples == ({"current": "B1AB", "shadow": "B1AC"},)
    assert main(["shadow", "report", str(report.path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["different"] == 1
    assert main(["shadow", "report", str(report.path)]) == 0
    assert "66.7%" in capsys.readouterr().out


def test_a_file_that_is_no_report_is_named(tmp_path):
    (tmp_path / "notes.txt").write_text("hello\n")
    with pytest.raises(ConfigError, match="line 1"):
        summarize(tmp_path / "notes.txt")
    with pytest.raises(ConfigError, match="cannot be read"):
        summarize(tmp_path / "absent")


def test_the_report_is_for_its_owner_only(report):
    comparer = EngineComparer(ScriptedReader([a_read()]), share=1, report=report)
    ShadowedPlateReader(ScriptedReader([a_read()]), comparer).read([IMAGE])
    assert report.path.stat().st_mode & 0o777 == 0o600


def test_a_shadow_names_a_model_and_changes_no_digest():
    with pytest.raises(ConfigError, match="at least one of weights"):
        validate({"report": "shadow.jsonl"}, ShadowSettings, "site.yaml")
    shadow = ShadowSettings(report=Path("shadow.jsonl"), reader_weights=Path("trial.onnx"))
    assert DetectionSettings(shadow=shadow).readers == DetectionSettings().readers
