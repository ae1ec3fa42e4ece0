"""`etle evaluate clips`: labels become a site, frames run through the stage, and the reports are compared with the labels."""

import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from drawn import AlwaysRed, ColourDetector, EmptyReader, LowerMiddlePlateDetector

from etle.clock import SystemClock
from etle.errors import ConfigError
from etle.media.video import encode_clip
from etle.types import Box, RuleName, View, Violation
from etle_cli.main import main
from ingest.sources.provider import SiteSources
from pipeline.assembly import Engines
from pipeline.evaluation.clip_labels import LabelledClip, load_clips
from pipeline.evaluation.clip_sites import STARTS_AT, site_of
from pipeline.evaluation.clips import ClipReport, as_json, run, score

FPS = 10.0
HEAD = {"box": [300, 10, 310, 40], "lamps": "red-yellow-green", "state": [[0, 59, "red"]]}
CROSSING = {"vehicle": "car", "first": 20, "last": 28, "contact": 27, "red_light_violation": True}
LINE = {"line": [[40, 150], [280, 150]], "direction": "away from camera (upwards)", "crossings": [CROSSING]}


def drive_away(number: int) -> np.ndarray:
    """A red rectangle that moves up the picture by three pixels each frame."""
    image = np.full((240, 320, 3), 90, np.uint8)
    foot = 230 - 3 * number
    image[max(0, foot - 40) : max(0, foot), 130:180] = (40, 40, 220)
    return image


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "a.mp4").write_bytes(encode_clip([drive_away(number) for number in range(60)], FPS, 320, 240))
    return tmp_path


def labelled(folder: Path, **labels: object) -> LabelledClip:
    (folder / "clips_truth.json").write_text(json.dumps({"_note": "", "a.mp4": {"tolerance_frames": 3, "lines": [LINE], **labels}}))
    return load_clips(folder)[0]


def reports(clip: LabelledClip, *frames: float, rule: str = "red_light") -> list[Violation]:
    """Reports at these frames; only rule and time are compared."""
    made = []
    for number in frames:
        violation = Violation.__new__(Violation)
        object.__setattr__(violation, "rule", RuleName(rule))
        object.__setattr__(violation, "occurred_at", STARTS_AT + timedelta(seconds=number / clip.fps))
        made.append(violation)
    return made


def test_a_labelled_clip_runs_through_the_stage(folder):
    clip = labelled(folder, signal=[HEAD])
    engines = Engines(
        detector=ColourDetector(), plate_detector=LowerMiddlePlateDetector(), readers=(EmptyReader(),), tiebreaker=None, lamps=AlwaysRed()
    )
    read = lambda site: SiteSources(site, SystemClock()).open(site.cameras[0]).frames()  # noqa: E731
    row = score(clip, [message.violation for message in run(site_of(clip, 0.15), engines, read)])
    assert (row.must, row.hit, row.false) == (1, 1, 0)
    figures = as_json(ClipReport(variants={"tight": (row,), "larger_15": (row,)}))
    assert {key: figures[key] for key in ("must", "hit", "false")} == {"must": 2, "hit": 2, "false": 0}
    assert figures["larger_15"]["clips"]["a.mp4"]["hit"] == 1


def test_the_site_has_the_labelled_line_and_all_heads_but_arrows_with_a_margin(folder):
    wide, arrow = {**HEAD, "box": [200, 10, 230, 70]}, {**HEAD, "kind": "arrow", "box": [0, 0, 90, 200]}
    (camera,) = site_of(labelled(folder, signal=[HEAD, wide, arrow]), 0.1).cameras
    assert camera.view is View.REAR
    assert camera.signals[0].boxes == (Box(197, 4, 233, 76), Box(299, 7, 311, 43))
    assert camera.line("henti").points == ((40, 150), (280, 150))
    assert max(y for _, y in camera.line("simpang").points) < 150


@pytest.mark.parametrize(
    ("direction", "line", "view", "beyond"),
    [
        ("towards camera", [[40, 150], [280, 150]], View.FRONT, lambda x, y: y > 150),
        ("away from camera (upwards, to the left)", [[40, 170], [280, 150]], View.REAR, lambda x, y: y < 150),
        ("to the right", [[100, 20], [110, 220]], View.REAR, lambda x, y: x > 110),
        ("down", [[280, 150], [40, 150]], View.FRONT, lambda x, y: y > 150),
    ],
)
def test_the_direction_of_a_line(folder, direction, line, view, beyond):
    clip = labelled(folder, signal=[HEAD], lines=[{**LINE, "direction": direction, "line": line}])
    (camera,) = site_of(clip, 0.0).cameras
    assert camera.view is view
    assert beyond(*camera.line("henti").beyond)


def test_a_clip_without_a_signal_is_watched_for_vehicles_against_the_traffic(folder):
    (camera,) = site_of(labelled(folder, lines=[{**LINE, "crossings": []}]), 0.0).cameras
    assert [rule.rule for rule in camera.rules] == ["wrong_way"]
    assert camera.lanes[0].along[0][1] > 150 > camera.lanes[0].along[1][1]


@pytest.mark.parametrize(
    ("frames", "hit", "false"),
    [((24,), 1, 0), ((), 0, 0), ((15,), 0, 1), ((24, 26), 1, 1), ((24, 50), 1, 1), ((32,), 1, 0), ((33,), 0, 1)],
)
def test_a_report_is_right_within_the_tolerance_of_one_labelled_violation(folder, frames, hit, false):
    clip = labelled(folder, signal=[HEAD])
    row = score(clip, reports(clip, *frames))
    assert (row.must, row.hit, row.false) == (1, hit, false)


def test_two_violations_at_once_need_two_reports(folder):
    clip = labelled(folder, signal=[HEAD], lines=[{**LINE, "crossings": [CROSSING, CROSSING]}])
    assert [score(clip, reports(clip, *frames)).hit for frames in ((24,), (24, 25))] == [1, 2]


def test_what_the_labels_cannot_judge_is_not_false(folder):
    clip = labelled(folder, signal=[HEAD], lines=[{**LINE, "crossings_at_least": 1}])
    assert (score(clip, reports(clip, 24, 25)).false, score(clip, reports(clip, 24, 25)).unlabelled) == (0, 1)
    assert score(clip, reports(clip, 24, 50)).false == 1
    stops = score(clip, reports(clip, 40, rule="stop_line"))
    assert (stops.false, stops.unlabelled) == (0, 1)


def test_a_crossing_in_the_grace_of_the_red_is_excused(folder):
    clip = labelled(folder, signal=[{**HEAD, "state": [[0, 24, "yellow"], [25, 59, "red"]]}])
    assert (score(clip, []).must, score(clip, []).excused) == (0, 1)
    assert score(clip, reports(clip, 26)).false == 0


def test_violations_that_only_the_list_names_count_too(folder):
    listed = [{"type": "red_light", "frames": [20, 28]}, {"type": "stop_line", "frames": [40, 44]}]
    clip = labelled(folder, signal=[HEAD], violations=listed)
    assert [violation.rule for violation in clip.violations] == ["red_light", "stop_line"]
    assert score(clip, reports(clip, 42, rule="stop_line")).hit == 1


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        ({"signal": "red throughout"}, "a.mp4: violations on red need the signal head"),
        ({"signal": [HEAD], "lines": []}, "a.mp4: it has no line"),
        ({"signal": [HEAD], "lines": [{**LINE, "direction": "sideways"}]}, "the direction 'sideways'"),
        ({"signal": [{"box": [1, 2]}]}, "a.mp4: its labels cannot be read"),
    ],
)
def test_wrong_labels_are_named(folder, labels, text):
    with pytest.raises(ConfigError, match=r".") as caught:
        labelled(folder, **labels)
    assert text in str(caught.value)


def test_a_folder_that_cannot_be_evaluated(tmp_path, folder, capsys):
    assert main(["evaluate", "clips", str(tmp_path / "nowhere")]) == 1
    assert "contains no clips_truth.json" in capsys.readouterr().err
    labelled(folder, signal=[HEAD])
    assert main(["evaluate", "clips", str(folder), "--clip", "b.mp4"]) == 1
    assert "has no clip 'b.mp4'; it has: a.mp4" in capsys.readouterr().err
    (folder / "clips" / "a.mp4").unlink()
    assert main(["evaluate", "clips", str(folder)]) == 1
    assert "there is no file" in capsys.readouterr().err
