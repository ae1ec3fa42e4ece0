"""Matroska files of JPEGs (codec V_MJPEG), written so that a file that is cut off anywhere is read up to its last complete frame.

Each frame is a cluster of its own: its JPEG byte for byte, and beside it a block addition with further bytes that players ignore. The
size of the segment element stays unknown, as in a live stream. `finish` appends cues, with which players seek, and writes their place into
a reserved part of the head; a file without them is played and read just as well. RFC 9559 has the element ids.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from zlib import crc32

from etle.files import ByteReader

_EPOCH: Final = datetime(2001, 1, 1, tzinfo=UTC)
_SEGMENT: Final = b"\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff"
"""With its size, which is unknown."""
_CLUSTER: Final = b"\x1f\x43\xb6\x75"
_CUES_ID: Final = 0x1C53BB6B
_SEEK_BYTES: Final = 40
"""Reserved in the head for the entry that points to the cues."""
_BEFORE_JPEG: Final = struct.Struct(">4sQ2sIsQsQBhB")
"""Cluster, Timestamp, BlockGroup, Block: ids and sizes, and the block's track, relative time and flags."""
_AFTER_JPEG: Final = struct.Struct(">2sQsQ3ssQI")
"""BlockAdditions, BlockMore, BlockAddID (2; 1 is reserved for codecs), BlockAdditional: ids and sizes, and the addition's CRC-32."""
_ADD_ID: Final = b"\xee\x81\x02"
OVERHEAD_BYTES: Final = _BEFORE_JPEG.size + _AFTER_JPEG.size
"""Bytes of a frame besides its JPEG and its addition."""
_BLOCK_HEAD_BYTES: Final = 4
_SIZE_MARK: Final = 1 << 56
"""Marks a size of eight bytes."""
_MAX_BYTES: Final = 256 * 1024 * 1024
"""A longer JPEG or addition is damage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameLocation:
    """Where a frame is in its file, in bytes."""

    offset: int
    """Of its cluster."""
    jpeg_bytes: int
    addition_bytes: int

    @property
    def size(self) -> int:
        return OVERHEAD_BYTES + self.jpeg_bytes + self.addition_bytes

    @property
    def end(self) -> int:
        return self.offset + self.size


@dataclass(frozen=True, slots=True, kw_only=True)
class CuePoint:
    timestamp_ms: int
    offset: int
    """Of the cluster, from the beginning of the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MatroskaHead:
    """Everything before the first frame. Its size depends on the title only."""

    title: str
    begins_at: datetime
    """What the timestamps count from."""
    width: int
    height: int

    def pack(self, cues_at: int | None = None, duration_ms: int = 0) -> bytes:
        """`cues_at`: offset of the cues; None while the file is not finished."""
        before = _ebml_header() + _SEGMENT
        seek = _void(_SEEK_BYTES) if cues_at is None else _seek_head(cues_at - len(before))
        return before + seek + self._info(duration_ms) + self._tracks()

    def _info(self, duration_ms: int) -> bytes:
        since_epoch = self.begins_at - _EPOCH
        nanoseconds = (since_epoch.days * 86_400 + since_epoch.seconds) * 10**9 + since_epoch.microseconds * 1000
        return _element(
            0x1549A966,
            _element(0x2AD7B1, _unsigned(1_000_000, 4))
            + _element(0x4489, struct.pack(">d", duration_ms))
            + _element(0x4461, nanoseconds.to_bytes(8, "big", signed=True))
            + _element(0x7BA9, self.title.encode())
            + _element(0x4D80, b"etle")
            + _element(0x5741, b"etle"),
        )

    def _tracks(self) -> bytes:
        video = _element(0xB0, _unsigned(self.width, 4)) + _element(0xBA, _unsigned(self.height, 4))
        return _element(
            0x1654AE6B,
            _element(
                0xAE,
                _element(0xD7, _unsigned(1, 1))
                + _element(0x73C5, _unsigned(1, 1))
                + _element(0x83, _unsigned(1, 1))
                + _element(0x9C, _unsigned(0, 1))
                + _element(0x55EE, _unsigned(2, 1))
                + _element(0x86, b"V_MJPEG")
                + _element(0xE0, video),
            ),
        )


def pack_frame(timestamp_ms: int, jpeg: bytes, addition: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    """The buffers to write for a frame. The JPEG is not copied. `timestamp_ms` counts from `begins_at` and is less than 2^32."""
    additional = 4 + len(addition)
    more = len(_ADD_ID) + 9 + additional
    block = _BLOCK_HEAD_BYTES + len(jpeg)
    group = 9 + block + 10 + 9 + more
    before = _BEFORE_JPEG.pack(
        _CLUSTER, _SIZE_MARK | 15 + group, b"\xe7\x84", timestamp_ms, b"\xa0", _SIZE_MARK | group, b"\xa1", _SIZE_MARK | block, 0x81, 0, 0
    )
    after = _AFTER_JPEG.pack(
        b"\x75\xa1", _SIZE_MARK | 9 + more, b"\xa6", _SIZE_MARK | more, _ADD_ID, b"\xa5", _SIZE_MARK | additional, crc32(addition)
    )
    return before, jpeg, after, addition


def unpack_frame(data: bytes) -> tuple[int, bytes, bytes] | None:
    """Timestamp in milliseconds, JPEG and addition of a whole cluster; None if any byte of its structure or of the addition is damaged.

    The JPEG has no checksum here: its SHA-256 is part of the addition.
    """
    if len(data) < OVERHEAD_BYTES:
        return None
    timestamp_ms, jpeg_bytes = _fields_before(data)
    jpeg_end = _BEFORE_JPEG.size + jpeg_bytes
    jpeg, after, addition = data[_BEFORE_JPEG.size : jpeg_end], data[jpeg_end:][: _AFTER_JPEG.size], data[jpeg_end + _AFTER_JPEG.size :]
    packed = pack_frame(timestamp_ms, jpeg, addition)
    return (timestamp_ms, jpeg, addition) if (packed[0], packed[2]) == (data[: _BEFORE_JPEG.size], after) else None


def timestamp_of(cluster: bytes) -> int:
    """The timestamp of a cluster in milliseconds."""
    return _fields_before(cluster)[0]


def scan_frames(file: ByteReader, start: int) -> Iterator[FrameLocation]:
    """Frames from offset `start` to the end of the file, to its cues, or to the first damaged or truncated one. Reads no JPEGs."""
    offset = start
    while (location := _frame_at(file, offset)) is not None:
        yield location
        offset = location.end


def pack_cues(points: Sequence[CuePoint]) -> bytes:
    before = len(_ebml_header() + _SEGMENT)
    return _element(_CUES_ID, b"".join(_cue_point(point, before) for point in points))


def _frame_at(file: ByteReader, offset: int) -> FrameLocation | None:
    before = file.read(offset, _BEFORE_JPEG.size)
    if len(before) < _BEFORE_JPEG.size or before[:4] != _CLUSTER:
        return None
    _, jpeg_bytes = _fields_before(before)
    after = file.read(offset + len(before) + jpeg_bytes, _AFTER_JPEG.size) if jpeg_bytes <= _MAX_BYTES else b""
    if len(after) < _AFTER_JPEG.size:
        return None
    addition_bytes = (_AFTER_JPEG.unpack(after)[6] & ~_SIZE_MARK) - 4
    location = FrameLocation(offset=offset, jpeg_bytes=jpeg_bytes, addition_bytes=addition_bytes)
    return location if 0 <= addition_bytes <= _MAX_BYTES and location.end <= file.size else None


def _fields_before(data: bytes) -> tuple[int, int]:
    """Timestamp, and length of the JPEG; not checked."""
    fields = _BEFORE_JPEG.unpack_from(data)
    return int(fields[3]), max(0, (int(fields[7]) & ~_SIZE_MARK) - _BLOCK_HEAD_BYTES)


def _cue_point(point: CuePoint, before: int) -> bytes:
    positions = _element(0xF7, _unsigned(1, 1)) + _element(0xF1, _unsigned(point.offset - before, 8))
    return _element(0xBB, _element(0xB3, _unsigned(point.timestamp_ms, 4)) + _element(0xB7, positions))


def _seek_head(cues_at: int) -> bytes:
    seek = _element(0x4DBB, _element(0x53AB, _CUES_ID.to_bytes(4, "big")) + _element(0x53AC, _unsigned(cues_at, 8)))
    head = _element(0x114D9B74, seek)
    return head + _void(_SEEK_BYTES - len(head))


def _ebml_header() -> bytes:
    numbers = ((0x4286, 1), (0x42F7, 1), (0x42F2, 4), (0x42F3, 8))
    versions = ((0x4287, 4), (0x4285, 2))
    return _element(
        0x1A45DFA3,
        b"".join(_element(name, _unsigned(value, 1)) for name, value in numbers)
        + _element(0x4282, b"matroska")
        + b"".join(_element(name, _unsigned(value, 1)) for name, value in versions),
    )


def _void(size: int) -> bytes:
    """An element of `size` bytes in all, from 2 to 128, without meaning."""
    return bytes((0xEC, 0x80 | size - 2)) + bytes(size - 2)


def _element(name: int, content: bytes) -> bytes:
    id_ = name.to_bytes((name.bit_length() + 7) // 8, "big")
    size = bytes((0x80 | len(content),)) if len(content) < 0x7F else (_SIZE_MARK | len(content)).to_bytes(8, "big")
    return id_ + size + content


def _unsigned(value: int, size: int) -> bytes:
    return value.to_bytes(size, "big")
