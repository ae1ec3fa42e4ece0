"""Keeps a live camera connected: connect, read, and after a failure connect again after an increasing delay."""

from collections.abc import Callable, Iterator
from threading import Event
from typing import TypeVar

from etle.backoff import Backoff
from etle.errors import SourceError, SourceUnavailable
from etle.protocols import Clock
from etle.types import CameraId
from ingest.frame_loss import FrameLossCounter, LossReason

T = TypeVar("T")
_MAX_SLEEP_S = 0.2
"""Longest uninterrupted sleep, so that a source can be closed quickly."""


class SourceConnection:
    """Connection to one camera. Gives up after `attempts` failures in a row; None: never."""

    def __init__(
        self, camera: CameraId, display_url: str, clock: Clock, losses: FrameLossCounter, backoff: Backoff, attempts: int | None = None
    ) -> None:
        """`display_url`: the address without its password, for messages."""
        self._camera = camera
        self._display_url = display_url
        self._clock = clock
        self._losses = losses
        self._backoff = backoff
        self._attempts = attempts
        self._stopped = Event()

    @property
    def stopped(self) -> bool:
        return self._stopped.is_set()

    def stop(self) -> None:
        """Ends `stream` and `wait`. Safe from another thread."""
        self._stopped.set()

    def stream(self, connect: Callable[[], Iterator[T]]) -> Iterator[T]:
        """The items of all connections, one after the other. A connection ends when its iterator ends or raises SourceError.

        Raises SourceUnavailable when the attempts are used up.
        """
        self._backoff.reset()
        while not self.stopped:
            received = False
            try:
                for item in connect():
                    received = True
                    self._backoff.reset()
                    yield item
                reason = "the camera ended its stream"
            except SourceError as error:
                reason = str(error)
            if self.stopped:
                return
            if received:
                self._losses.count(self._camera, LossReason.GAP, reason)
            failures = self._backoff.failures + 1
            if self._attempts is not None and failures >= self._attempts:
                raise SourceUnavailable(f"{self._display_url}: given up after {failures} attempts: {reason}")
            self._losses.count(self._camera, LossReason.RECONNECT, reason)
            self.wait(self._backoff.next_s())

    def wait(self, seconds: float) -> None:
        """Sleep for this time, or until `stop`."""
        while seconds > 0 and not self.stopped:
            self._clock.sleep(min(seconds, _MAX_SLEEP_S))
            seconds -= _MAX_SLEEP_S
