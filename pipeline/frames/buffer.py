"""The last seconds of a camera: the frames that evidence may still be made of, as the bytes they came as."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from etle.types import Frame


class FrameBuffer:
    """Frames in the order they came; what is older than `keep_s` before the newest is forgotten, unless told to stay."""

    def __init__(self, keep_s: float) -> None:
        self._keep = timedelta(seconds=keep_s)
        self._frames: dict[int, Frame] = {}

    def add(self, frame: Frame, needed_from: datetime | None = None) -> None:
        """`needed_from`: older frames than usual that stay, because evidence of that moment is still being gathered."""
        self._frames[frame.sequence] = frame
        oldest = frame.captured_at - self._keep
        if needed_from is not None:
            oldest = min(oldest, needed_from)
        for sequence in [number for number, kept in self._frames.items() if kept.captured_at < oldest]:
            del self._frames[sequence]

    def get(self, sequence: int) -> Frame | None:
        """None if it is forgotten, or never came."""
        return self._frames.get(sequence)

    def between(self, start: datetime, end: datetime) -> Iterator[Frame]:
        return (frame for frame in self._frames.values() if start <= frame.captured_at <= end)

    def clear(self) -> None:
        self._frames.clear()

    @property
    def oldest(self) -> Frame | None:
        return next(iter(self._frames.values()), None)
