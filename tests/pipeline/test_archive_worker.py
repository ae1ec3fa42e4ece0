"""The archive worker: every frame of the topic is archived once, whenever it is killed; while the archive is full it waits."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from archives import BEGIN, CAMERA, archived, frame, reader_in, writer_in

from etle.config.deployment import ArchiveSettings
from etle.kafka.topics import TopicNames
from etle.observability.metrics import Metrics
from etle.storage.archive.writer import ArchiveWriter
from etle.testing import ManualClock, MemoryBroker
from etle.types import CameraId, Frame
from etle.wire import frame_to_wire
from pipeline.workers.archive import ArchiveWorker
from pipeline.workers.archiving import ArchivedSource, FrameArchiver

NAMES = TopicNames("t")
FRAMES = [frame(number) for number in range(200)]


class Rig:
    """A broker with frames, and the parts of an archive worker."""

    def __init__(self, folder: Path, frames: list[Frame] = FRAMES) -> None:
        self.folder, self.clock, self.metrics = folder, ManualClock(BEGIN + timedelta(minutes=1)), Metrics()
        self.broker = MemoryBroker({NAMES.frames: 2})
        for each in frames:
            headers, value = frame_to_wire(each, lambda signed: signed[:64])
            self.broker.publish(NAMES.frames, value, key=each.camera.encode(), headers=headers)

    def worker(self, writer: ArchiveWriter) -> ArchiveWorker:
        """With its partitions assigned."""
        subscriber = self.broker.subscribe(NAMES.frames, NAMES.archive_group)
        worker = ArchiveWorker(subscriber, writer, frozenset((CAMERA,)), NAMES, None, self.clock, self.metrics)
        worker.step(0)
        return worker


def test_every_frame_is_archived_once_although_the_worker_is_killed_before_it_commits(tmp_path):
    rig = Rig(tmp_path)
    first = writer_in(tmp_path)
    killed = rig.worker(first)
    killed.step(0)
    rig.broker.groups.clear()
    for camera in first._cameras.values():
        camera.lock.close()  # as the kernel does when a process is killed
    writer = writer_in(tmp_path)
    worker = rig.worker(writer)
    while worker.step(0):
        rig.clock.advance(1)
    worker.save()
    writer.close()
    assert archived(tmp_path) == FRAMES
    positions = rig.broker.groups[NAMES.frames, NAMES.archive_group].positions
    assert sorted(position.offset for position in positions.values()) == [0, 200]
    assert rig.metrics.value("etle_archived_frames_total", outcome="repeated")


def test_headers_and_signature_are_archived_as_they_were_sent(tmp_path):
    rig, writer = Rig(tmp_path, FRAMES[:3]), writer_in(tmp_path)
    rig.worker(writer).step(0)
    writer.close()
    reader = reader_in(tmp_path)
    stored = [each.message for each in reader.frames(reader.segments()[0].name)]
    assert [(each.headers, each.jpeg) for each in stored if each] == [
        (each.headers, each.value) for each in rig.broker.messages(NAMES.frames)
    ]
    assert all(each.signature for each in stored if each)


def test_invalid_frames_and_unknown_cameras_are_not_archived(tmp_path):
    broken, strange = replace(frame(1), jpeg=b"\xff\xd8"), frame(2, camera=CameraId("cam-9"))
    rig, writer = Rig(tmp_path, [frame(0), broken, strange, frame(3)]), writer_in(tmp_path)
    rig.worker(writer).step(0)
    writer.close()
    assert [each.sequence for each in archived(tmp_path)] == [0, 3]
    assert rig.metrics.value("etle_archived_frames_total", outcome="invalid") == 2


def test_a_frame_from_the_future_and_one_in_another_partition_are_not_archived(tmp_path):
    rig, writer = Rig(tmp_path, [frame(0), frame(1, 10**6), frame(2)]), writer_in(tmp_path)
    first = rig.broker.messages(NAMES.frames)[0]
    rig.broker.publish(NAMES.frames, first.value, key=b"?", headers=first.headers, partition=1 - first.partition)
    rig.worker(writer).step(0)
    writer.close()
    assert [each.sequence for each in archived(tmp_path)] == [0, 2]
    assert rig.metrics.value("etle_archived_frames_total", outcome="invalid") == 2


def test_while_the_archive_is_full_the_worker_waits_and_loses_nothing(tmp_path):
    free = [0]
    rig, writer = Rig(tmp_path), writer_in(tmp_path, ArchiveSettings(when_full="stop"), free_bytes=lambda _: free[0])
    worker = rig.worker(writer)
    for _ in range(3):
        assert worker.step(0) == 0
        rig.clock.advance(60)
    free[0] = 10**12
    while worker.step(0):
        rig.clock.advance(1)
    writer.close()
    assert archived(tmp_path) == FRAMES


class Footage:
    live = False

    def frames(self, after: int | None = None):
        return (each for each in FRAMES)


@pytest.mark.parametrize("free", [10**12, 0], ids=["archived", "disk full"])
def test_the_embedded_run_reads_all_frames_whatever_becomes_of_the_archive(tmp_path, free):
    writer = writer_in(tmp_path, ArchiveSettings(when_full="stop"), free_bytes=lambda _: free)
    archiver = FrameArchiver(writer)
    assert list(ArchivedSource(Footage(), archiver).frames()) == FRAMES
    writer.close()
    assert archived(tmp_path) == (FRAMES if free else [])
    assert archiver.unarchived.times == (0 if free else len(FRAMES))
