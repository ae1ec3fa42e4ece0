"""The index of a segment: one record of fixed size per frame, in the order of arrival, so that a frame is found by its time without a scan.

A record that was cut off by a crash is ignored; a damaged one is recognised by its CRC-32. Both can be written again from the segment.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zlib import crc32

from etle.files import ByteReader
from etle.media.matroska import FrameLocation
from etle.types import Digest

MAGIC: Final = b"etleidx1"
SIGNATURE_BYTES: Final = 64
"""Of an Ed25519 signature."""
_FIELDS: Final = struct.Struct(">qqqqIQII32s64s")
_CRC: Final = struct.Struct(">I")
RECORD_BYTES: Final = _FIELDS.size + _CRC.size
_BATCH: Final = 4096
"""Records that are read at once."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def microseconds(at: datetime) -> int:
    """Since 1970."""
    return (at - _EPOCH) // _MICROSECOND


def time_of(microseconds_: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds_)


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexEntry:
    """One frame of a segment. Times are in microseconds since 1970."""

    captured_us: int
    received_us: int
    sequence: int
    sha256: Digest
    signature: bytes
    """Of the device; empty if the frame has none."""
    location: FrameLocation
    latest_us: int
    """The latest capture time up to this frame."""
    steps_back: int
    """Frames up to this one whose capture time was earlier than one before: while there is none, the times are sorted."""

    @property
    def captured_at(self) -> datetime:
        return time_of(self.captured_us)

    @property
    def frame_key(self) -> tuple[int, Digest]:
        """The same for a frame that was archived twice."""
        return self.sequence, self.sha256


def pack_entry(entry: IndexEntry) -> bytes:
    fields = _FIELDS.pack(
        entry.captured_us,
        entry.received_us,
        entry.sequence,
        entry.latest_us,
        entry.steps_back,
        entry.location.offset,
        entry.location.jpeg_bytes,
        entry.location.addition_bytes,
        bytes.fromhex(entry.sha256),
        entry.signature.ljust(SIGNATURE_BYTES, b"\0"),
    )
    return fields + _CRC.pack(crc32(fields))


def unpack_entry(record: bytes) -> IndexEntry | None:
    """None if it is damaged."""
    if len(record) != RECORD_BYTES or _CRC.unpack_from(record, _FIELDS.size)[0] != crc32(record[: _FIELDS.size]):
        return None
    captured, received, sequence, latest, steps_back, offset, jpeg_bytes, addition_bytes, digest, signature = _FIELDS.unpack_from(record)
    return IndexEntry(
        captured_us=captured,
        received_us=received,
        sequence=sequence,
        sha256=Digest(digest.hex()),
        signature=b"" if not any(signature) else signature,
        location=FrameLocation(offset=offset, jpeg_bytes=jpeg_bytes, addition_bytes=addition_bytes),
        latest_us=latest,
        steps_back=steps_back,
    )


class SegmentIndex:
    """The records of one index file, read as needed."""

    def __init__(self, file: ByteReader) -> None:
        self._file = file
        self.records = max(0, file.size - len(MAGIC)) // RECORD_BYTES

    @property
    def valid_head(self) -> bool:
        return self._file.read(0, len(MAGIC)) == MAGIC

    def entry(self, number: int) -> IndexEntry | None:
        """None if the record is damaged."""
        return unpack_entry(self._file.read(len(MAGIC) + number * RECORD_BYTES, RECORD_BYTES))

    def entries(self, first: int = 0, batch: int = _BATCH) -> Iterator[IndexEntry | None]:
        """All records from number `first` on, of which `batch` are read at once; None for a damaged one."""
        for start in range(first, self.records, batch):
            data = self._file.read(len(MAGIC) + start * RECORD_BYTES, min(batch, self.records - start) * RECORD_BYTES)
            for offset in range(0, len(data) - RECORD_BYTES + 1, RECORD_BYTES):
                yield unpack_entry(data[offset : offset + RECORD_BYTES])

    def first_at(self, since_us: int) -> int:
        """Number of the first record that may be of a frame captured at `since_us` or later; 0 if damage prevents the search."""
        low, high = 0, self.records
        while low < high:
            middle = (low + high) // 2
            entry = self.entry(middle)
            if entry is None:
                return 0
            if entry.latest_us < since_us:
                low = middle + 1
            else:
                high = middle
        return low

    def sorted_by_time(self) -> bool:
        last = self.entry(self.records - 1) if self.records else None
        return last is not None and last.steps_back == 0
