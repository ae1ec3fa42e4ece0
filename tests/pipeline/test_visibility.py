"""What a camera could not see: counted by the stage, saved with it, and said in words."""

from datetime import UTC, datetime, timedelta

import cv2
import numpy as np
import pytest
from drawn import RED_LIGHT, driving, frames, process_all, site, stage
from test_embedded import Footage, KillingSink, run
from workers import CAMERA, DrawnStages, Killed, Rig, of_camera

from etle.testing import MemoryCheckpoints
from etle.types import Lamp
from pipeline.detect.state import decode, encode
from pipeline.detect.view_check import CHECK_EVERY_S, ViewFault, check_view
from pipeline.detect.visibility import Visibility
from pipeline.detect.visibility_report import limitations
from pipeline.scene.judgement import Reason
from pipeline.workers.embedded import load_checkpoint

RUNNER = driving(5, 45, 40, 60)
STREAM = "tes/cam-1"


class Blind:
    """Cannot tell any lamp."""

    def read(self, image, head, order):
        return Lamp.UNKNOWN, 0.0


def said(seen: Visibility, **lost: int) -> tuple[str, ...]:
    return limitations("simpang", seen, lost, timezone="Asia/Jakarta", site_file="tes.yaml")


def test_a_signal_that_could_not_be_read_is_told_with_its_times():
    made = stage(site(RED_LIGHT), lamps=Blind())
    assert process_all(made, frames([RUNNER], 60)) == []
    signal, vehicles = said(made.state.visibility)
    assert signal == (
        "simpang: signal `barat` could not be read in 100 % of frames (10:00:00 to 10:00:05): no violation can be proven then."
        " See what is read with `etle check tes.yaml --footage FILE`, and draw its box again"
    )
    assert vehicles == (
        "simpang: 1 of 1 vehicles that met the line or lane of red_light could not be judged (1 signal unknown): see `etle explain`"
    )


def test_a_camera_that_saw_everything_says_nothing_but_the_unread_plate():
    made = stage(site(RED_LIGHT))
    assert len(process_all(made, frames([RUNNER], 60))) == 1
    assert made.state.visibility.vehicles == (("red_light", Reason.REPORTED, 1),)
    assert said(made.state.visibility) == (
        "simpang: the plate could not be read in 1 of 1 violations, 1 of them because they are narrower than 60 px",
    )


def test_a_vehicle_that_disappears_before_the_line_is_counted():
    made = stage(site(RED_LIGHT))
    process_all(made, frames([driving(5, 24, 40, 49.5)], 60))
    assert made.state.visibility.vehicles == (("red_light", Reason.LOST_BEFORE_LINE, 1),)


def test_a_finding_whose_pictures_are_gone_is_counted():
    watched = site(RED_LIGHT)
    made = stage(watched.model_copy(update={"evidence": watched.evidence.model_copy(update={"after_s": 3.0})}))
    dropped = 0
    for each in frames([RUNNER], 60):
        made.process(each)
        dropped += made.drop_pending()
    made.finish()
    assert dropped == 1
    assert made.state.visibility.vehicles == (("red_light", Reason.PICTURES_GONE, 1),)
    assert "1 pictures gone" in said(made.state.visibility)[0]


def test_lost_frames_are_told_by_reason():
    assert said(Visibility(), gap=3, undecodable=1) == ("simpang: 4 frames were lost (3 gap, 1 undecodable)",)


def test_the_counts_are_saved_with_the_stage():
    made = stage(site(RED_LIGHT), lamps=Blind())
    for each in frames([RUNNER], 30):
        made.process(each)
    assert decode(encode(made.state), made.state.fingerprint).visibility == made.state.visibility


@pytest.mark.parametrize("dies_at", [20, 50])
def test_a_run_that_was_killed_counts_each_frame_of_a_file_once(dies_at):
    def seen(checkpoints: MemoryCheckpoints) -> Visibility:
        saved = load_checkpoint(checkpoints, STREAM).state(DrawnStages().fingerprint(CAMERA))
        return saved.visibility

    shown = frames([RUNNER], 70)
    undisturbed, killed = MemoryCheckpoints(), MemoryCheckpoints()
    run(Footage(shown=shown), KillingSink(), undisturbed)
    with pytest.raises(Killed):
        run(Footage(dies_at=dies_at, shown=shown), KillingSink(), killed)
    run(Footage(shown=shown), KillingSink(), killed)
    assert seen(killed) == seen(undisturbed)
    assert seen(killed).frames == 70


def test_the_detect_worker_exports_what_was_seen():
    rig = Rig()
    rig.send(of_camera("cam-1", frames([RUNNER], 70)))
    rig.worker().drain()
    assert rig.metrics.value("etle_signal_readings_total", camera="cam-1", signal="barat", known="yes") == 70
    assert rig.metrics.value("etle_judged_vehicles_total", camera="cam-1", rule="red_light", reason="reported") == 1
    assert rig.metrics.value("etle_view_fault", camera="cam-1", fault="dark") == 0


def _street(shift_px: int = 0, blur_px: float = 0.0, light: float = 1.0) -> np.ndarray:
    """A picture with edges of many sizes, 640 x 360."""
    rng = np.random.default_rng(1)
    image = np.full((360, 800, 3), 110, np.uint8)
    for _ in range(60):
        x, y, w, h = (int(rng.integers(0, top)) for top in (780, 340, 120, 80))
        cv2.rectangle(image, (x, y), (x + w, y + h), tuple(int(c) for c in rng.integers(40, 220, 3)), -1)
    image = image[:, 80 + shift_px : 720 + shift_px]
    image = cv2.GaussianBlur(image, (0, 0), blur_px) if blur_px else image
    return (image * light).astype(np.uint8)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        pytest.param(_street(), set(), id="the same picture"),
        pytest.param(_street(light=0.7), set(), id="a cloud"),
        pytest.param(_street(shift_px=5), set(), id="sways by less than one percent"),
        pytest.param(_street(shift_px=40), {ViewFault.MOVED}, id="turned by six percent"),
        pytest.param(_street(blur_px=16), {ViewFault.BLURRED}, id="dirt on the lens"),
        pytest.param(_street(light=0.1), {ViewFault.DARK}, id="night without lamps"),
    ],
)
def test_faults_of_the_picture(now, expected):
    at = datetime(2026, 11, 23, tzinfo=UTC)
    _, state = check_view(_street(), at, None)
    assert check_view(now, at + timedelta(seconds=1), state) is None
    faults, _ = check_view(now, at + timedelta(seconds=CHECK_EVERY_S), state)
    assert faults == expected


def test_a_fault_of_the_picture_is_told_with_what_to_do():
    seen = Visibility(frames=900, views=9, view_faults=((ViewFault.MOVED, 3),))
    assert said(seen) == (
        "simpang: in 33 % of the checks the picture was shifted against the one on which the lines lie, and the rules paused:"
        " turn the camera back, or draw lines, lanes and signals again (`etle calibrate serve`)",
    )
