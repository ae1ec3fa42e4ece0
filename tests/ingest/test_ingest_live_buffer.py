"""LiveBuffer: a consumer that is slower than the source."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from threading import Event

import pytest
from footage.videos import jpeg

from etle.errors import SourceBroken
from etle.testing import BEGIN
from etle.types import CameraId, Frame
from ingest.frame_loss import FrameLossCounter, LossReason
from ingest.sources.frames import frame_of
from ingest.sources.live_buffer import LiveBuffer

CAMERA = CameraId("cam-1")
PICTURE = jpeg(1, 64, 48)


def frame(number: int) -> Frame:
    at = BEGIN + timedelta(seconds=number)
    return frame_of(CAMERA, number, PICTURE, captured_at=at, received_at=at)


class ScriptedSource:
    """Yields the first frame at once and the others when `go` is set; then sets `finished`, and ends or fails."""

    def __init__(self, count: int, *, live: bool, fails: bool = False, waits: bool = False) -> None:
        self.live = live
        self.go, self.finished = Event(), Event()
        self.taken = 0
        self._count = count
        self._fails = fails
        if not waits:
            self.go.set()

    def frames(self, after: int | None = None) -> Iterator[Frame]:
        for number in range(0 if after is None else after + 1, self._count):
            self.taken = number + 1
            yield frame(number)
            self.go.wait(30)
        self.finished.set()
        if self._fails:
            raise SourceBroken("the video is truncated")


def reading() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "etle-ingest"]


def test_a_full_buffer_of_a_live_source_drops_and_counts_the_oldest_frames(losses: FrameLossCounter) -> None:
    source = ScriptedSource(20, live=True, waits=True)
    frames = LiveBuffer(source, 5, losses).frames()
    assert next(frames).sequence == 0
    source.go.set()
    assert source.finished.wait(30)
    assert [frame.sequence for frame in frames] == [15, 16, 17, 18, 19]
    assert losses.of(CAMERA) == {LossReason.DROPPED: 14}


def test_a_file_waits_and_loses_nothing(losses: FrameLossCounter) -> None:
    source = ScriptedSource(50, live=False)
    frames = LiveBuffer(source, 3, losses).frames()
    read = []
    for frame in frames:
        read.append(frame.sequence)
        assert source.taken <= len(read) + 3 + 1  # those in the buffer, and the one that waits for room
    assert read == list(range(50))
    assert losses.of(CAMERA) == {}


def test_frames_start_after_the_given_number(losses: FrameLossCounter) -> None:
    assert [frame.sequence for frame in LiveBuffer(ScriptedSource(6, live=False), 3, losses).frames(after=3)] == [4, 5]


def test_an_error_is_raised_after_all_frames_before_it(losses: FrameLossCounter) -> None:
    read = []
    with pytest.raises(SourceBroken, match="is truncated"):
        read.extend(frame.sequence for frame in LiveBuffer(ScriptedSource(4, live=False, fails=True), 2, losses).frames())
    assert read == [0, 1, 2, 3]


def test_close_ends_the_frames_and_the_thread(losses: FrameLossCounter) -> None:
    buffer = LiveBuffer(ScriptedSource(10**6, live=False), 2, losses)
    frames = buffer.frames()
    next(frames)
    buffer.close()
    buffer.close()
    assert list(frames) == []
    assert not reading()


def test_closing_the_iterator_ends_the_thread(losses: FrameLossCounter) -> None:
    frames = LiveBuffer(ScriptedSource(10**6, live=True), 2, losses).frames()
    next(frames)
    frames.close()
    assert not reading()


def test_the_size_must_be_at_least_one(losses: FrameLossCounter) -> None:
    with pytest.raises(ValueError, match="at least one"):
        LiveBuffer(ScriptedSource(1, live=True), 0, losses)
