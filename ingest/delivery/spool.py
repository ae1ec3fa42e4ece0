"""Bounded first-in, first-out queue of records on the gateway's disk, for the time when the broker is unavailable.

A folder of append-only files (`ingest.delivery.segment`). A record is on the disk when `put` returns. The read position is stored in a
separate file, which may lag behind after a power failure: then some records are read again, in order, and none is missing.
A record that was incomplete when the power failed was never acknowledged, and is cut off.
"""

import os
import re
import struct
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self
from zlib import crc32

from etle.errors import ConfigError, SpoolFull
from etle.files import FileLock, sync_folder
from ingest.delivery.segment import RecordLocation, append_records, pack_record, read_body, scan_records

_FILE_NAME: Final = re.compile(r"(\d{20})\.spool")
_MARK: Final = struct.Struct(">QQ")
"""Read position: number of the first segment, and the offset in it."""
_SEGMENTS: Final = 16
"""The size limit is divided into this number of files, so that a full spool drops a sixteenth at a time."""
_MAX_SEGMENT_BYTES: Final = 64 * 1024 * 1024


class SpoolRecord(NamedTuple):
    """`label`: the camera's id. The parts of `body` are written one after the other."""

    label: str
    body: tuple[bytes, ...]


class SpooledMessage(NamedTuple):
    """A record as it is read."""

    label: str
    body: bytes


@dataclass(slots=True)
class _Segment:
    number: int
    path: Path
    size: int
    labels: Counter[str] = field(default_factory=Counter)
    """Number of its unread records by label."""


class Spool:
    """For one thread of one process. `on_damaged` is called with the label and number of records that turned out to be unreadable."""

    def __init__(
        self,
        folder: Path,
        limit_bytes: int,
        *,
        keep_free_bytes: int = 0,
        on_damaged: Callable[[str, int], None] = lambda label, count: None,
    ) -> None:
        """`keep_free_bytes`: space on the disk that the spool does not use. Raises ConfigError if the folder cannot be used, or another
        process uses it."""
        self._folder = folder
        self.limit_bytes: Final = limit_bytes
        self._segment_bytes = min(_MAX_SEGMENT_BYTES, max(1, limit_bytes // _SEGMENTS))
        self._keep_free_bytes = keep_free_bytes
        self._on_damaged = on_damaged
        self._lock = _locked(folder)
        self._mark = os.open(folder / "mark", os.O_RDWR | os.O_CREAT, 0o600)
        self._first, self._offset = _read_mark(self._mark)
        self._segments = deque(self._existing_segments())
        self._last = max(self._first, *(segment.number for segment in self._segments), 0)
        self._file: int | None = None
        """Descriptor of the last segment, if this process created it: segments of earlier processes are not appended to."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def __len__(self) -> int:
        """Number of unread records."""
        return sum(segment.labels.total() for segment in self._segments)

    @property
    def size_bytes(self) -> int:
        """Size on the disk, including records of the first file that were already read."""
        return sum(segment.size for segment in self._segments)

    def put(self, records: Sequence[SpoolRecord]) -> None:
        """Append all records and sync them to the disk. Raises SpoolFull; then none was appended."""
        packed = [pack_record(*record) for record in records]
        size = sum(len(part) for parts in packed for part in parts)
        self._check_room(size)
        try:
            segment, file = self._writable_segment(size)
            append_records(file, packed, segment.size)
        except OSError as error:
            self._close_segment()
            raise SpoolFull(f"{self._folder}: the spool cannot be written: {error.strerror}") from error
        segment.size += size
        segment.labels.update(record.label for record in records)

    def peek(self, limit_bytes: int) -> list[SpooledMessage]:
        """The oldest records, up to `limit_bytes` but at least one if there is any. They stay until `remove_oldest`."""
        found: list[SpooledMessage] = []
        size = 0
        for segment in list(self._segments):
            read = 0
            for location, body in self._records(segment):
                size += location.size
                if found and (body is None or size > limit_bytes):
                    return found  # a damaged record is reported when it is the oldest
                if body is None:
                    self._advance(segment, location)
                    self._on_damaged(location.label, 1)
                else:
                    found.append(SpooledMessage(location.label, body))
                    read += 1
            if found and segment.labels.total() > read:
                return found  # the rest of this segment is unreadable: reported when it is the oldest
            if not found:
                self._discard_first()
        return found

    def remove_oldest(self, count: int) -> None:
        """Remove the `count` oldest records, which `peek` has returned."""
        while count > 0 and self._segments:
            count -= self._remove_from(self._segments[0], count)
            if self._segments[0].labels.total():
                break
            self._delete_first()
        self._write_mark()

    def drop_oldest(self) -> Counter[str]:
        """Delete the oldest file to make room. Number of dropped records by label; empty if there was no file."""
        if not self._segments:
            return Counter()
        dropped = +self._segments[0].labels
        self._delete_first()
        self._write_mark()
        return dropped

    def close(self) -> None:
        """The records stay on the disk."""
        self._close_segment()
        os.close(self._mark)
        self._lock.close()

    def _check_room(self, size: int) -> None:
        if self.size_bytes + size > self.limit_bytes:
            raise SpoolFull(f"{self._folder}: the spool holds {self.size_bytes} of {self.limit_bytes} bytes, and {size} more do not fit")
        disk = os.statvfs(self._folder)
        if disk.f_bavail * disk.f_frsize < size + self._keep_free_bytes:
            raise SpoolFull(f"{self._folder}: the disk is full, except for the {self._keep_free_bytes} bytes that must stay free")

    def _writable_segment(self, size: int) -> tuple[_Segment, int]:
        """The last segment, or a new one if `size` more bytes do not fit; with its descriptor."""
        if self._file is not None and self._segments[-1].size + size <= self._segment_bytes:
            return self._segments[-1], self._file
        self._close_segment()
        self._last += 1
        segment = _Segment(self._last, self._folder / f"{self._last:020}.spool", 0)
        self._file = os.open(segment.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        self._segments.append(segment)
        sync_folder(self._folder)
        return segment, self._file

    def _records(self, segment: _Segment) -> Iterator[tuple[RecordLocation, bytes | None]]:
        file = os.open(segment.path, os.O_RDONLY)
        try:
            for location in scan_records(file, self._start_of(segment)):
                yield location, read_body(file, location)
        finally:
            os.close(file)

    def _start_of(self, segment: _Segment) -> int:
        """Offset of the segment's first unread record."""
        return self._offset if segment.number == self._first else 0

    def _remove_from(self, segment: _Segment, count: int) -> int:
        """Number of removed records: less than `count` at the end of the segment."""
        file = os.open(segment.path, os.O_RDONLY)
        try:
            removed = list(islice(scan_records(file, self._start_of(segment)), count))
        finally:
            os.close(file)
        for location in removed:
            self._advance(segment, location)
        return len(removed)

    def _advance(self, segment: _Segment, location: RecordLocation) -> None:
        """Move the read position behind the record."""
        self._first, self._offset = segment.number, location.offset + location.size
        segment.labels[location.label] -= 1

    def _discard_first(self) -> None:
        """Delete the first segment, the rest of which is unreadable."""
        for label, count in (+self._segments[0].labels).items():
            self._on_damaged(label, count)
        self._delete_first()
        self._write_mark()

    def _delete_first(self) -> None:
        segment = self._segments.popleft()
        if not self._segments:
            self._close_segment()
        self._first, self._offset = segment.number + 1, 0
        segment.path.unlink()

    def _close_segment(self) -> None:
        """Nothing more is appended to the last segment."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _write_mark(self) -> None:
        mark = _MARK.pack(self._first, self._offset)
        os.pwrite(self._mark, mark + crc32(mark).to_bytes(4, "big"), 0)

    def _existing_segments(self) -> Iterator[_Segment]:
        """Segments of an earlier process. Those before the read position were read completely; that process did not get to delete them."""
        for path in sorted(self._folder.glob("*.spool")):
            number = int(match[1]) if (match := _FILE_NAME.fullmatch(path.name)) else -1
            if number < self._first:
                path.unlink()
                continue
            segment = _open_segment(number, path, self._offset if number == self._first else 0)
            if segment.labels:
                yield segment
            else:
                path.unlink()


def _open_segment(number: int, path: Path, start: int) -> _Segment:
    file = os.open(path, os.O_RDONLY)
    try:
        return _Segment(number, path, os.fstat(file).st_size, Counter(location.label for location in scan_records(file, start)))
    finally:
        os.close(file)


def _read_mark(file: int) -> tuple[int, int]:
    """Number of the first segment and the offset in it. An incomplete mark means: from the beginning."""
    data = os.pread(file, _MARK.size + 4, 0)
    if len(data) < _MARK.size + 4 or crc32(data[: _MARK.size]).to_bytes(4, "big") != data[_MARK.size :]:
        return 0, 0
    first, offset = _MARK.unpack_from(data)
    return first, offset


def _locked(folder: Path) -> FileLock:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / "lock")
    except OSError as error:
        raise ConfigError(f"{folder}: the spool cannot be stored there: {error.strerror}") from error
    if not lock.acquire(blocking=False):
        lock.close()
        raise ConfigError(f"{folder}: another process uses this spool; each needs a folder of its own (--data)")
    return lock
