"""A grey JPEG of any size, made of nothing: whoever tests a door needs a picture of the camera's size, and has no camera at hand."""

from typing import Final

from etle.media.jpeg import END, START

_ONE_CODE: Final = bytes((1, *[0] * 15, 0))
"""A Huffman table with one code of one bit, which means 0: no difference, no further coefficients."""
_BLOCK: Final = 8


def grey_jpeg(width: int, height: int, remark: str = "") -> bytes:
    """Another remark makes other bytes of the same picture."""
    blocks = -(-width // _BLOCK) * -(-height // _BLOCK)
    bits = 2 * blocks
    scan = bytes(bits // 8) + (bytes(((1 << (8 - bits % 8)) - 1,)) if bits % 8 else b"")
    size = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return b"".join(
        (
            START,
            _segment(0xFE, remark.encode()),
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
