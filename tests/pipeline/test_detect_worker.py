"""The detect worker: each violation is published once, whatever is killed, repeated or malformed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from drawn import frame, process_all, stage
from exhaustive import exhaustive
from workers import CAMERA, NAMES, STREET, WATCHED, Countdown, DrawnStages, Killed, Rig, of_camera

from etle.errors import BrokerUnavailable, InferenceError
from etle.signing import Signer
from etle.testing import ScriptedDetector, a_frame, a_jpeg
from etle.types import Digest, Violation, ViolationId, digest_of
from etle.wire import is_violation_signed
from pipeline.workers.checkpoint import checkpoint_from_wire

EXPECTED = {found.id: found for found in process_all(stage(WATCHED), STREET)}


def contents(rig: Rig) -> dict[ViolationId, object]:
    return {name: (message.violation.pictures, message.violation.clip) for name, message in rig.violations.items()}


UNDISTURBED = {name: (found.pictures, found.clip) for name, found in EXPECTED.items()}


def test_the_violations_are_those_of_the_stage_by_itself():
    rig = Rig()
    rig.send(STREET)
    rig.worker().drain().exceed_idle_timeout()
    assert len(EXPECTED) == 2
    assert contents(rig) == UNDISTURBED


def chunks(step: int):
    return [STREET[start : start + step] for start in range(0, len(STREET), step)]


def in_chunks(rig: Rig, countdown: Countdown) -> None:
    """Frames arrive while the worker runs; it is killed where the countdown says."""
    running = rig.worker(countdown)
    running.step()
    try:
        while len(rig.broker.messages(NAMES.frames)) < len(STREET):
            sent = len(rig.broker.messages(NAMES.frames))
            rig.send(STREET[sent : sent + 6])
            running.step()
        running.drain().exceed_idle_timeout()
    finally:
        running.die()


def count_operations() -> int:
    countdown = Countdown()
    in_chunks(Rig(), countdown)
    return countdown.done


@pytest.mark.parametrize("dies_at", exhaustive(range(count_operations()), fast=4))
def test_killed_before_any_operation_on_the_broker_the_next_worker_finds_the_same(dies_at):
    rig = Rig()
    with pytest.raises(Killed):
        in_chunks(rig, Countdown(dies_at))
    in_chunks(rig, Countdown())
    assert contents(rig) == UNDISTURBED
    assert rig.reasons == []


def test_killed_repeatedly_while_it_refills_its_buffer_it_still_has_all_pictures():
    rig = Rig()
    rig.send(STREET[:26])
    rig.worker().drain().die()
    for _ in range(3):
        running = rig.worker()
        running.step()
        running.worker.save()
        running.die()
    rig.send(STREET[26:])
    rig.worker().drain().exceed_idle_timeout()
    assert contents(rig) == UNDISTURBED


def test_frames_that_are_read_again_after_a_restart_go_to_the_buffer_only():
    rig = Rig()
    rig.send(STREET[:30])
    rig.worker().drain().stop()
    images_seen = rig.stages.detector.images_seen
    rig.worker().drain().die()
    assert rig.stages.detector.images_seen == images_seen
    assert rig.metrics.value("etle_frames_total", camera=CAMERA, outcome="refilled") > 0


def test_duplicate_frames_are_ignored():
    rig = Rig()
    for chunk in chunks(8):
        rig.send(chunk)
        rig.send(chunk)
    rig.worker().drain().exceed_idle_timeout()
    assert contents(rig) == UNDISTURBED
    assert rig.metrics.value("etle_frames_total", camera=CAMERA, outcome="repeated") == len(STREET)


def test_missing_sequence_numbers_are_counted_as_lost():
    rig = Rig()
    rig.send([each for each in STREET if each.sequence not in (5, 6, 30)])
    rig.worker().drain()
    assert rig.metrics.value("etle_frames_total", camera=CAMERA, outcome="lost") == 3


MALFORMED = [
    pytest.param(lambda rig: rig.broker.publish(NAMES.frames, b"hello", key=b"cam-1"), "header schema is missing", id="not a frame"),
    pytest.param(
        lambda rig: rig.send([replace(STREET[9], sequence=9, jpeg=STREET[9].jpeg + b"x")]), "another digest", id="a changed picture"
    ),
    pytest.param(lambda rig: rig.send([a_frame(9, camera="nobody")]), "has no camera 'nobody'", id="an unknown camera"),
    pytest.param(lambda rig: rig.send([frame(b"\xff\xd8 no", 9, 1.8)]), "frame 9 of cam-1: a JPEG that is truncated", id="not a JPEG"),
    pytest.param(lambda rig: rig.send([frame(a_jpeg(), 9, 1.8)]), "240x500, its JPEG is 64x48", id="another size than its message says"),
    pytest.param(
        lambda rig: rig.send([frame(a_jpeg(), 9, 1.8, (64, 48))]), "is 64x48, but the site file", id="another size than frame_size"
    ),
]


@pytest.mark.parametrize("damage, reason", MALFORMED)
def test_a_malformed_message_becomes_one_dead_letter_and_the_worker_continues(damage, reason):
    rig = Rig()
    rig.send(STREET[:9])
    damage(rig)
    rig.send(STREET[10:20])
    rig.worker().drain().stop()
    rig.send(STREET[20:])
    rig.worker().drain().exceed_idle_timeout()
    assert len(rig.reasons) == 1
    assert reason in rig.reasons[0]
    without = {found.id for found in process_all(stage(WATCHED), [each for each in STREET if each.sequence != 9])}
    assert set(rig.violations) == without


def test_a_dead_letter_contains_the_message():
    rig = Rig()
    rig.broker.publish(NAMES.frames, b"hello", key=b"cam-1", headers=[("camera", b"x")])
    rig.worker().drain()
    (message,) = rig.broker.messages(NAMES.dead_letters)
    named = dict(message.headers)
    assert (message.key, message.value, named["camera"], named["dead-topic"], named["dead-stage"]) == (
        b"cam-1", b"hello", b"x", NAMES.frames.encode(), b"detect",
    )  # fmt: skip


def test_an_error_of_a_model_is_raised_and_the_step_is_not_committed():
    rig = Rig(stages=DrawnStages(detector=ScriptedDetector([InferenceError("the weights are damaged")])))
    rig.send(STREET)
    running = rig.worker()
    running.step()
    with pytest.raises(InferenceError):
        running.step()
    assert rig.broker.groups[NAMES.frames, NAMES.detect_group].positions == {}


def test_only_frames_with_the_signature_of_their_box_go_process_all(tmp_path):
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


@pytest.mark.parametrize("sequence", [10**17, 7])
def test_a_frame_from_the_future_is_refused_and_stops_no_later_frame(sequence):
    rig = Rig()
    rig.send([replace(STREET[0], sequence=sequence, captured_at=datetime(2099, 1, 1, tzinfo=UTC))])
    rig.send(STREET)
    rig.worker().drain().exceed_idle_timeout()
    assert contents(rig) == UNDISTURBED
    (reason,) = rig.reasons
    assert "is the device's clock right?" in reason


def test_a_sequence_number_far_ahead_is_a_restart_and_stops_no_later_frame():
    rig = Rig()
    rig.send([replace(STREET[0], sequence=10**17, captured_at=STREET[0].captured_at - timedelta(seconds=1))])
    rig.send(STREET)
    rig.worker().drain().exceed_idle_timeout()
    assert contents(rig) == UNDISTURBED
    assert b'outcome="lost"' not in rig.metrics.text()


def test_a_state_that_a_frame_from_the_future_left_behind_is_given_up():
    rig = Rig()
    rig.clock.advance(40 * 365 * 86400)  # the worker of before believed every time
    rig.send([replace(STREET[0], sequence=10**6, captured_at=datetime(2066, 1, 1, tzinfo=UTC))])
    rig.worker().drain().stop()
    rig.clock.advance(-40 * 365 * 86400)
    rig.send(STREET)
    rig.worker().drain().exceed_idle_timeout()
    assert contents(rig) == UNDISTURBED


def test_frames_that_are_published_again_to_another_partition_are_refused():
    rig = Rig(partitions=3)
    rig.send(STREET)
    running = rig.worker().drain()
    own = rig.broker.partition_of(NAMES.frames, CAMERA.encode())
    for message in list(rig.broker.messages(NAMES.frames)):
        rig.broker.publish(message.topic, message.value, key=message.key or b"", headers=message.headers, partition=(own + 1) % 3)
    running.drain().exceed_idle_timeout()
    assert contents(rig) == UNDISTURBED
    assert len(rig.reasons) == len(STREET)
    assert all(f"but the camera's is {own}" in reason for reason in rig.reasons)


def test_violations_are_signed_and_keep_the_signatures_of_their_frames(tmp_path):
    device, ours = (Signer.from_file(tmp_path / f"{name}.pem") for name in ("device", "ours"))
    rig = Rig(verify=lambda camera, signed, signature: signature == device.sign(signed), sign=ours.sign)
    rig.send(STREET, device.sign)
    rig.worker().drain().exceed_idle_timeout()
    assert len(rig.violations) == 2
    for message in rig.broker.messages(NAMES.violations):
        assert is_violation_signed(message.headers, message.value, lambda signed, signature: signature == ours.sign(signed))
    for found in rig.violations.values():
        for picture in found.violation.pictures:
            assert picture.frame_signature is not None
            signed = bytes.fromhex(picture.frame_signature.signed)
            assert device.sign(signed).hex() == picture.frame_signature.signature
            assert picture.sha256.encode() in signed


def test_an_idle_camera_is_finished_and_no_longer_holds_back_the_position():
    longer = WATCHED.model_copy(update={"evidence": WATCHED.evidence.model_copy(update={"after_s": 2.5})})
    rig = Rig(stages=DrawnStages(watched=longer))
    rig.send(STREET[:35])  # the second car's clip is not complete
    running = rig.worker().drain()
    before = len(rig.violations)
    running.exceed_idle_timeout()
    assert len(rig.violations) == before + 1
    assert rig.broker.groups[NAMES.frames, NAMES.detect_group].positions[0].offset == 35


def test_a_camera_is_not_idle_while_its_frames_wait_in_the_broker():
    rig = Rig()
    rig.send(STREET[:30])
    running = rig.worker().drain()
    before = len(rig.violations)
    rig.send(STREET[30:])
    running.subscriber.pause()
    running.exceed_idle_timeout()
    assert len(rig.violations) == before


def test_restarted_sequence_numbers_start_a_new_session():
    rig = Rig()
    rig.send(STREET)
    later = [replace(each, captured_at=each.captured_at + timedelta(minutes=5)) for each in STREET]
    rig.send(later)
    rig.worker().drain().exceed_idle_timeout()
    rig.worker().drain().exceed_idle_timeout()
    assert len(rig.violations) == 4


def when(found: Violation) -> tuple[str, datetime]:
    """Ids depend on the first frame of the track, which may lie before the frames from which the state is rebuilt."""
    return found.rule, found.occurred_at


CHANGED = DrawnStages(fingerprint=Digest("b" * 64))


@pytest.mark.parametrize("changed_at", exhaustive([14, 19, 23, 26, 30, 36, 43], fast=2))
def test_after_a_change_of_code_models_or_configuration_no_violation_is_lost_or_published_twice(changed_at):
    rig = Rig()
    rig.send(STREET[:changed_at])
    rig.worker().drain().stop()
    rig.stages = CHANGED
    rig.send(STREET[changed_at:])
    rig.worker().drain().exceed_idle_timeout()
    assert [when(message.violation) for message in rig.violations.values()] == [when(found) for found in EXPECTED.values()]
    assert len(rig.broker.messages(NAMES.violations)) == len(EXPECTED)
    assert rig.reasons == []


def test_killed_while_it_rebuilds_the_state_the_next_worker_rebuilds_it_again():
    rig = Rig()
    rig.send(STREET[:19])  # the first car is past both lines, its clip is not complete
    rig.worker().drain().stop()
    rig.stages = CHANGED
    for _ in range(3):
        running = rig.worker()
        running.step()
        running.worker.save()
        running.die()
    rig.send(STREET[19:])
    rig.worker().drain().exceed_idle_timeout()
    assert contents(rig) == UNDISTURBED


@pytest.mark.parametrize("joins_after", exhaustive([14, 22], fast=1))
def test_a_worker_that_joins_takes_over_cameras_and_no_violation_is_lost_or_doubled(joins_after):
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
    two.drain().exceed_idle_timeout()
    alone = Rig(partitions=2, stages=DrawnStages("cam-1", "cam-2", "cam-3"))
    for each in zip(*cameras, strict=True):
        alone.send(each)
    alone.worker().drain().exceed_idle_timeout()
    assert len(alone.violations) == 6
    assert contents(rig) == contents(alone)


def test_a_late_save_by_a_worker_that_has_left_the_group_loses_nothing():
    rig = Rig()
    rig.send(STREET[:20])
    zombie = rig.worker()
    zombie.step()
    zombie.worker.step(0)  # it has processed frames, and saved nothing
    zombie.subscriber.close()
    living = rig.worker().drain()
    rig.send(STREET[20:28])
    living.drain()
    living.worker.save()
    zombie.worker.save()  # an old checkpoint over a newer one
    living.die()
    rig.send(STREET[28:])
    rig.worker().drain().exceed_idle_timeout()
    assert contents(rig) == UNDISTURBED


def test_an_unavailable_broker_is_raised():
    rig = Rig()
    running = rig.worker()
    rig.broker.down = True
    with pytest.raises(BrokerUnavailable):
        running.step()


def test_an_unreadable_checkpoint_is_ignored():
    rig = Rig()
    rig.broker.publish(NAMES.checkpoints, b"\x93not a checkpoint", key=b"cam-1", partition=0)
    rig.send(STREET)
    rig.worker().drain().exceed_idle_timeout()
    assert contents(rig) == UNDISTURBED


def test_the_checkpoint_holds_the_offset_of_the_oldest_needed_frame():
    rig = Rig()
    rig.send(STREET)
    rig.worker().drain().stop()
    checkpoint = checkpoint_from_wire(rig.broker.latest(NAMES.checkpoints, 0)[b"cam-1"])
    assert (checkpoint.processed, checkpoint.next_offset) == (43, 44)
    assert 0 < checkpoint.needed_offset < 44
    assert digest_of(checkpoint.memory)


def handled(rig: Rig) -> float:
    """Frames of cam-1 that went through the stage."""
    return sum(rig.metrics.value("etle_frames_total", camera="cam-1", outcome=outcome) or 0 for outcome in ("processed", "gated"))


@pytest.mark.parametrize(
    ("committed", "count"),
    [
        pytest.param(True, len(STREET) - 1, id="its positions remain and lie beyond its end"),
        pytest.param(False, len(STREET), id="its positions were deleted with it"),
    ],
)
def test_frames_of_a_topic_that_was_made_again_are_processed(committed: bool, count: int, caplog: pytest.LogCaptureFixture):
    rig = Rig()
    rig.send(STREET)
    rig.worker().drain().stop()
    found = len(rig.violations)
    rig.broker.topics[NAMES.frames] = [[]]
    rig.broker.topics[NAMES.violations] = [[], []]
    if not committed:
        rig.broker.groups[NAMES.frames, NAMES.detect_group].positions.clear()
    rig.send(STREET[:count])
    second = rig.worker().drain()
    second.exceed_idle_timeout()
    assert handled(rig) == len(STREET) + count
    assert len(rig.violations) == found > 0
    assert "All of its messages are processed" in caplog.text
    second.stop()
    caplog.clear()
    rig.worker().drain()
    assert "an earlier log" not in caplog.text


def test_offsets_that_go_back_while_it_runs_are_another_log(caplog: pytest.LogCaptureFixture):
    rig = Rig()
    rig.send(STREET[:30])
    worker = rig.worker().drain()
    rig.broker.topics[NAMES.frames] = [[]]
    rig.send(STREET[30:])
    worker.drain()
    assert "its offsets went back from 30 to 0" in caplog.text
    assert handled(rig) == len(STREET)


def test_frames_that_expired_unread_are_counted():
    rig = Rig()
    rig.send(STREET)
    rig.broker.expired[NAMES.frames, 0] = 30
    rig.worker().drain()
    assert rig.metrics.value("etle_expired_messages_total", topic=NAMES.frames) == 0  # nobody had begun to read the topic
    later = Rig()
    later.send(STREET[:20])
    later.worker().drain().stop()
    later.send(STREET[20:])
    later.broker.expired[NAMES.frames, 0] = 30
    later.worker().drain()
    assert later.metrics.value("etle_expired_messages_total", topic=NAMES.frames) == 10
