"""One segment: a Matroska file with the frames of one camera within one hour, and its index. Append-only, and readable after a kill.

A frame is written to the Matroska file first and then to the index. `open` repairs what a crash has left: an incomplete last frame is cut
off, and complete frames that the index does not have are added to it.
"""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Self

import msgspec

from etle.errors import WireError
from etle.files import FileReader, sync_folder
from etle.media.matroska import CuePoint, FrameLocation, MatroskaHead, pack_cues, pack_frame, scan_frames, unpack_frame
from etle.storage.archive.files import FILE_MODE
from etle.storage.archive.index import MAGIC, RECORD_BYTES, SIGNATURE_BYTES, IndexEntry, SegmentIndex, microseconds, pack_entry
from etle.types import CameraId, Digest, Frame
from etle.wire import Headers, frame_from_wire

VIDEO_SUFFIX: Final = ".mkv"
INDEX_SUFFIX: Final = ".index"
_PATH: Final = re.compile(r"([a-z0-9_-]+)/([a-z0-9_-]+)/(\d{4}-\d\d-\d\d/\d\d-\d\d-\d\d\.\d{6})\.mkv", re.ASCII)
_NAME_FORMAT: Final = "%Y-%m-%d/%H-%M-%S.%f"
_HOUR: Final = timedelta(hours=1)
_MILLISECOND: Final = timedelta(milliseconds=1)
_CUE_EVERY_MS: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class SegmentName:
    """`SITE/CAMERA/2026-11-23/03-00-15.500000.mkv`: when its first frame was captured, in UTC."""

    site: str
    camera: CameraId
    begins_at: datetime

    @classmethod
    def parse(cls, path: str) -> Self | None:
        """None for a file that is no segment."""
        found = _PATH.fullmatch(path)
        if not found:
            return None
        try:
            begins_at = datetime.strptime(found[3], _NAME_FORMAT).replace(tzinfo=UTC)
        except ValueError:
            return None
        return cls(site=found[1], camera=CameraId(found[2]), begins_at=begins_at)

    @property
    def stem(self) -> str:
        return f"{camera_folder(self.site, self.camera)}/{self.begins_at.strftime(_NAME_FORMAT)}"

    @property
    def video(self) -> str:
        return self.stem + VIDEO_SUFFIX

    @property
    def index(self) -> str:
        return self.stem + INDEX_SUFFIX

    @property
    def hour(self) -> datetime:
        return hour_of(self.begins_at)

    @property
    def ends_at(self) -> datetime:
        """The end of its hour; exclusive."""
        return self.hour + _HOUR


def camera_folder(site: str, camera: CameraId) -> str:
    return f"{site}/{camera}"


def hour_of(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedMessage:
    """A frame's message as archived: byte for byte that of the topic."""

    headers: Headers
    jpeg: bytes

    def frame(self) -> Frame:
        """Raises WireError, also if the JPEG has another digest. Signatures are not checked."""
        return frame_from_wire(self.headers, self.jpeg)

    @property
    def addition(self) -> bytes:
        return msgspec.msgpack.encode(tuple(self.headers))

    @property
    def signature(self) -> bytes:
        return dict(self.headers).get("signature", b"")


def message_of(cluster: bytes) -> ArchivedMessage:
    """The message of a whole cluster. Raises WireError if its structure or its headers are damaged; its JPEG is not checked."""
    unpacked = unpack_frame(cluster)
    if unpacked is None:
        raise WireError("the frame is damaged: the structure around its picture has changed")
    try:
        headers = msgspec.msgpack.decode(unpacked[2], type=tuple[tuple[str, bytes], ...])
    except msgspec.MsgspecError as error:
        raise WireError(f"the headers of the frame are damaged: {error}") from error
    return ArchivedMessage(headers=headers, jpeg=unpacked[1])


def head_of(name: SegmentName, first: Frame) -> MatroskaHead:
    """The head of the segment whose first frame is `first`."""
    return MatroskaHead(title=name.camera, begins_at=name.hour, width=first.width, height=first.height)


def head_bytes(name: SegmentName) -> int:
    """Where the first frame of a segment begins."""
    return len(MatroskaHead(title=name.camera, begins_at=name.hour, width=0, height=0).pack())


def timestamp_ms(name: SegmentName, captured_at: datetime) -> int:
    return max(0, (captured_at - name.hour) // _MILLISECOND)


def entry_of(message: ArchivedMessage, frame: Frame, location: FrameLocation, previous: IndexEntry | None) -> IndexEntry:
    """The record of a frame; `previous` is that of the frame before it in the segment."""
    captured = microseconds(frame.captured_at)
    back = previous is not None and captured < previous.latest_us
    return IndexEntry(
        captured_us=captured,
        received_us=microseconds(frame.received_at),
        sequence=frame.sequence,
        sha256=frame.sha256,
        signature=message.signature[:SIGNATURE_BYTES].ljust(SIGNATURE_BYTES, b"\0") if any(message.signature) else b"",
        location=location,
        latest_us=max(captured, previous.latest_us) if previous else captured,
        steps_back=(previous.steps_back if previous else 0) + back,
    )


class SegmentWriter:
    """Appends to one segment. Not thread-safe; one at a time for each segment."""

    def __init__(self, folder: Path, name: SegmentName, first: Frame) -> None:
        """Creates the segment, which begins with `first`, or continues an existing one. Raises OSError."""
        self.name: Final = name
        self._head = head_of(name, first)
        self._video_path, self._index_path = folder / name.video, folder / name.index
        self._video_path.parent.mkdir(parents=True, exist_ok=True)
        self._last: IndexEntry | None = None
        self._records = 0
        self._cues: list[CuePoint] = []
        self._keys: set[int] = set()
        """Of all frames of the segment: a few MB for an hour, where their entries would take a hundred."""
        created = not self._video_path.exists()
        self._video = os.open(self._video_path, os.O_RDWR | os.O_CREAT, FILE_MODE)
        self._index = os.open(self._index_path, os.O_RDWR | os.O_CREAT, FILE_MODE)
        self._repair()
        self._unsynced = False
        if created:
            sync_folder(self._video_path.parent)
            sync_folder(self._video_path.parent.parent)

    def append(self, message: ArchivedMessage, frame: Frame) -> int:
        """Bytes written; 0 if the segment has the frame already. Raises OSError, with nothing written."""
        if _key(frame.sequence, frame.sha256) in self._keys:
            return 0
        addition = message.addition
        location = FrameLocation(offset=self._end, jpeg_bytes=len(message.jpeg), addition_bytes=len(addition))
        entry = entry_of(message, frame, location, self._last)
        self._write(pack_frame(timestamp_ms(self.name, frame.captured_at), message.jpeg, addition), entry)
        self._remember(entry)
        self._unsynced = True
        return location.size + RECORD_BYTES

    def unsynced_files(self) -> tuple[int, ...]:
        """New descriptors of both files, to be synced and closed; empty if everything is durable."""
        if not self._unsynced:
            return ()
        self._unsynced = False
        return os.dup(self._video), os.dup(self._index)

    def sync_failed(self) -> None:
        """What `unsynced_files` returned is not durable."""
        self._unsynced = True

    def finish(self) -> None:
        """Add the cues, with which players seek, and close the files. Raises OSError; the segment is readable nevertheless."""
        try:
            if self._last is not None:
                _write_at(self._video, (pack_cues(self._cues),), self._end)
                duration_ms = timestamp_ms(self.name, self._last.captured_at)
                os.pwrite(self._video, self._head.pack(self._end, duration_ms), 0)
            os.fsync(self._video)
            os.fsync(self._index)
        finally:
            self.close()

    def close(self) -> None:
        os.close(self._video)
        os.close(self._index)

    @property
    def _end(self) -> int:
        return self._last.location.end if self._last else len(self._head.pack())

    def _remember(self, entry: IndexEntry) -> None:
        self._last = entry
        self._records += 1
        self._keys.add(_key(entry.sequence, entry.sha256))
        add_cue(self._cues, self.name, entry)

    def _write(self, cluster: Sequence[bytes], entry: IndexEntry) -> None:
        index_end = len(MAGIC) + self._records * RECORD_BYTES
        try:
            _write_at(self._video, cluster, entry.location.offset)
            _write_at(self._index, (pack_entry(entry),), index_end)
        except OSError:
            os.ftruncate(self._video, entry.location.offset)
            os.ftruncate(self._index, index_end)
            raise

    def _repair(self) -> None:
        video = FileReader(self._video_path)
        indexed = usable_entries(SegmentIndex(FileReader(self._index_path)), video.size)
        while indexed and not _is_whole(video, indexed[-1].location):
            indexed.pop()
        for entry in indexed:
            self._remember(entry)
        start = self._end
        found = list(scan_frames(video, start)) if video.size > start else []
        while found and not _is_whole(video, found[-1]):
            found.pop()
        entries = indexed + list(self._added(video, found))
        if entries:
            with suppress(WireError):
                self._head = head_of(self.name, message_of(_cluster(video, entries[0].location)).frame())
        _write_at(self._video, (self._head.pack(),), 0)
        os.ftruncate(self._video, self._end)
        records = b"".join([MAGIC, *map(pack_entry, entries)])
        if os.pread(self._index, len(records) + 1, 0) != records:
            os.ftruncate(self._index, 0)
            _write_at(self._index, (records,), 0)

    def _added(self, video: FileReader, found: Sequence[FrameLocation]) -> Iterator[IndexEntry]:
        """Records for frames that the index does not have. A damaged one before whole ones stays in the file, without a record."""
        for location in found:
            try:
                message = message_of(_cluster(video, location))
                entry = entry_of(message, message.frame(), location, self._last)
            except WireError:
                continue
            self._remember(entry)
            yield entry


def add_cue(cues: list[CuePoint], name: SegmentName, entry: IndexEntry) -> None:
    """One a second, for players."""
    at = timestamp_ms(name, entry.captured_at)
    if not cues or at - cues[-1].timestamp_ms >= _CUE_EVERY_MS:
        cues.append(CuePoint(timestamp_ms=at, offset=entry.location.offset))


def usable_entries(index: SegmentIndex, video_bytes: int) -> list[IndexEntry]:
    """The records before the first one that is damaged or does not fit the segment."""
    entries: list[IndexEntry] = []
    if not index.valid_head:
        return entries
    for entry in index.entries():
        if entry is None or entry.location.end > video_bytes or (entries and entry.location.offset < entries[-1].location.end):
            break
        entries.append(entry)
    return entries


def _key(sequence: int, sha256: Digest) -> int:
    """The same for a frame that is archived twice."""
    return hash((sequence, sha256))


def _is_whole(video: FileReader, location: FrameLocation) -> bool:
    try:
        message_of(_cluster(video, location)).frame()
    except WireError:
        return False
    return True


def _cluster(video: FileReader, location: FrameLocation) -> bytes:
    return video.read(location.offset, location.size)


def _write_at(file: int, buffers: Sequence[bytes], offset: int) -> None:
    """Repeats until everything is written: a single call may write only a part."""
    rest = [memoryview(part) for part in buffers if part]
    while rest:
        written = os.pwritev(file, rest, offset)
        offset += written
        while rest and written >= len(rest[0]):
            written -= len(rest.pop(0))
        if rest:
            rest[0] = rest[0][written:]
