"""A frame source that reads from a list."""

from collections.abc import Iterator, Sequence

from etle.errors import SourceBroken
from etle.types import Frame


class ListSource:
    """Returns the given frames, and can be read again. `error` is raised after the last of them."""

    def __init__(self, frames: Sequence[Frame], *, live: bool = False, error: SourceBroken | None = None) -> None:
        self._frames = tuple(frames)
        self._error = error
        self.live = live

    def frames(self, after: int | None = None) -> Iterator[Frame]:
        yield from (frame for frame in self._frames if after is None or frame.sequence > after)
        if self._error is not None:
            raise self._error
