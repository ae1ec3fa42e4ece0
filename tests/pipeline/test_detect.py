"""One camera's stage on drawn roads: from JPEG to parcel, and on from a checkpoint as if nothing had happened."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from drawn import MARK, RED_LIGHT, STOP_LINE, ColourDetector, driving, files_of, frame, frames, picture, site, stage, through

from etle.errors import FrameBroken, StoreError
from etle.types import EvidenceRole, digest_of
from pipeline.detect.state import StageState, decode, encode

RUNNER = driving(5, 45, 40, 60)  # 5 m/s: at the line in frame 25, at the junction in frame 33
STOPPER = {**driving(0, 20, 40, 52), **dict.fromkeys(range(20, 90), 52.0)}
STREET = frames([RUNNER, driving(40, 90, 38, 63), driving(10, 60, 30, 49)], 100)
WATCHED = site(RED_LIGHT, STOP_LINE)


def test_a_runner_becomes_one_violation_with_its_pictures_and_film():
    (found,) = through(stage(site(RED_LIGHT)), frames([RUNNER], 60))
    assert found.rule == "red_light"
    assert found.article.article.startswith("Pasal 287 ayat (2)")
    assert [(picture.role, picture.sequence) for picture in found.pictures[:2]] == [(EvidenceRole.BEFORE, 15), (EvidenceRole.AT, 25)]
    assert found.pictures[2].role is EvidenceRole.AFTER
    assert all(picture.vehicle_box for picture in found.pictures)
    assert found.clip is not None
    assert (found.clip.ends_at - found.clip.starts_at).total_seconds() == pytest.approx(3.6, abs=0.2)
    assert found.signal[0].lamp == "red"


def test_its_parcel_carries_every_file_that_it_names_as_the_camera_gave_it():
    given = frames([RUNNER], 60)
    made = stage(site(RED_LIGHT))
    files = list(files_of(made, given))
    originals = {each.sha256: each.jpeg for each in given}
    for file in files:
        assert digest_of(file.data) == file.sha256
        assert file.suffix == ".mp4" or originals[file.sha256] == file.data


def test_several_vehicles_are_kept_apart():
    found = through(stage(WATCHED), STREET)
    assert [violation.rule for violation in found] == ["red_light", "red_light"]
    assert len({violation.id for violation in found}) == 2


def test_stopping_past_the_line_is_reported_while_it_stands():
    (found,) = through(stage(WATCHED), frames([STOPPER], 90))
    assert found.rule == "stop_line"
    assert {measured.name for measured in found.measured} == {"time_into_red", "past_line", "stood"}


def test_the_end_of_the_footage_completes_what_is_pending():
    (found,) = through(stage(site(RED_LIGHT)), frames([RUNNER], 37))
    assert found.pictures[-1].sequence <= 36


def test_nothing_moves_and_nothing_is_looked_at():
    detector = ColourDetector()
    made = stage(site(RED_LIGHT), detector=detector)
    through(made, frames([{}], 50))
    assert made.counts.frames == 50
    assert detector.looked == 50 - made.counts.gated
    assert detector.looked <= 11


@pytest.fixture(scope="module")
def undisturbed():
    return through(stage(WATCHED), STREET)


@pytest.mark.parametrize("cut", [0, 1, 17, 24, 26, 33, 34, 35, 36, 60, 75, 84, 90, 99])
def test_on_from_a_checkpoint_it_finds_what_an_undisturbed_run_finds(cut, undisturbed):
    first = stage(WATCHED)
    before = [parcel.violation for each in STREET[:cut] for parcel in first.process(each)]
    memory = decode(encode(first.memory), MARK)
    assert memory == first.memory
    second = stage(WATCHED, memory)
    for each in STREET[first.needed_from : cut]:
        second.refill(each)
    assert before + through(second, STREET[cut:]) == undisturbed


def test_what_is_needed_is_bounded_by_what_is_kept():
    made = stage(site(RED_LIGHT))
    for each in frames([{}], 100):
        made.process(each)
    assert made.needed_from == 99 - 50


def test_a_broken_picture_is_refused_and_the_stage_goes_on():
    made, given = stage(site(RED_LIGHT)), frames([RUNNER], 60)
    whole = given[20].jpeg
    broken = whole[:200] + b"\xff\xd9"
    for each in given[:20]:
        made.process(each)
    with pytest.raises(FrameBroken, match="frame 20 of cam-1"):
        made.process(replace(given[20], jpeg=broken))
    found = [parcel for each in given[21:] for parcel in made.process(each)]
    assert len(found) == 1


def test_a_picture_of_another_size_is_refused_with_both_sizes():
    small = bytes(cv2.imencode(".jpg", np.zeros((480, 640, 3), np.uint8))[1])
    with pytest.raises(FrameBroken, match=r"640x480.*1000x1000"):
        stage(site(RED_LIGHT)).process(frame(small, 0, 0.0, (640, 480)))


def test_a_clock_that_goes_back_begins_a_new_story_and_loses_nothing_before_it():
    made, given = stage(site(RED_LIGHT)), frames([RUNNER], 40)
    found = [parcel.violation for each in given for parcel in made.process(each)]
    late = [frame(picture([], 0), 40 + n, -60 + n / 10) for n in range(5)]
    found += [parcel.violation for each in late for parcel in made.process(each)]
    assert [violation.rule for violation in found] == ["red_light"]
    assert made.memory.tracker is None or made.memory.tracker.tracks == ()


def test_findings_whose_pictures_are_gone_are_counted_and_not_reported():
    first = stage(site(RED_LIGHT))
    given = frames([RUNNER], 60)
    for each in given[:38]:
        first.process(each)
    assert first.memory.pending
    second = stage(site(RED_LIGHT), first.memory)  # a live camera does not show its past again
    assert second.drop_pending() == 1
    assert through(second, given[38:]) == []
    assert second.counts.without_pictures == 1


def test_the_memory_of_other_code_or_configuration_is_of_no_use():
    memory = StageState(made_by=MARK, run="r", processed=7)
    assert decode(encode(memory), MARK) == memory
    assert decode(encode(memory), digest_of(b"another")) is None
    assert decode(encode(replace(memory, version=0)), MARK) is None


def test_a_checkpoint_that_is_none_says_so():
    with pytest.raises(StoreError, match="--from-start"):
        decode(b"\x93nonsense", MARK)
