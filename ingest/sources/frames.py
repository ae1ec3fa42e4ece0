"""Creates frames from JPEG bytes, for every source: the size comes from the JPEG header, the digest is taken at once."""

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


def usable_jpeg(data: bytes) -> bytes:
    """A JPEG that a camera or recorder sent: unchanged, or turned upright if its EXIF data asks for that.

    Raises FrameBroken if it is not one whole, undamaged JPEG: detection and evidence must not show a road that nobody ever saw.
    """
    from etle.media.video import check_jpeg, upright_jpeg  # PyAV is loaded with the first picture

    jpeg.size_of(data)
    check_jpeg(data)
    return upright_jpeg(data)


def first_live_sequence(now: datetime, after: int | None) -> int:
    """First sequence number of a live camera: milliseconds since 1970, or `after + 1` if that is higher.

    Numbers are unique across restarts without stored state, because no camera sends more than a thousand pictures a second.
    """
    return max(int(now.timestamp() * 1000), -1 if after is None else after + 1)


class FrameSampler:
    """Selects pictures by their times, so that at most `fps` a second remain. None or 0: all."""

    def __init__(self, fps: float | None) -> None:
        self._step_s = 1 / fps if fps else 0.0
        self._due_s: float | None = None

    def accepts(self, time_s: float) -> bool:
        """`time_s`: the picture's time on any clock. After the clock went back, the next picture is accepted."""
        if self._due_s is None or time_s < self._due_s - 2 * self._step_s or not self._step_s:
            self._due_s = time_s + self._step_s
            return True
        if time_s < self._due_s - 1e-6 - self._step_s / 100:
            return False
        behind = time_s - self._due_s >= self._step_s  # after a gap, do not accept more to catch up
        self._due_s = (time_s if behind else self._due_s) + self._step_s
        return True
