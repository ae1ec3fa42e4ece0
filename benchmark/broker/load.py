"""The load: different JPEGs of a given size, from eight cameras in turn."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

from ingest.push_api.pictures import grey_jpeg

CAMERAS = tuple(f"camera-{number}" for number in range(8))
_VARIANTS = 64
_SEGMENT = 65_533


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameLoad:
    """Topic of one job, and number and size of its frames."""

    kafka: str
    topic: str
    frames: int
    frame_bytes: int
    threads: int = 2

    @property
    def megabytes(self) -> float:
        return self.frames * self.frame_bytes / 1e6


def pictures(size: int) -> list[bytes]:
    """Valid JPEGs, padded to `size` bytes with incompressible comments."""
    return [_padded(size) for _ in range(_VARIANTS)]


def round_robin(frames: int, pictures: list[bytes]) -> Iterator[tuple[int, str, bytes]]:
    """Number, camera and JPEG of each frame."""
    for number in range(frames):
        yield number, CAMERAS[number % len(CAMERAS)], pictures[number % len(pictures)]


def _padded(size: int) -> bytes:
    picture = grey_jpeg(64, 48)
    parts, remaining = [picture[:2]], size - len(picture)
    while remaining > 4:
        length = min(remaining - 4, _SEGMENT)
        parts.append(b"\xff\xfe" + (length + 2).to_bytes(2, "big") + os.urandom(length))
        remaining -= length + 4
    return b"".join((*parts, picture[2:]))
