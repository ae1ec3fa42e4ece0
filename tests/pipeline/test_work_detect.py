"""The detect worker: whatever dies, comes twice or makes no sense, each violation is there, and once."""

from dataclasses import replace
from datetime import timedelta

import pytest
from drawn import ColourDetector, frame, stage, through
from workers import CAMERA, NAMES, STREET, WATCHED, Countdown, DrawnStages, Killed, Rig, of_camera

from etle.errors import BrokerUnavailable, InferenceError
from etle.signing import Signer
from etle.testing import ScriptedDetector, a_frame, a_jpeg
from etle.types import Digest, ViolationId, digest_of
from pipeline.workers.checkpoint import checkpoint_from_wire

EXPECTED = {found.id: found for found in through(stage(WATCHED), STREET)}


def contents(rig: Rig) -> dict[ViolationId, object]:
    return {name: (parcel.violation.pictures, parcel.violation.clip) for name, parcel in rig.violations.items()}


UNDISTURBED = {name: (found.pictures, found.clip) for name, found in EXPECTED.items()}


def test_the_violations_are_those_of_the_stage_by_itself():
    rig = Rig()
    rig.send(STREET)
    rig.worker().drain().fall_silent()
    assert len(EXPECTED) == 2
    assert contents(rig) == UNDISTURBED


def chunks(step: int):
    return [STREET[start : start + step] for start in range(0, len(STREET), step)]


def in_chunks(rig: Rig, countdown: Countdown) -> None:
    """Frames come while the worker works; dies where the countdown says."""
    running = rig.worker(countdown)
    running.step()
    try:
        while len(rig.broker.messages(NAMES.frames)) < len(STREET):
            sent = len(rig.broker.messages(NAMES.frames))
            rig.send(STREET[sent : sent + 6])
            running.step()
        running.drain().fall_silent()
    finally:
        running.die()


def things_done() -> int:
    countdown = Countdown()
    in_chunks(Rig(), countdown)
    return countdown.done


@pytest.mark.parametrize("dies_at", range(things_done()))
def test_killed_before_anything_that_it_does_to_the_broker_the_next_one_finds_the_same(dies_at):
    rig = Rig()
    with pytest.raises(Killed):
        in_chunks(rig, Countdown(dies_at))
    in_chunks(rig, Countdown())
    assert contents(rig) == UNDISTURBED
    assert rig.reasons == []


def test_killed_again_and_again_while_it_fills_its_ring_it_still_has_all_its_pictures():
    rig = Rig()
    rig.send(STREET[:26])
    rig.worker().drain().die()
    for _ in range(3):
        running = rig.worker()
        running.step()
        running.worker.save()
        running.die()
    rig.send(STREET[26:])
    rig.worker().drain().fall_silent()
    assert contents(rig) == UNDISTURBED


def test_after_a_restart_frames_are_only_read_again_for_their_pictures():
    rig = Rig()
    rig.send(STREET[:30])
    rig.worker().drain().stop()
    looked = rig.stages.detector.looked
    rig.worker().drain().die()
    assert rig.stages.detector.looked == looked
    assert rig.metrics.value("etle_frames_total", camera=CAMERA, outcome="refilled") > 0


def test_frames_that_come_twice_are_left_out():
    rig = Rig()
    for chunk in chunks(8):
        rig.send(chunk)
        rig.send(chunk)
    rig.worker().drain().fall_silent()
    assert contents(rig) == UNDISTURBED
    assert rig.metrics.value("etle_frames_total", camera=CAMERA, outcome="repeated") == len(STREET)


def test_numbers_that_are_missing_are_counted_as_lost():
    rig = Rig()
    rig.send([each for each in STREET if each.sequence not in (5, 6, 30)])
    rig.worker().drain()
    assert rig.metrics.value("etle_frames_total", camera=CAMERA, outcome="lost") == 3


POISON = [
    pytest.param(lambda rig: rig.broker.publish(NAMES.frames, b"hello", key=b"cam-1"), "header schema is missing", id="no frame at all"),
    pytest.param(
        lambda rig: rig.send([replace(STREET[9], sequence=9, jpeg=STREET[9].jpeg + b"x")]), "another digest", id="a changed picture"
    ),
    pytest.param(lambda rig: rig.send([a_frame(9, camera="nobody")]), "has no camera 'nobody'", id="a camera that the site does not have"),
    pytest.param(lambda rig: rig.send([frame(b"\xff\xd8 no", 9, 1.8)]), "frame 9 of cam-1: a JPEG that breaks off", id="no JPEG"),
    pytest.param(lambda rig: rig.send([frame(a_jpeg(), 9, 1.8)]), "1000x1000, and is 64x48", id="another size than it says"),
    pytest.param(
        lambda rig: rig.send([frame(a_jpeg(), 9, 1.8, (64, 48))]), "is 64x48, and the site file", id="another size than is drawn on"
    ),
]


@pytest.mark.parametrize("poison, reason", POISON)
def test_poison_is_set_aside_with_its_reason_once_and_the_road_goes_on(poison, reason):
    rig = Rig()
    rig.send(STREET[:9])
    poison(rig)
    rig.send(STREET[10:20])
    rig.worker().drain().stop()
    rig.send(STREET[20:])
    rig.worker().drain().fall_silent()
    assert len(rig.reasons) == 1
    assert reason in rig.reasons[0]
    without = {found.id for found in through(stage(WATCHED), [each for each in STREET if each.sequence != 9])}
    assert set(rig.violations) == without


def test_a_letter_holds_what_came():
    rig = Rig()
    rig.broker.publish(NAMES.frames, b"hello", key=b"cam-1", headers=[("camera", b"x")])
    rig.worker().drain()
    (message,) = rig.broker.messages(NAMES.dead_letters)
    named = dict(message.headers)
    assert (message.key, message.value, named["camera"], named["dead-topic"], named["dead-stage"]) == (
        b"cam-1", b"hello", b"x", NAMES.frames.encode(), b"detect",
    )  # fmt: skip


def test_a_model_that_fails_is_raised_and_nothing_of_that_step_counts():
    rig = Rig(stages=DrawnStages(detector=ScriptedDetector([InferenceError("the weights are damaged")])))
    rig.send(STREET)
    running = rig.worker()
    running.step()
    with pytest.raises(InferenceError):
        running.step()
    assert rig.broker.groups[NAMES.frames, NAMES.detect_group].positions == {}


def test_only_frames_with_the_signature_of_their_box_go_through(tmp_path):
    ours, other = (Signer.from_file(tmp_path / f"{name}.pem") for name in ("ours", "other"))
    rig = Rig(verify=lambda camera, signed, signature: signature == ours.sign(signed))
    rig.send(STREET[:5], ours.sign)
    rig.send(STREET[5:6], other.sign)
    rig.send(STREET[6:7])
    rig.worker().drain()
    assert [reason.split(": ")[1] for reason in rig.reasons] == [
        "the signature is not valid for any device that may sign for this camera",
        "no signature, and this site requires one",
    ]


def test_a_silent_camera_has_ended_and_no_longer_holds_the_partition():
    rig = Rig()
    rig.send(STREET[:32])  # the second car's pictures are not complete
    running = rig.worker().drain()
    before = len(rig.violations)
    running.fall_silent()
    assert len(rig.violations) == before + 1
    assert rig.broker.groups[NAMES.frames, NAMES.detect_group].positions[0].offset == 32


def test_a_camera_is_not_taken_for_silent_while_its_frames_wait():
    rig = Rig()
    rig.send(STREET[:30])
    running = rig.worker().drain()
    before = len(rig.violations)
    rig.send(STREET[30:])
    running.subscriber.pause()
    running.fall_silent()
    assert len(rig.violations) == before


def test_a_box_that_counts_anew_begins_another_story():
    rig = Rig()
    rig.send(STREET)
    later = [replace(each, captured_at=each.captured_at + timedelta(minutes=5)) for each in STREET]
    rig.send(later)
    rig.worker().drain().fall_silent()
    rig.worker().drain().fall_silent()
    assert len(rig.violations) == 4


def test_another_configuration_goes_on_with_what_was_pending():
    rig = Rig()
    rig.send(STREET[:19])  # the first car is over both lines, its film is not complete
    rig.worker().drain().stop()
    assert not rig.violations
    rig.stages = DrawnStages(made_by=Digest("b" * 64))
    rig.send(STREET[19:])
    rig.worker().drain().fall_silent()
    assert set(rig.violations) == set(EXPECTED)


@pytest.mark.parametrize("joins_after", [14, 22])
def test_a_worker_that_joins_takes_cameras_over_and_nothing_is_lost_or_doubled(joins_after):
    rig = Rig(partitions=2, stages=DrawnStages("cam-1", "cam-2", "cam-3"))
    cameras = [of_camera(name) for name in ("cam-1", "cam-2", "cam-3")]
    for each in zip(*[camera[:joins_after] for camera in cameras], strict=True):
        rig.send(each)
    one = rig.worker().drain()
    two = rig.worker()
    for each in zip(*[camera[joins_after:] for camera in cameras], strict=True):
        rig.send(each)
    for _ in range(12):
        one.step()
        two.step()
    one.die()
    two.drain().fall_silent()
    alone = Rig(partitions=2, stages=DrawnStages("cam-1", "cam-2", "cam-3"))
    for each in zip(*cameras, strict=True):
        alone.send(each)
    alone.worker().drain().fall_silent()
    assert len(alone.violations) == 6
    assert contents(rig) == contents(alone)


def test_a_worker_that_was_thought_dead_and_saves_late_takes_nothing_away():
    rig = Rig()
    rig.send(STREET[:20])
    zombie = rig.worker()
    zombie.step()
    zombie.worker.step(0)  # it has seen frames, and saved nothing
    zombie.subscriber.close()
    living = rig.worker().drain()
    rig.send(STREET[20:28])
    living.drain()
    living.worker.save()
    zombie.worker.save()  # an old checkpoint over a newer one
    living.die()
    rig.send(STREET[28:])
    rig.worker().drain().fall_silent()
    assert contents(rig) == UNDISTURBED


def test_several_cameras_are_shown_to_the_detector_at_once():
    class Counting(ColourDetector):
        def __init__(self) -> None:
            super().__init__()
            self.batches: list[int] = []

        def detect(self, images):
            self.batches.append(len(images))
            return super().detect(images)

    detector = Counting()
    rig = Rig(partitions=1, stages=DrawnStages("cam-1", "cam-2", "cam-3", detector=detector))
    for each in zip(*[of_camera(name, STREET[:20]) for name in ("cam-1", "cam-2", "cam-3")], strict=True):
        rig.send(each)
    rig.worker().drain()
    assert max(detector.batches) == 3


def test_a_broker_that_goes_away_is_told():
    rig = Rig()
    running = rig.worker()
    rig.broker.down = True
    with pytest.raises(BrokerUnavailable):
        running.step()


def test_a_checkpoint_that_nobody_can_read_costs_only_the_vehicles_on_their_way():
    rig = Rig()
    rig.broker.publish(NAMES.checkpoints, b"\x93not a checkpoint", key=b"cam-1", partition=0)
    rig.send(STREET)
    rig.worker().drain().fall_silent()
    assert contents(rig) == UNDISTURBED


def test_the_checkpoint_says_which_frames_are_needed():
    rig = Rig()
    rig.send(STREET)
    rig.worker().drain().stop()
    checkpoint = checkpoint_from_wire(rig.broker.latest(NAMES.checkpoints, 0)[b"cam-1"])
    assert (checkpoint.processed, checkpoint.next_offset) == (43, 44)
    assert 0 < checkpoint.needed_offset < 44
    assert digest_of(checkpoint.memory)
