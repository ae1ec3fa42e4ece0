"""Which way up a picture is: the steps that turn it upright, by the display matrix of a video or the orientation in a JPEG's EXIF data.

Browsers, phones and FFmpeg turn pictures as these tell. Ingest turns them once, before the digest is taken, so that detection, evidence and
the review page see the same picture.
"""

import struct
from typing import Final, TypeAlias

from etle.errors import FrameBroken

Steps: TypeAlias = tuple[tuple[str, str], ...]
"""FFmpeg filters and their arguments, to be applied in order; empty: the picture is upright."""

_HFLIP, _VFLIP = ("hflip", ""), ("vflip", "")
OF_EXIF: Final[dict[int, Steps]] = {
    1: (), 2: (_HFLIP,), 3: (_HFLIP, _VFLIP), 4: (_VFLIP,),
    5: (("transpose", "cclock_flip"),), 6: (("transpose", "clock"),), 7: (("transpose", "clock_flip"),), 8: (("transpose", "cclock"),),
}  # fmt: skip
"""By the value of EXIF's tag 0x0112."""
_OF_MATRIX: Final[dict[tuple[int, int, int, int], int]] = {
    (1, 0, 0, 1): 1, (-1, 0, 0, 1): 2, (-1, 0, 0, -1): 3, (1, 0, 0, -1): 4,
    (0, 1, 1, 0): 5, (0, 1, -1, 0): 6, (0, -1, -1, 0): 7, (0, -1, 1, 0): 8,
}  # fmt: skip
_MATRIX = struct.Struct("=9i")
_ONE = 1 << 16


def of_matrix(data: bytes | None) -> Steps:
    """`data`: FFmpeg's display matrix, nine 16.16 numbers; None if there is none. Raises FrameBroken for other angles than right ones."""
    if data is None or len(data) < _MATRIX.size:
        return ()
    a, b, _, c, d, *_ = _MATRIX.unpack_from(data)
    signs = (_sign(a), _sign(b), _sign(c), _sign(d))
    if signs not in _OF_MATRIX:
        raise FrameBroken("the video is to be turned by an angle that is not a right angle")
    return OF_EXIF[_OF_MATRIX[signs]]


def swaps_sides(steps: Steps) -> bool:
    return any(name == "transpose" for name, _ in steps)


def _sign(number: int) -> int:
    """0 for what is nearly nothing."""
    return 0 if abs(number) < _ONE / 100 else (1 if number > 0 else -1)
