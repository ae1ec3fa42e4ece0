"""What `etle explain` tells and shows: the decisions of the stage itself, in words, JSON and a video."""

from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import cv2
import pytest
from drawn import RED_LIGHT, STOP_LINE, driving, frames, site
from scenario import second
from test_embedded import Footage
from workers import CAMERA, DrawnStages

from etle.errors import ConfigError
from etle.testing import ManualClock
from etle.types import Lamp, Measurement, RuleName, TrackId
from pipeline.explain.document import document_of
from pipeline.explain.record import Explanation, Period, RuleDecision, explain_camera, only_track
from pipeline.explain.sentences import REASONS, TextLanguage, sentence
from pipeline.explain.video import write_video
from pipeline.scene.judgement import Judgement, LampState, LinePassage, NotReported, Reason

ZONE = ZoneInfo("Asia/Jakarta")
WATCHED = site(RED_LIGHT, STOP_LINE)
STREET = frames([driving(5, 45, 40, 60), {n: min(40 + (n - 5) * 0.25, 52.0) for n in range(5, 100)}], 100)
"""A car that runs the red and one that stops beyond the line."""


def explained(start: float | None = None, end: float | None = None) -> Explanation:
    """`start` and `end`: of the wanted time, in seconds."""
    period = Period(start=None if start is None else second(start), end=None if end is None else second(end))
    stages = DrawnStages(watched=WATCHED)
    camera = WATCHED.cameras[0].model_copy(update={"id": CAMERA})
    return explain_camera(camera, WATCHED.evidence, stages, Footage(shown=STREET), ManualClock(), period)


@pytest.fixture(scope="module")
def explanation() -> Explanation:
    return explained()


def test_every_vehicle_that_met_a_line_is_explained_by_each_rule(explanation):
    runner, stopped = explanation.vehicles
    assert [(each.judgement.rule, each.reason) for each in runner.decisions] == [
        ("red_light", Reason.REPORTED),
        ("stop_line", Reason.DROVE_ON),
    ]
    assert [(each.judgement.rule, each.reason) for each in stopped.decisions] == [
        ("red_light", Reason.NOT_ENTERED),
        ("stop_line", Reason.REPORTED),
    ]
    assert [violation.rule for vehicle in explanation.vehicles for violation in vehicle.violations] == ["red_light", "stop_line"]


def test_every_frame_has_its_boxes_and_lamps(explanation):
    assert [each.sequence for each in explanation.frames] == list(range(100))
    assert {lamp for each in explanation.frames for _, lamp in each.lamps} == {Lamp.RED}
    assert len(explanation.frames[30].boxes) == 2


def test_the_wanted_time_selects_frames_and_vehicles():
    early = explained(end=0.2)
    assert (early.frames[-1].captured_at, early.vehicles) == (second(0.2), ())
    late = explained(start=6)
    assert late.frames[0].captured_at == second(6)
    assert [each.reason for vehicle in late.vehicles for each in vehicle.decisions] == [Reason.NOT_ENTERED, Reason.REPORTED]


def test_one_track_is_shown_with_the_time_around_it(explanation):
    chosen = explanation.vehicles[0].track
    one = only_track(explanation, chosen.id)
    assert [vehicle.track.id for vehicle in one.vehicles] == [chosen.id]
    assert one.frames[-1].captured_at <= chosen.last.captured_at + timedelta(seconds=2)
    with pytest.raises(ConfigError, match="no vehicle with track '9-9'"):
        only_track(explanation, "9-9")


def test_the_document_tells_moments_and_sentences_in_both_languages(explanation):
    document = document_of(explanation, (), ZONE)
    red_light = document["vehicles"][0]["decisions"][0]
    assert red_light["reason"] == "reported"
    assert red_light["crossed"]["line"] == "henti"
    assert red_light["crossed"]["at"].startswith("2026-11-23T10:00:02.")
    assert red_light["text"]["en"].startswith("front crossed `henti` at 10:00:02.")
    assert red_light["text"]["id"].endswith("dilaporkan")
    assert document["vehicles"][0]["violations"][0]["rule"] == "red_light"


def test_the_video_plays_and_shows_the_reported_vehicle_in_red(tmp_path, explanation):
    write_video(tmp_path / "explain.mp4", replace(explanation, frames=explanation.frames[38:44]), STREET, ZONE)
    video = cv2.VideoCapture(str(tmp_path / "explain.mp4"))
    shown = []
    while (read := video.read())[0]:
        shown.append(read[1])
    assert len(shown) == 6
    box = next(box for name, box in explanation.frames[40].boxes if name == explanation.vehicles[0].track.id)
    scale = shown[2].shape[1] / WATCHED.cameras[0].frame_size[0]
    beside = shown[2][round(scale * (box.y1 + box.height / 2)), round(scale * box.x1) - 1].tolist()
    assert beside[2] > 1.5 * max(beside[:2]), "the red box that is drawn around the car, which stands on grey"


def told(outcome: NotReported, language: TextLanguage = TextLanguage.EN, **facts: object) -> str:
    judgement = Judgement(rule=RuleName("red_light"), track=TrackId("1-0"), outcome=outcome, **facts)
    return sentence(RuleDecision(entry=0, judgement=judgement), ZONE, language)


def test_a_signal_that_could_not_be_read_is_told_with_its_time():
    outcome = NotReported(reason=Reason.SIGNAL_UNKNOWN, signal=LampState(Lamp.UNKNOWN, second(29.9)))
    crossed = LinePassage("henti", second(30.4))
    expected = "front crossed `henti` at 10:00:30.4; signal unknown since 10:00:29.9; the signal could not be read; not reported"
    assert told(outcome, crossed=crossed) == expected
    expected = (
        "bagian depan melewati `henti` pukul 10:00:30.4; lampu tidak terbaca sejak 10:00:29.9; lampu tidak dapat dibaca; tidak dilaporkan"
    )
    assert told(outcome, TextLanguage.ID, crossed=crossed) == expected


def test_a_quantity_is_told_with_uncertainty_and_limit():
    measured = Measurement(name="against", value=3.2, unit="m", uncertainty=0.42)
    outcome = NotReported(reason=Reason.AGAINST_TOO_SHORT, measured=measured, limit=5.0)
    expected = "on lane `kiri`; against the arrow 3.2 ± 0.4 m, limit 5.0; too short a distance against the arrow; not reported"
    assert told(outcome, lane="kiri") == expected


def test_every_reason_has_its_texts():
    assert set(REASONS) == set(Reason)
