"""Grey JPEG of any size, generated without an imaging library: a test request needs a picture of the camera's frame size."""

from typing import Final

from etle.media.jpeg import END, START

_ONE_CODE: Final = bytes((1, *[0] * 15, 0))
"""Huffman table with a single one-bit code for the value 0: no DC difference, and no further AC coefficients (end of block)."""
_BLOCK: Final = 8


def grey_jpeg(width: int, height: int, comment: str = "") -> bytes:
    """A baseline JPEG in which every pixel is 128. `comment` goes into a COM segment: different comments give different bytes."""
    blocks = -(-width // _BLOCK) * -(-height // _BLOCK)
    bits = 2 * blocks
    scan = bytes(bits // 8) + (bytes(((1 << (8 - bits % 8)) - 1,)) if bits % 8 else b"")
    size = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return b"".join(
        (
            START,
            _segment(0xFE, comment.encode()),
            _segment(0xDB, b"\0" + b"\1" * 64),
            _segment(0xC0, b"\x08" + size + b"\x01\x01\x11\0"),
            _segment(0xC4, b"\0" + _ONE_CODE),
            _segment(0xC4, b"\x10" + _ONE_CODE),
            _segment(0xDA, b"\x01\x01\0\0\x3f\0"),
            scan,
            END,
        )
    )


def _segment(marker: int, data: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(data) + 2).to_bytes(2, "big") + data
