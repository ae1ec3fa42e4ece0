"""Reads an archive: which segments there are, the frames of a camera in a range of time, one frame by its time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain, islice
from typing import Final

from etle.errors import SegmentMissing, WireError
from etle.files import ByteReader
from etle.media.matroska import scan_frames
from etle.storage.archive.files import ArchiveFiles
from etle.storage.archive.index import IndexEntry, SegmentIndex, microseconds
from etle.storage.archive.retention import StoredSegment, stored_segments
from etle.storage.archive.segment import ArchivedMessage, SegmentName, camera_folder, entry_of, head_bytes, message_of
from etle.types import CameraId

_BATCH: Final = 4096
_BATCH_OF_LOOKUP: Final = 64
"""Records that are read at once to find one frame."""
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedFrame:
    """One frame of a segment, as read. `message` is None if it is damaged; `problem` says how."""

    segment: SegmentName
    number: int
    """Of its record in the index."""
    entry: IndexEntry
    message: ArchivedMessage | None
    problem: str = ""


class ArchiveReader:
    """Of one site. Everything raises ArchiveUnavailable. A segment that is being written is read as far as it went when it was opened."""

    def __init__(self, files: Sequence[ArchiveFiles], site: str) -> None:
        """`files`: the places to look in; a segment in several of them is read from the first."""
        self._files = files
        self._site = site

    def segments(
        self, camera: CameraId | None = None, since: datetime | None = None, until: datetime | None = None
    ) -> Sequence[StoredSegment]:
        """Segments that may hold frames captured from `since` to before `until`, oldest first."""
        folder = camera_folder(self._site, camera) if camera else self._site
        return [segment for segment in self._stored(folder) if _overlaps(segment.name, since, until)]

    def frames(
        self, segment: SegmentName, since: datetime | None = None, until: datetime | None = None, after: int = -1
    ) -> Iterator[ArchivedFrame]:
        """Frames captured from `since` to before `until`, in the order of arrival. `after`: skip records up to that number."""
        video, index = self.open(segment)
        since_us, until_us = (microseconds(at) if at else None for at in (since, until))
        first = max(after + 1, index.first_at(since_us) if since_us is not None else 0)
        in_order = index.sorted_by_time()
        for number, entry in enumerate(_entries(segment, video, index, first), first):
            if until_us is not None and entry.captured_us >= until_us:
                if in_order:
                    return
            elif since_us is None or entry.captured_us >= since_us:
                yield _read(video, segment, number, entry)

    def count(self, segment: SegmentName, since: datetime | None = None, until: datetime | None = None) -> int:
        """Number of frames that `frames` gives, as far as their times are sorted."""
        video, index = self.open(segment)
        if not index.records:
            return sum(1 for _ in _entries(segment, video, index, 0))
        return (index.first_at(microseconds(until)) if until else index.records) - (index.first_at(microseconds(since)) if since else 0)

    def frame_at(self, camera: CameraId, at: datetime, within_s: float = 1.0) -> ArchivedFrame | None:
        """The frame captured nearest to `at`, at most `within_s` away; None without one."""
        since, until = at - timedelta(seconds=within_s), at + timedelta(seconds=within_s) + _MICROSECOND
        found = [
            (abs(entry.captured_us - microseconds(at)), name, number, entry)
            for name in self._of_days(camera, since, until)
            for number, entry in self._between(name, microseconds(since), microseconds(until))
        ]
        if not found:
            return None
        _, name, number, entry = min(found, key=lambda each: each[0])
        return _read(self.open(name)[0], name, number, entry)

    def open(self, segment: SegmentName) -> tuple[ByteReader, SegmentIndex]:
        """Both files of the segment. An index that does not exist has no records. Raises SegmentMissing if it was deleted."""
        for files in self._files:
            video, index = files.open(segment.video), files.open(segment.index)
            if video is not None:
                return video, SegmentIndex(index or _NoBytes())
        raise SegmentMissing(f"the segment {segment.video} does not exist any more.")

    def _stored(self, folder: str) -> Sequence[StoredSegment]:
        found: dict[SegmentName, StoredSegment] = {}
        for files in self._files:
            for segment in stored_segments(files, folder):
                found.setdefault(segment.name, segment)
        return sorted(found.values(), key=lambda segment: (segment.name.begins_at, segment.name.camera))

    def _of_days(self, camera: CameraId, since: datetime, until: datetime) -> Sequence[SegmentName]:
        """The segments of a short range, without listing all days of the camera."""
        days = dict.fromkeys(at.strftime("%Y-%m-%d") for at in (since, until))
        stored = chain.from_iterable(self._stored(f"{camera_folder(self._site, camera)}/{day}") for day in days)
        return [segment.name for segment in stored if _overlaps(segment.name, since, until)]

    def _between(self, segment: SegmentName, since_us: int, until_us: int) -> Iterator[tuple[int, IndexEntry]]:
        video, index = self.open(segment)
        first, in_order = index.first_at(since_us), index.sorted_by_time()
        for number, entry in enumerate(_entries(segment, video, index, first, _BATCH_OF_LOOKUP), first):
            if since_us <= entry.captured_us < until_us:
                yield number, entry
            elif in_order and entry.captured_us >= until_us:
                return


class _NoBytes:
    size = 0

    def read(self, offset: int, size: int) -> bytes:
        return b""


def _overlaps(segment: SegmentName, since: datetime | None, until: datetime | None) -> bool:
    return (since is None or segment.ends_at > since) and (until is None or segment.begins_at < until)


def _read(video: ByteReader, segment: SegmentName, number: int, entry: IndexEntry) -> ArchivedFrame:
    problem, message = "", None
    try:
        message = message_of(video.read(entry.location.offset, entry.location.size))
        frame = message.frame()
        if frame.sha256 != entry.sha256 or microseconds(frame.captured_at) != entry.captured_us:
            raise WireError("its headers and its record in the index differ")
    except WireError as error:
        problem, message = str(error), None
    return ArchivedFrame(segment=segment, number=number, entry=entry, message=message, problem=problem)


def _entries(segment: SegmentName, video: ByteReader, index: SegmentIndex, first: int, batch: int = _BATCH) -> Iterator[IndexEntry]:
    """The records from number `first` on. A damaged one, or a missing index, is replaced by what the segment itself says."""
    if not index.records or not index.valid_head:
        yield from islice(_scanned(video, head_bytes(segment), None), first, None)
        return
    previous = index.entry(first - 1) if first else None
    for entry in index.entries(first, batch):
        if entry is None:
            start = previous.location.end if previous else head_bytes(segment)
            entry = next(_scanned(video, start, previous), None)
        if entry is None or entry.location.end > video.size:
            return
        yield entry
        previous = entry


def _scanned(video: ByteReader, start: int, previous: IndexEntry | None) -> Iterator[IndexEntry]:
    """The records of the whole frames from offset `start` on."""
    for location in scan_frames(video, start):
        try:
            message = message_of(video.read(location.offset, location.size))
            previous = entry_of(message, message.frame(), location, previous)
        except WireError:
            continue
        yield previous
