"""The recorded frames of one camera, each with an offset from which they can be read again after an interruption."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Final, Protocol

from etle.errors import ArchiveUnavailable, SegmentMissing, SourceBroken, SourceUnavailable, WireError
from etle.kafka.protocols import Message, TopicHistory
from etle.protocols import FrameSource
from etle.runs.plan import LEAD_IN_S, TAIL_S, PlannedCamera, ReprocessPlan
from etle.storage.archive.reader import ArchivedFrame, ArchiveReader
from etle.storage.archive.segment import SegmentName
from etle.types import CameraId, Frame
from etle.wire import Verify, frame_from_wire

_RECORD_BITS: Final = 32
"""An offset in the archive is the number of the segment, and below it the number of the record in its index."""


OpenHistory = Callable[[], AbstractContextManager[TopicHistory]]


def behind_segment(number: int) -> int:
    """Offset of the archive that is behind every frame of that segment of the plan."""
    return (number + 1) << _RECORD_BITS


def record_at(offset: int) -> str:
    """The place of an offset of the archive, for people: number of the segment in the plan, and of the record in its index."""
    return f"{offset & ((1 << _RECORD_BITS) - 1)} of segment {offset >> _RECORD_BITS}"


class RecordedFootage(Protocol):
    """The frames of one camera that a run processes."""

    live: bool
    """False: frames wait until they are read."""

    def frames(self, after: int | None = None) -> Iterator[Frame]:
        """As a FrameSource; `after` is an offset."""
        ...

    def numbered(self, after: int) -> Iterator[tuple[int, Frame]]:
        """Frames behind the offset with theirs, in order. Raises SourceError."""
        ...

    def count(self) -> int | None:
        """Number of frames; None if it is not known."""
        ...


class ArchiveFootage:
    """From the archive: the frames of the segments that the plan names, with a lead-in before and a tail behind its range."""

    live = False

    def __init__(
        self, reader: ArchiveReader, plan: ReprocessPlan, camera: PlannedCamera, verify: Verify | None,
        on_damaged: Callable[[ArchivedFrame], None],
    ) -> None:  # fmt: skip
        """`verify` checks a frame's signature; None: frames need none. `on_damaged` is called with frames that cannot be used."""
        self._reader = reader
        self._since, self._until = with_margins(plan.since, plan.until)
        self._segments = [name for name in map(SegmentName.parse, camera.segments) if name]
        self._verify = verify
        self._on_damaged = on_damaged

    def frames(self, after: int | None = None) -> Iterator[Frame]:
        return (frame for _, frame in self.numbered(-1 if after is None else after))

    def numbered(self, after: int) -> Iterator[tuple[int, Frame]]:
        """Raises SourceBroken if a segment was deleted, SourceUnavailable if one cannot be read now."""
        first = max(0, after >> _RECORD_BITS)
        for place, segment in enumerate(self._segments[first:], first):
            last_read = (after & ((1 << _RECORD_BITS) - 1)) if place == after >> _RECORD_BITS else -1
            try:
                known = self._archived_twice(place)
                for archived in self._reader.frames(segment, self._since, self._until, last_read):
                    frame = None if archived.entry.frame_key in known else self._checked(archived)
                    if frame is not None:
                        yield place << _RECORD_BITS | archived.number, frame
            except SegmentMissing as error:
                raise SourceBroken(str(error)) from error
            except ArchiveUnavailable as error:
                raise SourceUnavailable(str(error)) from error

    def count(self) -> int | None:
        return sum(self._reader.count(segment, self._since, self._until) for segment in self._segments)

    def _checked(self, archived: ArchivedFrame) -> Frame | None:
        try:
            if archived.message is None:
                raise WireError(archived.problem)
            return frame_from_wire(archived.message.headers, archived.message.jpeg, self._verify)
        except WireError:
            self._on_damaged(archived)
            return None

    def _archived_twice(self, place: int) -> set[tuple[int, str]]:
        """Frames of earlier segments of the same hour: a second worker that took over archived some of them again."""
        own = self._segments[place]
        earlier = [segment for segment in self._segments[:place] if segment.hour == own.hour]
        return {entry.frame_key for segment in earlier for entry in self._reader.open(segment)[1].entries() if entry}


class TopicFootage:
    """From Kafka's topic of frames: those of a range of time that the topic still holds; an offset is that of a message."""

    live = False

    def __init__(
        self, open_history: OpenHistory, topic: str, plan: ReprocessPlan, camera: CameraId, verify: Verify | None,
        on_damaged: Callable[[], None],
    ) -> None:  # fmt: skip
        """`verify` checks a frame's signature; None: frames need none. `on_damaged` is called for frames that cannot be used."""
        self._open_history = open_history
        self._topic = topic
        self._camera = camera
        self._since, self._until = with_margins(plan.since, plan.until)
        self._verify = verify
        self._on_damaged = on_damaged

    def frames(self, after: int | None = None) -> Iterator[Frame]:
        return (frame for _, frame in self.numbered(-1 if after is None else after))

    def numbered(self, after: int) -> Iterator[tuple[int, Frame]]:
        """Raises BrokerUnavailable."""
        with self._open_history() as history:
            for message in self._messages(history, after + 1):
                frame = self._frame_of(message)
                if frame is None or (self._since and frame.captured_at < self._since):
                    continue
                if self._until and frame.captured_at >= self._until:
                    return
                yield message.offset, frame

    def count(self) -> int | None:
        return None

    def _messages(self, history: TopicHistory, first: int) -> Iterator[Message]:
        """Those of the camera from offset `first` on. A frame is published after it was captured."""
        key = self._camera.encode()
        partition = history.partition_of(self._topic, key)
        begin = history.offset_at(self._topic, partition, self._since) if self._since else 0
        if begin is not None:
            yield from (message for message in history.messages(self._topic, partition, max(begin, first)) if message.key == key)

    def _frame_of(self, message: Message) -> Frame | None:
        try:
            frame = frame_from_wire(message.headers, message.value, self._verify)
        except WireError:
            self._on_damaged()
            return None
        return frame if frame.camera == self._camera else None


class SourceFootage:
    """From a video file or a folder; an offset is the sequence of a frame."""

    live = False

    def __init__(self, source: FrameSource, plan: ReprocessPlan, expected: int | None) -> None:
        """`expected`: number of frames, None if unknown."""
        self._source = source
        self._since, self._until = with_margins(plan.since, plan.until)
        self._expected = expected

    def frames(self, after: int | None = None) -> Iterator[Frame]:
        frames = self._source.frames(after)
        if self._until is not None:
            until = self._until
            frames = takewhile(lambda frame: frame.captured_at < until, frames)
        return (frame for frame in frames if self._since is None or frame.captured_at >= self._since)

    def numbered(self, after: int) -> Iterator[tuple[int, Frame]]:
        return ((frame.sequence, frame) for frame in self.frames(after))

    def count(self) -> int | None:
        return self._expected if self._since is None and self._until is None else None


def with_margins(since: datetime | None, until: datetime | None) -> tuple[datetime | None, datetime | None]:
    """The range of the frames that are read to find the violations of this range."""
    return since - timedelta(seconds=LEAD_IN_S) if since else None, until + timedelta(seconds=TAIL_S) if until else None
