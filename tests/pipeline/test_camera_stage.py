"""One camera's stage on drawn footage: from JPEG to violation message, and resumed from a saved state."""

from dataclasses import replace
from datetime import timedelta

import cv2
import numpy as np
import pytest
from drawn import (
    FINGERPRINT,
    RED_LIGHT,
    SIZE,
    STOP_LINE,
    AlwaysRed,
    ColourDetector,
    driving,
    files_of,
    frame,
    frames,
    picture,
    process_all,
    site,
    stage,
)
from exhaustive import exhaustive

from etle.config.site import CameraSettings, RuleEntry
from etle.errors import FrameBroken
from etle.types import Box, EvidenceRole, Lamp, RuleName, digest_of
from pipeline.detect.state import StageState, decode, encode
from pipeline.rules.red_light import RedLight
from pipeline.scene.calibration import calibrate
from pipeline.scene.scene import Rule

RUNNER = driving(5, 45, 40, 60)  # 5 m/s: at the line in frame 25, at the junction in frame 33
STOPPER = {**driving(0, 16, 40, 49.6), **driving(16, 24, 49.6, 52), **dict.fromkeys(range(24, 90), 52.0)}
STREET = frames([RUNNER, driving(40, 90, 38, 63), driving(10, 60, 30, 49)], 100)
WATCHED = site(RED_LIGHT, STOP_LINE)


def test_running_a_red_light_gives_one_violation_with_pictures_and_clip():
    (found,) = process_all(stage(site(RED_LIGHT)), frames([RUNNER], 60))
    assert found.rule == "red_light"
    assert found.article.article.startswith("Pasal 287 ayat (2)")
    assert [(picture.role, picture.sequence) for picture in found.pictures[:2]] == [(EvidenceRole.BEFORE, 15), (EvidenceRole.AT, 25)]
    assert found.pictures[2].role is EvidenceRole.AFTER
    assert all(picture.vehicle_box for picture in found.pictures)
    assert found.clip is not None
    assert (found.clip.ends_at - found.clip.starts_at).total_seconds() == pytest.approx(3.6, abs=0.2)
    assert found.signal[0].lamp == "red"


def test_the_message_contains_every_file_that_it_names_with_the_bytes_of_the_camera():
    given = frames([RUNNER], 60)
    made = stage(site(RED_LIGHT))
    files = list(files_of(made, given))
    originals = {each.sha256: each.jpeg for each in given}
    for file in files:
        assert digest_of(file.data) == file.sha256
        assert file.suffix == ".mp4" or originals[file.sha256] == file.data


def test_two_vehicles_give_two_violations():
    found = process_all(stage(WATCHED), STREET)
    assert [violation.rule for violation in found] == ["red_light", "red_light"]
    assert len({violation.id for violation in found}) == 2


def test_stopping_past_the_line_is_reported_while_the_vehicle_stands():
    (found,) = process_all(stage(WATCHED), frames([STOPPER], 90))
    assert found.rule == "stop_line"
    assert {measured.name for measured in found.measured} == {"time_into_red", "past_line", "stood"}


def test_the_end_of_the_source_completes_pending_findings():
    (found,) = process_all(stage(site(RED_LIGHT)), frames([RUNNER], 41))
    assert found.pictures[-1].sequence <= 40


def test_the_detector_is_not_called_while_nothing_moves():
    detector = ColourDetector()
    made = stage(site(RED_LIGHT), detector=detector)
    process_all(made, frames([{}], 50))
    assert made.counts.frames == 50
    assert detector.images_seen == 50 - made.counts.gated
    assert detector.images_seen <= 11


@pytest.fixture(scope="module")
def undisturbed():
    return process_all(stage(WATCHED), STREET)


@pytest.mark.slow
@pytest.mark.parametrize("cut", exhaustive([0, 1, 17, 24, 26, 33, 34, 35, 36, 60, 75, 84, 90, 99]))
def test_resumed_from_a_saved_state_it_finds_what_an_undisturbed_run_finds(cut, undisturbed):
    first = stage(WATCHED)
    before = [message.violation for each in STREET[:cut] for message in first.process(each)]
    state = decode(encode(first.state), FINGERPRINT)
    assert state == first.state
    second = stage(WATCHED, state)
    for each in STREET[first.needed_from : cut]:
        second.refill(each)
    assert before + process_all(second, STREET[cut:]) == undisturbed


def test_only_the_buffered_frames_are_needed_after_a_restart():
    made = stage(site(RED_LIGHT))
    for each in frames([{}], 100):
        made.process(each)
    assert made.needed_from == 99 - 50


def test_a_broken_picture_is_rejected_and_the_stage_continues():
    made, given = stage(site(RED_LIGHT)), frames([RUNNER], 60)
    whole = given[20].jpeg
    broken = whole[:200] + b"\xff\xd9"
    for each in given[:20]:
        made.process(each)
    with pytest.raises(FrameBroken, match="frame 20 of cam-1"):
        made.process(replace(given[20], jpeg=broken))
    found = [message for each in given[21:] for message in made.process(each)]
    assert len(found) == 1


def test_a_picture_of_another_size_is_rejected_and_both_sizes_are_named():
    small = bytes(cv2.imencode(".jpg", np.zeros((480, 640, 3), np.uint8))[1])
    with pytest.raises(FrameBroken, match=r"640x480.*240x500"):
        stage(site(RED_LIGHT)).process(frame(small, 0, 0.0, (640, 480)))


def test_a_clock_that_goes_back_restarts_tracking_and_completes_what_was_pending():
    made, given = stage(site(RED_LIGHT)), frames([RUNNER], 42)
    found = [message.violation for each in given for message in made.process(each)]
    late = [frame(picture([], 0), 42 + n, -60 + n / 10) for n in range(5)]
    found += [message.violation for each in late for message in made.process(each)]
    assert [violation.rule for violation in found] == ["red_light"]
    assert made.state.tracker is None or made.state.tracker.tracks == ()


def test_a_clock_whose_steps_are_squeezed_restarts_tracking():
    made, given = stage(site(RED_LIGHT)), frames([RUNNER], 30)
    for each in given[:29]:
        made.process(each)
    assert made.state.tracker.tracks
    made.process(replace(given[29], captured_at=given[28].captured_at + timedelta(milliseconds=1)))
    assert made.state.tracker is None or len(made.state.tracker.tracks[0].sightings) == 1


def test_findings_without_pictures_are_counted_and_not_reported():
    watched = site(RED_LIGHT)
    watched = watched.model_copy(update={"evidence": watched.evidence.model_copy(update={"after_s": 2.5})})
    first, given = stage(watched), frames([RUNNER], 60)
    for each in given[:43]:
        first.process(each)
    assert first.state.pending.waiting
    second = stage(watched, first.state)  # a live camera does not repeat its frames
    assert second.drop_pending() == 1
    assert process_all(second, given[43:]) == []
    assert second.counts.without_pictures == 1


def test_the_state_of_other_code_or_configuration_is_not_resumed():
    state = StageState(fingerprint=FINGERPRINT, run="r", processed=7)
    assert decode(encode(state), FINGERPRINT) == state
    assert decode(encode(state), digest_of(b"another")) is None
    assert decode(encode(replace(state, version=1)), FINGERPRINT) is None


def test_a_state_of_an_older_version_or_a_damaged_one_is_not_resumed():
    assert decode(b"\x82\xa7version\x01\xa7made_by\xa1a", FINGERPRINT) is None
    assert decode(b"\x93nonsense", FINGERPRINT) is None


def test_a_rule_may_name_its_signal_by_another_key():
    """The stage reads the signals that the rule's drawing shows, whatever its settings call them."""

    class LampRecorder(AlwaysRed):
        def __init__(self) -> None:
            self.heads: list[Box] = []

        def read(self, image, head, order):
            self.heads.append(head)
            return super().read(image, head, order)

    class ObeysFrom(Rule):
        """Like `red_light`, with `obeys` as the key of its signal."""

        name = RuleName("red_light")

        def __init__(self, entry: RuleEntry, camera: CameraSettings) -> None:
            settings = RedLight.Settings(line="henti", entry="simpang", signal=str(entry.settings["obeys"]))
            self._rule = RedLight(settings, camera, calibrate(camera))

        def judge(self, scene):
            return self._rule.judge(scene)

        def drawing(self):
            return self._rule.drawing()

    watched = site({"rule": "red_light", "line": "henti", "entry": "simpang", "obeys": "barat"})
    camera, lamps = watched.cameras[0], LampRecorder()
    made = stage(watched, rules=[ObeysFrom(camera.rules[0], camera)], lamps=lamps)
    (found,) = process_all(made, frames([RUNNER], 60))
    assert len(lamps.heads) == 60
    assert found.signal[0].lamp == "red"


class HeadsOf:
    """Reads the lamp that a table has for the left edge of a head."""

    def __init__(self, **shown: Lamp) -> None:
        self._shown = {int(x[1:]): lamp for x, lamp in shown.items()}

    def read(self, image, head, order):
        return self._shown[round(head.x1 * SIZE[0] / image.shape[1])], 0.9


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        pytest.param(Lamp.RED, 1, id="both are red"),
        pytest.param(Lamp.UNKNOWN, 1, id="one is hidden"),
        pytest.param(Lamp.GREEN, 0, id="they contradict each other"),
    ],
)
def test_the_heads_of_a_signal_vote(second, expected):
    watched = site(RED_LIGHT)
    (signal,) = watched.cameras[0].signals
    further = signal.model_copy(update={"heads": ((20.0, 5.0, 30.0, 30.0),)})
    watched = watched.model_copy(update={"cameras": (watched.cameras[0].model_copy(update={"signals": (further,)}),)})
    first = round(signal.boxes[0].x1)
    found = process_all(stage(watched, lamps=HeadsOf(**{f"x{first}": Lamp.RED, "x20": second})), frames([RUNNER], 60))
    assert len(found) == expected
    assert all(len(each.drawing.signals) == 2 for each in found)
