"""One file of the spool: records one after the other, each with its lengths and sums.

A record says whose it is (`label`) in its head, so that what has to be thrown away can be counted without being read. The head has a sum
of its own: where it holds, a damaged picture costs that picture; where it does not, nobody knows where the next record begins.
"""

import os
import struct
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple
from zlib import crc32

_HEAD: Final = struct.Struct(">IIBI")
"""Length of the body, its CRC-32, length of the label, CRC-32 of all that and the label."""
_SUMMED: Final = struct.Struct(">IIB")
LONGEST_LABEL: Final = 255
_PARTS_AT_ONCE: Final = 512
"""Linux takes 1,024 in one writev."""


class RecordLocation(NamedTuple):
    """Where a record lies in its file, and how long it is with its head."""

    offset: int
    size: int
    label: str
    body_crc: int


def packed(label: str, body: Sequence[bytes]) -> tuple[bytes, ...]:
    """What to write for a record; the body is not copied."""
    name = label.encode()
    if len(name) > LONGEST_LABEL:
        raise ValueError(f"a label of {len(name)} bytes; {LONGEST_LABEL} are the most")
    body_crc = 0
    for part in body:
        body_crc = crc32(part, body_crc)
    summed = _SUMMED.pack(sum(map(len, body)), body_crc, len(name))
    return (summed + struct.pack(">I", crc32(name, crc32(summed))) + name, *body)


def places(file: int, start: int = 0) -> Iterator[RecordLocation]:
    """The records from `start` on, up to the end or the first one whose head is damaged or that breaks off. No body is read."""
    end, at = os.fstat(file).st_size, start
    while (place := _place(file, at, end)) is not None:
        yield place
        at += place.size


def body_of(file: int, place: RecordLocation) -> bytes | None:
    """None if it is not what was written."""
    length = place.size - _HEAD.size - len(place.label.encode())
    body = os.pread(file, length, place.offset + place.size - length)
    return body if len(body) == length and crc32(body) == place.body_crc else None


def append(file: int, records: Sequence[Sequence[bytes]], end: int) -> None:
    """Write `packed` records at the end, safe when it returns. Raises OSError; then the file is as long as it was: `end`."""
    parts = [part for record in records for part in record if part]
    try:
        for at in range(0, len(parts), _PARTS_AT_ONCE):
            _write(file, parts[at : at + _PARTS_AT_ONCE])
        os.fdatasync(file)
    except OSError:
        os.ftruncate(file, end)
        raise


def _place(file: int, at: int, end: int) -> RecordLocation | None:
    head = os.pread(file, _HEAD.size + LONGEST_LABEL, at)
    if len(head) < _HEAD.size:
        return None
    length, body_crc, name_length, head_crc = _HEAD.unpack_from(head)
    name = head[_HEAD.size : _HEAD.size + name_length]
    if crc32(name, crc32(head[: _SUMMED.size])) != head_crc or len(name) != name_length:
        return None
    size = _HEAD.size + name_length + length
    return RecordLocation(at, size, name.decode(errors="replace"), body_crc) if at + size <= end else None


def _write(file: int, parts: list[bytes]) -> None:
    """All of them: a write may stop in the middle of one."""
    while parts:
        written = os.writev(file, parts)
        while parts and written >= len(parts[0]):
            written -= len(parts.pop(0))
        if written:
            parts[0] = parts[0][written:]
