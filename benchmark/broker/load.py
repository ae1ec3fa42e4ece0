"""What is sent: JPEGs of a given size that are all different, from eight cameras in turn."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

from ingest.push_api.pictures import grey_jpeg

CAMERAS = tuple(f"camera-{number}" for number in range(8))
_VARIANTS = 64
_SEGMENT = 65_533


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameLoad:
    """One measurement's own topic, and how much goes through it."""

    kafka: str
    topic: str
    frames: int
    frame_bytes: int
    threads: int = 2

    @property
    def megabytes(self) -> float:
        return self.frames * self.frame_bytes / 1e6


def pictures(size: int) -> list[bytes]:
    """Whole JPEGs whose comments hold bytes that cannot be compressed."""
    return [_padded(size) for _ in range(_VARIANTS)]


def in_turn(frames: int, pictures: list[bytes]) -> Iterator[tuple[int, str, bytes]]:
    """Number, camera and picture of each frame."""
    for number in range(frames):
        yield number, CAMERAS[number % len(CAMERAS)], pictures[number % len(pictures)]


def _padded(size: int) -> bytes:
    picture = grey_jpeg(64, 48)
    parts, left = [picture[:2]], size - len(picture)
    while left > 4:
        length = min(left - 4, _SEGMENT)
        parts.append(b"\xff\xfe" + (length + 2).to_bytes(2, "big") + os.urandom(length))
        left -= length + 4
    return b"".join((*parts, picture[2:]))
