"""What a box keeps on its disk while the broker is away: a queue of records, first in, first out, bounded.

It lies in a folder as files (`ingest.delivery.segment`) that are only ever added to. What was put is on the disk when `put` returns. What was taken
is remembered by a mark, which may lag behind after a power failure: then some records come again, in their order, and none is missing.
A record that was being written when the power failed was never promised, and is cut off.
"""

import fcntl
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
from ingest.delivery.segment import RecordLocation, append, body_of, packed, places

_NAME: Final = re.compile(r"(\d{20})\.spool")
_MARK: Final = struct.Struct(">QQ")
_SEGMENTS: Final = 16
"""The bound is divided into so many files: what has to go for want of room is a sixteenth."""
_LARGEST_SEGMENT: Final = 64 * 1024 * 1024


class SpoolRecord(NamedTuple):
    """`label` says whose it is: the camera's id. The parts of `body` are written one behind the other."""

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
    """The records in it that were not taken yet, by whose they are."""


class Spool:
    """For one thread of one process. `lost` is told whose records turned out to be damaged, and how many."""

    def __init__(
        self, folder: Path, limit_bytes: int, *, keep_free_bytes: int = 0, lost: Callable[[str, int], None] = lambda label, count: None
    ) -> None:
        """Raises ConfigError if the folder cannot be used, or another process uses it."""
        self._folder = folder
        self.limit_bytes: Final = limit_bytes
        self._segment_bytes = min(_LARGEST_SEGMENT, max(1, limit_bytes // _SEGMENTS))
        self._keep_free_bytes = keep_free_bytes
        self._lost = lost
        self._lock = _locked(folder)
        self._mark = os.open(folder / "mark", os.O_RDWR | os.O_CREAT, 0o600)
        self._first, self._offset = _read_mark(self._mark)
        self._segments = deque(self._found())
        self._last = max(self._first, *(segment.number for segment in self._segments), 0)
        self._file: int | None = None
        """The last segment, if this process began it: those of others are not added to."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def __len__(self) -> int:
        return sum(segment.labels.total() for segment in self._segments)

    @property
    def size_bytes(self) -> int:
        """On the disk, what was taken from the first file included."""
        return sum(segment.size for segment in self._segments)

    def put(self, records: Sequence[SpoolRecord]) -> None:
        """All of them behind those that wait, safe when it returns; or none: raises SpoolFull."""
        packs = [packed(*record) for record in records]
        size = sum(len(part) for pack in packs for part in pack)
        self._check_room(size)
        try:
            segment, file = self._to_write(size)
            append(file, packs, segment.size)
        except OSError as error:
            self._finish()
            raise SpoolFull(f"{self._folder}: the spool cannot be written: {error.strerror}") from error
        segment.size += size
        segment.labels.update(record.label for record in records)

    def peek(self, limit_bytes: int) -> list[SpooledMessage]:
        """The oldest records, up to so many bytes and at least one if there is one. They stay until `forget`."""
        found: list[SpooledMessage] = []
        size = 0
        for segment in list(self._segments):
            read = 0
            for place, body in self._stored(segment):
                size += place.size
                if found and (body is None or size > limit_bytes):
                    return found  # a damaged one is told when it is the oldest
                if body is None:
                    self._pass(segment, place)
                    self._lost(place.label, 1)
                else:
                    found.append(SpooledMessage(place.label, body))
                    read += 1
            if found and segment.labels.total() > read:
                return found  # what is behind it cannot be read: told when it is the oldest
            if not found:
                self._give_up(segment)
        return found

    def forget(self, count: int) -> None:
        """So many of the oldest, which `peek` gave, are safe elsewhere."""
        while count > 0 and self._segments:
            count -= self._forget_in(self._segments[0], count)
            if self._segments[0].labels.total():
                break
            self._remove_first()
        self._write_mark()

    def drop_oldest(self) -> Counter[str]:
        """Give up the oldest file for want of room. How many records went, by whose they were; empty if there was none."""
        if not self._segments:
            return Counter()
        gone = +self._segments[0].labels
        self._remove_first()
        self._write_mark()
        return gone

    def close(self) -> None:
        """What waits stays for the next one."""
        self._finish()
        os.close(self._mark)
        os.close(self._lock)

    def _check_room(self, size: int) -> None:
        if self.size_bytes + size > self.limit_bytes:
            raise SpoolFull(f"{self._folder}: the spool holds {self.size_bytes} of {self.limit_bytes} bytes, and {size} more do not fit")
        disk = os.statvfs(self._folder)
        if disk.f_bavail * disk.f_frsize < size + self._keep_free_bytes:
            raise SpoolFull(f"{self._folder}: the disk is full up to the {self._keep_free_bytes} bytes that are to stay free")

    def _to_write(self, size: int) -> tuple[_Segment, int]:
        if self._file is not None and self._segments[-1].size + size <= self._segment_bytes:
            return self._segments[-1], self._file
        self._finish()
        self._last += 1
        segment = _Segment(self._last, self._folder / f"{self._last:020}.spool", 0)
        self._file = os.open(segment.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        self._segments.append(segment)
        _sync_folder(self._folder)
        return segment, self._file

    def _stored(self, segment: _Segment) -> Iterator[tuple[RecordLocation, bytes | None]]:
        file = os.open(segment.path, os.O_RDONLY)
        try:
            for place in places(file, self._offset if segment.number == self._first else 0):
                yield place, body_of(file, place)
        finally:
            os.close(file)

    def _forget_in(self, segment: _Segment, count: int) -> int:
        """How many went: fewer than `count` at the end of the file."""
        file = os.open(segment.path, os.O_RDONLY)
        try:
            start = self._offset if segment.number == self._first else 0
            taken = list(islice(places(file, start), count))
        finally:
            os.close(file)
        for place in taken:
            self._pass(segment, place)
        return len(taken)

    def _pass(self, segment: _Segment, place: RecordLocation) -> None:
        self._first, self._offset = segment.number, place.offset + place.size
        segment.labels[place.label] -= 1

    def _give_up(self, segment: _Segment) -> None:
        """The first one, in which nothing can be read any more."""
        for label, count in (+segment.labels).items():
            self._lost(label, count)
        self._remove_first()
        self._write_mark()

    def _remove_first(self) -> None:
        segment = self._segments.popleft()
        if not self._segments:
            self._finish()
        self._first, self._offset = segment.number + 1, 0
        segment.path.unlink()

    def _finish(self) -> None:
        """Nothing more is added to the file that is written."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _write_mark(self) -> None:
        mark = _MARK.pack(self._first, self._offset)
        os.pwrite(self._mark, mark + crc32(mark).to_bytes(4, "big"), 0)

    def _found(self) -> Iterator[_Segment]:
        """What an earlier process left. Files before the mark were taken, and their removal was cut short."""
        for path in sorted(self._folder.glob("*.spool")):
            number = int(match[1]) if (match := _NAME.fullmatch(path.name)) else -1
            if number < self._first:
                path.unlink()
                continue
            segment = _scanned(number, path, self._offset if number == self._first else 0)
            if segment.labels:
                yield segment
            else:
                path.unlink()


def _scanned(number: int, path: Path, start: int) -> _Segment:
    file = os.open(path, os.O_RDONLY)
    try:
        return _Segment(number, path, os.fstat(file).st_size, Counter(place.label for place in places(file, start)))
    finally:
        os.close(file)


def _read_mark(file: int) -> tuple[int, int]:
    """Number of the first file and the offset in it. A mark that is not whole means: from the beginning."""
    data = os.pread(file, _MARK.size + 4, 0)
    if len(data) < _MARK.size + 4 or crc32(data[: _MARK.size]).to_bytes(4, "big") != data[_MARK.size :]:
        return 0, 0
    first, offset = _MARK.unpack_from(data)
    return first, offset


def _locked(folder: Path) -> int:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ConfigError(f"{folder}: the spool cannot be kept there: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise ConfigError(f"{folder}: another process uses this spool; each needs a folder of its own (--data)") from error
    return lock


def _sync_folder(folder: Path) -> None:
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
