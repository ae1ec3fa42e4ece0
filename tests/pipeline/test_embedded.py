"""Source, stage and sink of one camera together: each violation is stored once, whenever the process is killed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from threading import Event

import pytest
from drawn import driving, frames
from exhaustive import exhaustive
from workers import CAMERA, DrawnStages, Killed

from etle.config.site import CameraSettings, Site
from etle.errors import SourceBroken, StoreUnavailable
from etle.testing import ManualClock, MemoryCheckpoints
from etle.types import CameraId, Digest, Frame, ViolationId, ViolationMessage
from pipeline.workers.embedded import CameraRun, RunCallbacks, load_checkpoint, resume_session
from pipeline.workers.site_run import NoProgress, RunStores, run_site

STREET = frames([driving(5, 45, 40, 60), driving(30, 70, 40, 62)], 80)
STREAM = "tes/cam-1"


class Footage:
    """Frames that can be read again; raises Killed or SourceBroken before one of them."""

    live = False

    def __init__(self, dies_at: int | None = None, breaks_at: int | None = None, shown: Sequence[Frame] = STREET) -> None:
        self._dies_at = dies_at
        self._breaks_at = breaks_at
        self._shown = shown
        self.read_from: int | None = None

    def frames(self, after: int | None = None) -> Iterator[Frame]:
        for frame in self._shown:
            if after is not None and frame.sequence <= after:
                continue
            if self.read_from is None:
                self.read_from = frame.sequence
            if frame.sequence == self._dies_at:
                raise Killed
            if frame.sequence == self._breaks_at:
                raise SourceBroken("clip.mp4: breaks off")
            yield frame


class KillingSink:
    """Stores violations; raises Killed before or after the n-th, or StoreUnavailable a number of times."""

    def __init__(self) -> None:
        self.stored: dict[ViolationId, ViolationMessage] = {}
        self.dies_before: int | None = None
        self.dies_after: int | None = None
        self.unavailable = 0

    def put(self, message: ViolationMessage) -> bool:
        if self.unavailable:
            self.unavailable -= 1
            raise StoreUnavailable("PostgreSQL cannot be reached.")
        if len(self.stored) == self.dies_before:
            raise Killed
        new = message.violation.id not in self.stored
        assert new or self.stored[message.violation.id] == message, "a replay gives the same message, byte for byte"
        self.stored[message.violation.id] = message
        if len(self.stored) == self.dies_after:
            self.dies_after = None
            raise Killed
        return new


class Recorder:
    """Records what the callbacks are called with."""

    def __init__(self) -> None:
        self.processed: list[int] = []
        self.rejected: list[str] = []
        self.new: list[bool] = []

    def callbacks(self) -> RunCallbacks:
        return RunCallbacks(
            frame=lambda frame: self.processed.append(frame.sequence),
            rejected=lambda frame, reason: self.rejected.append(reason),
            violation=lambda violation, new: self.new.append(new),
        )


def run(
    source: Footage,
    sink: KillingSink,
    checkpoints: MemoryCheckpoints,
    recorder: Recorder | None = None,
    clock: ManualClock | None = None,
    stages: DrawnStages | None = None,
) -> None:
    clock = clock or ManualClock()
    session = resume_session(stages or DrawnStages(), CAMERA, load_checkpoint(checkpoints, STREAM), clock.now())
    CameraRun(session, source, sink, checkpoints, clock, STREAM, (recorder or Recorder()).callbacks()).run()


@pytest.fixture(scope="module")
def undisturbed() -> dict[ViolationId, ViolationMessage]:
    sink = KillingSink()
    run(Footage(), sink, MemoryCheckpoints())
    assert len(sink.stored) == 2
    return sink.stored


@pytest.mark.slow
@pytest.mark.parametrize("dies_at", exhaustive([0, 1, 22, 26, 35, 36, 41, 47, 62, 79]))
def test_killed_at_any_frame_the_violations_are_those_of_an_undisturbed_run(dies_at, undisturbed):
    sink, checkpoints = KillingSink(), MemoryCheckpoints()
    with pytest.raises(Killed):
        run(Footage(dies_at=dies_at), sink, checkpoints)
    run(Footage(), sink, checkpoints)
    assert sink.stored == undisturbed


@pytest.mark.parametrize("dies_at", exhaustive([36, 41, 62], fast=1))
def test_killed_again_while_it_refills_its_buffer_it_still_has_all_pictures(dies_at, undisturbed):
    sink, checkpoints = KillingSink(), MemoryCheckpoints()
    with pytest.raises(Killed):
        run(Footage(dies_at=dies_at), sink, checkpoints)
    for again in (3, 8, 15):
        with pytest.raises(Killed):
            run(Footage(dies_at=(checkpoints.saved[STREAM][0] + again)), sink, checkpoints)
    run(Footage(), sink, checkpoints)
    assert sink.stored == undisturbed


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["dies_before", "dies_after"])
@pytest.mark.parametrize("count", [0, 1, 2])
def test_killed_before_or_after_any_write_no_violation_is_lost_or_stored_twice(moment, count, undisturbed):
    sink, checkpoints = KillingSink(), MemoryCheckpoints()
    setattr(sink, moment, count)
    try:
        run(Footage(), sink, checkpoints)
    except Killed:
        sink.dies_before = sink.dies_after = None
        run(Footage(), sink, checkpoints)
    assert sink.stored == undisturbed


def test_a_second_run_processes_no_frame_again():
    sink, checkpoints, recorder = KillingSink(), MemoryCheckpoints(), Recorder()
    run(Footage(), sink, checkpoints)
    run(Footage(), sink, checkpoints, recorder)
    assert recorder.processed == []
    assert recorder.new == []


def test_after_a_kill_only_the_frames_that_evidence_needs_are_read_again():
    checkpoints, source = MemoryCheckpoints(), Footage()
    with pytest.raises(Killed):
        run(Footage(dies_at=79), KillingSink(), checkpoints)
    run(source, KillingSink(), checkpoints)
    assert source.read_from is not None and source.read_from > 0


def test_it_waits_while_the_database_is_unavailable():
    sink, clock, recorder = KillingSink(), ManualClock(), Recorder()
    sink.unavailable = 3
    run(Footage(), sink, MemoryCheckpoints(), recorder, clock)
    assert clock.slept == [1.0, 2.0, 5.0]
    assert recorder.new == [True, True]


def test_a_source_that_breaks_off_still_gives_the_violations_before():
    sink, checkpoints = KillingSink(), MemoryCheckpoints()
    with pytest.raises(SourceBroken):
        run(Footage(breaks_at=50), sink, checkpoints)
    assert len(sink.stored) == 1


class FailingFootage(Footage):
    """Fails with an error that no source should raise."""

    def frames(self, after: int | None = None) -> Iterator[Frame]:
        for frame in super().frames(after):
            if frame.sequence == 50:
                raise OverflowError("a time of the year 99999")
            yield frame


class OneFails:
    """The SourceProvider of a site whose camera `kiri` fails."""

    def open(self, camera: CameraSettings) -> Footage:
        shown = [replace(frame, camera=camera.camera_id) for frame in STREET]
        return FailingFootage(shown=shown) if camera.id == "kiri" else Footage(shown=shown)

    def count_undecodable(self, camera: CameraId, reason: str) -> None: ...

    def losses(self) -> Mapping[CameraId, Mapping[str, int]]:
        return {}


class UncountedLosses:
    """A LossStore that keeps nothing."""

    def add(self, camera: CameraId, reason: str, times: int, at: datetime) -> None: ...


def test_whatever_fails_in_one_camera_s_source_the_others_go_on(caplog: pytest.LogCaptureFixture):
    cameras = [{"id": name, "view": "rear", "source": {"file": f"{name}.mp4"}, "frame_size": [64, 48]} for name in ("kiri", "kanan")]
    site, sink = Site.model_validate({"site": "tes", "cameras": cameras}), KillingSink()
    stores = RunStores(sink=sink, checkpoints=MemoryCheckpoints(), losses=UncountedLosses())
    outcome = run_site(site, DrawnStages, OneFails(), stores, ManualClock(), NoProgress(), Event())
    assert outcome.problems == ["kiri: the source failed: OverflowError: a time of the year 99999"]
    assert sorted(message.violation.camera for message in sink.stored.values()) == ["kanan", "kanan", "kiri"]
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == outcome.problems


def test_a_rejected_frame_does_not_enter_the_evidence_after_a_restart():
    """The clip of the first violation would contain it, and it cannot be decoded."""
    broken = [replace(frame, jpeg=frame.jpeg[:200]) if frame.sequence == 20 else frame for frame in STREET]
    sink, checkpoints, recorder = KillingSink(), MemoryCheckpoints(), Recorder()
    with pytest.raises(Killed):
        run(Footage(dies_at=30, shown=broken), sink, checkpoints, recorder)
    run(Footage(shown=broken), sink, checkpoints, recorder)
    assert len(sink.stored) == 2
    assert len(recorder.rejected) == 1


def test_after_a_change_of_code_models_or_configuration_a_file_is_read_from_its_beginning(undisturbed):
    sink, checkpoints, source, recorder = KillingSink(), MemoryCheckpoints(), Footage(), Recorder()
    run(Footage(), sink, checkpoints)
    run(source, sink, checkpoints, recorder, stages=DrawnStages(fingerprint=Digest("b" * 64)))
    assert source.read_from == 0
    assert recorder.new == [False, False]
    assert sink.stored == undisturbed


def test_an_unreadable_checkpoint_is_ignored(undisturbed):
    sink, checkpoints = KillingSink(), MemoryCheckpoints()
    checkpoints.save(STREAM, 40, b"\x93nonsense")
    run(Footage(), sink, checkpoints)
    assert sink.stored == undisturbed
