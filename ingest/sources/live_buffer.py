"""A buffer between a source and a consumer that is sometimes slower.

A live camera cannot wait: if the buffer is full, its oldest frame is dropped and counted. A file waits until there is room.
"""

from collections import deque
from collections.abc import Iterator
from threading import Condition, Thread
from typing import Final, Protocol, runtime_checkable

from etle.protocols import FrameSource
from etle.types import Frame
from ingest.frame_loss import FrameLossCounter, LossReason

BUFFER_FRAMES: Final = 50
"""Default size of a live camera's buffer: two seconds at 25 frames a second."""


@runtime_checkable
class Closable(Protocol):
    """A source that can be closed while another thread waits for its next frame."""

    def close(self) -> None: ...


class LiveBuffer:
    """Reads a source in a thread of its own. It is a FrameSource whose `frames` can be called once."""

    def __init__(self, source: FrameSource, size: int, losses: FrameLossCounter) -> None:
        if size < 1:
            raise ValueError("the buffer must hold at least one frame")
        self.live = source.live
        self._source = source
        self._size = size
        self._losses = losses
        self._buffer: deque[Frame] = deque()
        self._changed = Condition()
        self._closed = False
        self._ended = False
        self._error: BaseException | None = None

    def frames(self, after: int | None = None) -> Iterator[Frame]:
        """The source's frames. Its errors are raised here, after all frames before them."""
        thread = Thread(target=self._fill, args=(after,), name="etle-ingest", daemon=True)
        thread.start()
        try:
            while (frame := self._take()) is not None:
                yield frame
            stopped = self._closed
        finally:
            self.close()
            thread.join()
        if self._error is not None and not stopped:
            raise self._error

    def close(self) -> None:
        """Ends the thread and `frames`, and discards buffered frames. Safe from another thread, and may be called twice."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if isinstance(self._source, Closable):
            self._source.close()

    def _take(self) -> Frame | None:
        with self._changed:
            self._changed.wait_for(lambda: self._buffer or self._ended or self._closed)
            if self._closed or not self._buffer:
                return None
            frame = self._buffer.popleft()
            self._changed.notify_all()
            return frame

    def _fill(self, after: int | None) -> None:
        try:
            for frame in self._source.frames(after):
                if not self._put(frame):
                    return
        except BaseException as error:  # noqa: BLE001 - raised again in the consumer's thread
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _put(self, frame: Frame) -> bool:
        """False once the buffer is closed."""
        with self._changed:
            if self.live and len(self._buffer) >= self._size:
                self._buffer.popleft()
                self._losses.count(frame.camera, LossReason.DROPPED)
            self._changed.wait_for(lambda: len(self._buffer) < self._size or self._closed)
            self._buffer.append(frame)
            self._changed.notify_all()
            return not self._closed
