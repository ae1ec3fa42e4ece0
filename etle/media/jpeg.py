"""Read the markers of a JPEG without decoding it and without a package.

An edge device passes JPEGs on unchanged. It still needs their size, and has to know whether a JPEG is complete: most libraries decode a
truncated one to a picture with a grey lower half, without an error.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from etle.errors import FrameBroken

START = b"\xff\xd8"
END = b"\xff\xd9"
_SCAN = 0xDA
_WITHOUT_LENGTH = frozenset((0x01, *range(0xD0, 0xD8)))
_METADATA = frozenset((*range(0xE1, 0xEE), 0xEF, 0xFE))
"""Application segments but JFIF and Adobe, which tell how colours are stored, and comments."""
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Start-of-frame markers; C4, C8 and CC are in their range but have other meanings."""
_MAX_SEGMENTS = 2000
"""Cameras write about ten. A megabyte of empty segments would take the time of a hundred pictures."""
_FILL = re.compile(rb"\xff+")
_MARKER = re.compile(rb"\xff[^\x00\xff\x01\xd0-\xd7]")
"""Of a segment, or of the end: neither fill bytes nor a byte FF inside of image data."""


class JpegSegment(NamedTuple):
    """A segment before the image data: `data[start:end]` is its payload; the next one begins at `end`."""

    marker: int
    start: int
    end: int


class JpegSize(NamedTuple):
    width: int
    height: int


def size_of(data: bytes) -> JpegSize:
    """Width and height of a complete JPEG. Raises FrameBroken with the reason if it is not one."""
    if not data:
        raise FrameBroken("empty: 0 bytes")
    size: JpegSize | None = None
    for segment in segments(data):
        if segment.marker in _START_OF_FRAME:
            size = _size(data, segment)
        elif segment.marker == _SCAN:
            if size is None:
                raise FrameBroken("a JPEG without a size")
            if data.find(END, segment.end) < 0:
                raise FrameBroken(f"a JPEG that is truncated after {len(data)} bytes")
            return size
    raise FrameBroken(f"a JPEG that is truncated after {len(data)} bytes, before the image data")


def components_of(data: bytes) -> int:
    """Number of colour components: 1 grey, 3 colour. Raises FrameBroken if there is no frame in it."""
    for segment in segments(data):
        if segment.marker in _START_OF_FRAME and segment.end - segment.start > 5:
            return data[segment.start + 5]
    raise FrameBroken("no start of a frame")


def segments(data: bytes) -> Iterator[JpegSegment]:
    """The segments up to and including the start of scan. Raises FrameBroken where the data is not a JPEG."""
    if not data.startswith(START):
        raise FrameBroken("not a JPEG")
    at = 2
    for _ in range(_MAX_SEGMENTS):
        if at + 4 > len(data):
            return
        if data[at] != 0xFF:  # a segment whose length is wrong: decoders go on at the next marker
            at = _next_marker(data, at)
        marker = data[at + 1]
        if marker == 0xFF:
            at = _after_fill_bytes(data, at)
        elif marker in _WITHOUT_LENGTH:
            at += 2
        else:
            end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
            if end > len(data) or end < at + 4:
                return
            yield JpegSegment(marker, at + 4, end)
            if marker == _SCAN:
                return
            at = end
    raise FrameBroken(f"a JPEG with more than {_MAX_SEGMENTS} segments before the image data")


def _after_fill_bytes(data: bytes, at: int) -> int:
    """Position of the last of the bytes 0xFF that begin at `at`: that of the next marker."""
    fill = _FILL.match(data, at)
    return max(at, fill.end() - 1) if fill else at + 1


def picture_segments(data: bytes) -> bytes:
    """The JPEG without the segments that do not concern its picture (metadata, comments), and without what follows its end."""
    kept, rest = [START], len(data)
    for segment in segments(data):
        if segment.marker not in _METADATA:
            kept.append(data[segment.start - 4 : segment.end])
        rest = segment.end
    end = data.rfind(END, rest)
    return b"".join((*kept, data[rest : len(data) if end < 0 else end + len(END)]))


def end_of(data: bytes) -> int:
    """Index behind the end of the first picture in the data; 0 if it does not end. Raises FrameBroken where the data is not a JPEG."""
    for segment in segments(data):
        if segment.marker == _SCAN:
            return _end_of_scans(data, segment.end)
    return 0


def _end_of_scans(data: bytes, at: int) -> int:
    """Walks over the image data of all scans: inside it, a byte FF is followed by 0 or a restart marker."""
    for _ in range(_MAX_SEGMENTS):
        found = _MARKER.search(data, at)
        if found is None:
            return 0
        at = found.start()
        if data[at + 1] == END[1]:
            return at + 2
        at += 2 + int.from_bytes(data[at + 2 : at + 4])
    return 0


def has_huffman_tables(data: bytes) -> bool:
    """False for the pictures of some MJPEG recorders, which rely on the decoder to use the standard tables; not every decoder does."""
    return any(segment.marker == 0xC4 for segment in segments(data))


def _next_marker(data: bytes, at: int) -> int:
    found = _MARKER.search(data, at, len(data) - 2)
    if found is None:
        raise FrameBroken(f"not a JPEG from byte {at} on")
    return found.start()


def _size(data: bytes, segment: JpegSegment) -> JpegSize:
    if segment.end - segment.start < 6:
        raise FrameBroken("a JPEG whose size is truncated")
    height = int.from_bytes(data[segment.start + 1 : segment.start + 3])
    width = int.from_bytes(data[segment.start + 3 : segment.start + 5])
    if not width or not height:
        raise FrameBroken(f"a JPEG of size {width}x{height}")
    return JpegSize(width, height)
