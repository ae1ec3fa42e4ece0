"""The last seconds of a camera, as the JPEG bytes that arrived: evidence may still be built from them."""

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta

from etle.types import Frame


class FrameBuffer:
    """Frames in order of arrival. Frames older than `keep_s` before the newest one are dropped, unless they are marked as needed."""

    def __init__(self, keep_s: float) -> None:
        self._keep = timedelta(seconds=keep_s)
        self._frames: dict[int, Frame] = {}

    def add(self, frame: Frame, needed_from: datetime | None = None, held: Collection[int] = ()) -> None:
        """Frames that stay although they are older than `keep_s`: those from `needed_from` on, and those with the sequences `held`."""
        self._frames[frame.sequence] = frame
        oldest = frame.captured_at - self._keep
        if needed_from is not None:
            oldest = min(oldest, needed_from)
        for sequence in [number for number, kept in self._frames.items() if kept.captured_at < oldest and number not in held]:
            del self._frames[sequence]

    def get(self, sequence: int) -> Frame | None:
        """None if it was dropped, or never arrived."""
        return self._frames.get(sequence)

    def between(self, start: datetime, end: datetime) -> Iterator[Frame]:
        """Frames captured from `start` to `end`, both included."""
        return (frame for frame in self._frames.values() if start <= frame.captured_at <= end)

    def clear(self) -> None:
        self._frames.clear()

    @property
    def oldest(self) -> Frame | None:
        return next(iter(self._frames.values()), None)
