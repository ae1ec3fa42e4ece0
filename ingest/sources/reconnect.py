"""How a live camera is kept: connect, read, and when it goes away, connect again after growing pauses.

The pauses are spread by chance, so that a hundred cameras behind one switch that came back do not all knock in the same second.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Event
from typing import TypeVar

from etle.errors import SourceError, SourceUnavailable
from etle.protocols import Clock
from etle.types import CameraId
from ingest.frame_loss import FrameLossCounter, LossReason

T = TypeVar("T")
_NAP_S = 0.2
"""Longest sleep in one piece: a camera that is being closed is not waited for."""


@dataclass(frozen=True, slots=True)
class ReconnectBackoff:
    """`chance` gives numbers from 0 up to 1. A pause is between half and the whole of what its turn allows."""

    chance: Callable[[], float]
    first_s: float = 0.5
    longest_s: float = 30.0

    def after(self, failures: int) -> float:
        """Seconds to wait after so many failures in a row, 1 or more."""
        allowed = min(self.longest_s, self.first_s * 2.0 ** min(failures - 1, 30))
        return allowed * (0.5 + 0.5 * self.chance())


class SourceConnection:
    """Keeps one camera connected. It gives up after `attempts` failures in a row; never, if that is None."""

    def __init__(
        self, camera: CameraId, shown: str, clock: Clock, losses: FrameLossCounter, pauses: ReconnectBackoff, attempts: int | None = None
    ) -> None:
        self._camera = camera
        self._shown = shown
        self._clock = clock
        self._losses = losses
        self._pauses = pauses
        self._attempts = attempts
        self._stopped = Event()

    @property
    def stopped(self) -> bool:
        return self._stopped.is_set()

    def stop(self) -> None:
        """No new attempt, and no more waiting. Safe from another thread."""
        self._stopped.set()

    def keep(self, connect: Callable[[], Iterator[T]]) -> Iterator[T]:
        """Everything that one connection after the other gives. A connection ends by returning or with a SourceError."""
        failures = 0
        while not self.stopped:
            gave = False
            try:
                for item in connect():
                    gave, failures = True, 0
                    yield item
                reason = "the camera ended its stream"
            except SourceError as error:
                reason = str(error)
            if self.stopped:
                return
            failures += 1
            if gave:
                self._losses.count(self._camera, LossReason.GAP, reason)
            if self._attempts is not None and failures >= self._attempts:
                raise SourceUnavailable(f"{self._shown}: given up after {failures} attempts: {reason}")
            self._losses.count(self._camera, LossReason.RECONNECT, reason)
            self.wait(self._pauses.after(failures))

    def wait(self, seconds: float) -> None:
        """Sleep, but not longer than until `stop`."""
        while seconds > 0 and not self.stopped:
            self._clock.sleep(min(seconds, _NAP_S))
            seconds -= _NAP_S
