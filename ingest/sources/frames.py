"""How every source makes a frame of bytes: size from the bytes' own header, digest at birth."""

from datetime import datetime

from etle.media import jpeg
from etle.types import CameraId, Frame, digest_of


def frame_of(
    camera: CameraId, sequence: int, data: bytes, *, captured_at: datetime, received_at: datetime, clock_error_s: float | None = None
) -> Frame:
    """Raises FrameBroken if the bytes are not one whole JPEG."""
    size = jpeg.size_of(data)
    return Frame(
        camera=camera,
        sequence=sequence,
        captured_at=captured_at,
        received_at=received_at,
        clock_error_s=clock_error_s,
        width=size.width,
        height=size.height,
        sha256=digest_of(data),
        jpeg=data,
    )


def first_live_sequence(now: datetime, after: int | None) -> int:
    """Where a live camera begins to count: at the milliseconds of the box's clock.

    So no number comes twice when the process starts anew, though it remembers nothing: no camera gives a thousand pictures a second.
    """
    return max(int(now.timestamp() * 1000), -1 if after is None else after + 1)


class FrameSampler:
    """Leaves out pictures so that no more than `fps` a second remain, by their times and not by counting them."""

    def __init__(self, fps: float | None) -> None:
        self._step_s = 1 / fps if fps else 0.0
        self._due_s: float | None = None

    def wants(self, seconds: float) -> bool:
        """`seconds` on any clock. A clock that went back begins anew."""
        if self._due_s is None or seconds < self._due_s - 2 * self._step_s or not self._step_s:
            self._due_s = seconds + self._step_s
            return True
        if seconds < self._due_s - 1e-6 - self._step_s / 100:
            return False
        behind = seconds - self._due_s >= self._step_s  # a gap: don't make up for it
        self._due_s = (seconds if behind else self._due_s) + self._step_s
        return True
