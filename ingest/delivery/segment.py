"""One file of the spool: a sequence of records, each with its lengths and checksums.

The header of a record contains its label, so that dropped records can be counted without reading their bodies. The header has a checksum of
its own: if only the body is damaged, that record is lost; if the header is damaged, the start of the next record is unknown.
"""

import os
import struct
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple
from zlib import crc32

_HEADER: Final = struct.Struct(">IIBI")
"""Length of the body, its CRC-32, length of the label, CRC-32 of these three fields and the label."""
_HEADER_FIELDS: Final = struct.Struct(">IIB")
"""The fields of the header that its CRC-32 covers."""
MAX_LABEL_BYTES: Final = 255
_MAX_IOVECS: Final = 512
"""Buffers per writev; Linux accepts at most 1,024."""


class RecordLocation(NamedTuple):
    """Position of a record in its file; `size` includes the header. All in bytes."""

    offset: int
    size: int
    label: str
    body_crc: int


def pack_record(label: str, body: Sequence[bytes]) -> tuple[bytes, ...]:
    """The buffers to write for a record. The parts of `body` are not copied."""
    encoded_label = label.encode()
    if len(encoded_label) > MAX_LABEL_BYTES:
        raise ValueError(f"a label of {len(encoded_label)} bytes; the maximum is {MAX_LABEL_BYTES}")
    body_crc = 0
    for part in body:
        body_crc = crc32(part, body_crc)
    fields = _HEADER_FIELDS.pack(sum(map(len, body)), body_crc, len(encoded_label))
    return (fields + struct.pack(">I", crc32(encoded_label, crc32(fields))) + encoded_label, *body)


def scan_records(file: int, start: int = 0) -> Iterator[RecordLocation]:
    """Records from offset `start` to the end of the file, or to the first damaged header or truncated record. Reads no bodies."""
    end, offset = os.fstat(file).st_size, start
    while (location := _record_at(file, offset, end)) is not None:
        yield location
        offset += location.size


def read_body(file: int, location: RecordLocation) -> bytes | None:
    """None if the body does not have its checksum."""
    length = location.size - _HEADER.size - len(location.label.encode())
    body = os.pread(file, length, location.offset + location.size - length)
    return body if len(body) == length and crc32(body) == location.body_crc else None


def append_records(file: int, records: Sequence[Sequence[bytes]], end: int) -> None:
    """Append packed records and sync them to the disk. Raises OSError, after truncating the file to its length before: `end` bytes."""
    buffers = [part for record in records for part in record if part]
    try:
        for first in range(0, len(buffers), _MAX_IOVECS):
            _write_all(file, buffers[first : first + _MAX_IOVECS])
        os.fdatasync(file)
    except OSError:
        os.ftruncate(file, end)
        raise


def _record_at(file: int, offset: int, end: int) -> RecordLocation | None:
    header = os.pread(file, _HEADER.size + MAX_LABEL_BYTES, offset)
    if len(header) < _HEADER.size:
        return None
    body_length, body_crc, label_length, header_crc = _HEADER.unpack_from(header)
    label = header[_HEADER.size : _HEADER.size + label_length]
    if crc32(label, crc32(header[: _HEADER_FIELDS.size])) != header_crc or len(label) != label_length:
        return None
    size = _HEADER.size + label_length + body_length
    return RecordLocation(offset, size, label.decode(errors="replace"), body_crc) if offset + size <= end else None


def _write_all(file: int, buffers: list[bytes]) -> None:
    """Repeat writev until everything is written: a single call may write only a part."""
    while buffers:
        written = os.writev(file, buffers)
        while buffers and written >= len(buffers[0]):
            written -= len(buffers.pop(0))
        if written:
            buffers[0] = buffers[0][written:]
