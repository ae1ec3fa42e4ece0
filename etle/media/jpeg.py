"""What a JPEG says about itself, read from its markers: no decoding, no package.

A camera box passes JPEGs on as they came. It still has to know their size, and whether the whole of one arrived: a picture that
breaks off decodes to a grey lower half in most libraries, without a word.
"""

from collections.abc import Iterator
from typing import NamedTuple

from etle.errors import FrameBroken

START = b"\xff\xd8"
END = b"\xff\xd9"
_SCAN = 0xDA
_NO_LENGTH = frozenset((0x01, *range(0xD0, 0xD8)))
_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Start-of-frame markers; C4, C8 and CC stand between them and mean other things."""


class JpegSegment(NamedTuple):
    """A part of a JPEG before its picture data: `data[start:end]` is what it carries, `end` where the next one begins."""

    marker: int
    start: int
    end: int


class JpegSize(NamedTuple):
    width: int
    height: int


def size_of(data: bytes) -> JpegSize:
    """Width and height of a whole JPEG. Raises FrameBroken that says what is wrong with it."""
    if not data:
        raise FrameBroken("empty: 0 bytes")
    size: JpegSize | None = None
    for segment in segments(data):
        if segment.marker in _SIZES:
            size = _size(data, segment)
        elif segment.marker == _SCAN:
            if size is None:
                raise FrameBroken("a JPEG that tells no size")
            if data.find(END, segment.end) < 0:
                raise FrameBroken(f"a JPEG that breaks off after {len(data)} bytes")
            return size
    raise FrameBroken(f"a JPEG that breaks off after {len(data)} bytes, before its picture")


def segments(data: bytes) -> Iterator[JpegSegment]:
    """The segments up to and with the start of the picture data. Raises FrameBroken where they are no JPEG's."""
    if not data.startswith(START):
        raise FrameBroken("not a JPEG")
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            raise FrameBroken(f"not a JPEG from byte {at} on")
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
        elif marker in _NO_LENGTH:
            at += 2
        else:
            end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
            if end > len(data) or end < at + 4:
                return
            yield JpegSegment(marker, at + 4, end)
            if marker == _SCAN:
                return
            at = end


def has_huffman_tables(data: bytes) -> bool:
    """False for the pictures of some MJPEG recorders, which leave the tables to be guessed: not every decoder does."""
    return any(segment.marker == 0xC4 for segment in segments(data))


def _size(data: bytes, segment: JpegSegment) -> JpegSize:
    if segment.end - segment.start < 6:
        raise FrameBroken("a JPEG whose size is cut off")
    height = int.from_bytes(data[segment.start + 1 : segment.start + 3])
    width = int.from_bytes(data[segment.start + 3 : segment.start + 5])
    if not width or not height:
        raise FrameBroken(f"a JPEG of {width}x{height}")
    return JpegSize(width, height)
