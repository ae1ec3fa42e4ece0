"""Verify segments byte by byte: every picture against its digest, every header against its checksum, both against the index.

With the keys of the devices also every signature. What is damaged is named: the segment, the frame, and what of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from etle.errors import WireError
from etle.media.matroska import CuePoint, pack_cues, timestamp_of
from etle.storage.archive.index import IndexEntry
from etle.storage.archive.reader import ArchiveReader
from etle.storage.archive.segment import ArchivedMessage, SegmentName, add_cue, entry_of, head_bytes, head_of, message_of, timestamp_ms
from etle.types import Frame, digest_of
from etle.wire import Verify, frame_from_wire


class ArchiveFault(StrEnum):
    PICTURE = "picture"
    """The JPEG has another digest than its headers and the index say."""
    HEADERS = "headers"
    """The headers, or the structure around the frame, have changed."""
    INDEX = "index"
    SIGNATURE = "signature"
    CONTAINER = "container"
    """The head or the cues, which only players use, or bytes that belong to no frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveFinding:
    segment: SegmentName
    number: int | None
    """Of the frame in the segment; None if it is not about one frame."""
    fault: ArchiveFault
    detail: str


class SegmentVerifier:
    """Verifies one segment."""

    def __init__(self, reader: ArchiveReader, segment: SegmentName, signatures: Verify | None) -> None:
        """`signatures` checks that of each frame; None: frames need none. Raises ArchiveUnavailable if the segment does not exist."""
        self._reader = reader
        self._segment = segment
        self._signatures = signatures
        self._video, self._index = reader.open(segment)
        self._entries: list[IndexEntry] = []
        self._first: Frame | None = None
        self.frames = 0

    def findings(self) -> Iterator[ArchiveFinding]:
        """All faults. Raises ArchiveUnavailable."""
        if not self._index.valid_head:
            yield self._finding(None, ArchiveFault.INDEX, f"{self._segment.index} is missing, or its head has changed")
            return
        known = True
        for number, entry in enumerate(self._index.entries()):
            if entry is None:
                yield self._finding(number, ArchiveFault.INDEX, "its record in the index has changed")
            elif entry.location.end <= self._video.size:
                yield from self._check(number, entry, self._entries[-1] if self._entries else None, known=known)
                self._entries.append(entry)
                self.frames += 1
            known = entry is not None
        if self._first is not None and not self._is_container_intact(self._first) and not self._has_grown():
            yield self._finding(None, ArchiveFault.CONTAINER, "its head or its cues differ from what its frames require")

    def _check(self, number: int, entry: IndexEntry, previous: IndexEntry | None, *, known: bool) -> Iterator[ArchiveFinding]:
        """`known`: whether the record before it, `previous`, is not damaged."""
        begin = previous.location.end if previous else head_bytes(self._segment)
        if known and entry.location.offset != begin:
            yield self._finding(number, ArchiveFault.CONTAINER, f"{entry.location.offset - begin} bytes before it belong to no frame")
        cluster = self._video.read(entry.location.offset, entry.location.size)
        try:
            message = message_of(cluster)
        except WireError as error:
            yield self._finding(number, ArchiveFault.HEADERS, str(error))
            return
        digest = digest_of(message.jpeg)
        if digest != entry.sha256:
            yield self._finding(number, ArchiveFault.PICTURE, f"its picture has the digest {digest} instead of {entry.sha256}")
            return
        try:
            frame = message.frame()
        except WireError as error:
            yield self._finding(number, ArchiveFault.HEADERS, str(error))
            return
        self._first = self._first or frame
        if timestamp_of(cluster) != timestamp_ms(self._segment, frame.captured_at):
            yield self._finding(number, ArchiveFault.CONTAINER, "the time that players show has changed")
        if known and entry != entry_of(message, frame, entry.location, previous):
            yield self._finding(number, ArchiveFault.INDEX, "its record in the index and its headers differ")
        yield from self._check_signature(number, message)

    def _check_signature(self, number: int, message: ArchivedMessage) -> Iterator[ArchiveFinding]:
        if self._signatures is None:
            return
        try:
            frame_from_wire(message.headers, message.jpeg, self._signatures)
        except WireError as error:
            yield self._finding(number, ArchiveFault.SIGNATURE, str(error))

    def _is_container_intact(self, first: Frame) -> bool:
        """Of a finished segment head and cues, of another one the head: what follows its last frame may be a frame being written."""
        end, head = self._entries[-1].location.end, head_of(self._segment, first)
        found = self._video.read(0, head_bytes(self._segment))
        if found == head.pack():
            return True
        duration_ms = timestamp_ms(self._segment, self._entries[-1].captured_at)
        cues: list[CuePoint] = []
        for entry in self._entries:
            add_cue(cues, self._segment, entry)
        return found == head.pack(end, duration_ms) and self._video.read(end, self._video.size) == pack_cues(cues)

    def _has_grown(self) -> bool:
        """Whether it was written, and perhaps finished, since it was opened."""
        return self._reader.open(self._segment)[0].size != self._video.size

    def _finding(self, number: int | None, fault: ArchiveFault, detail: str) -> ArchiveFinding:
        return ArchiveFinding(segment=self._segment, number=number, fault=fault, detail=detail)
