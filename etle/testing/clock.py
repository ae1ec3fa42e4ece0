"""A clock that only the test moves."""

from datetime import datetime, timedelta
from threading import Lock

from etle.testing.values import BEGIN


class ManualClock:
    """Stands still until `sleep` or `advance` is called. `slept` lists the seconds of every `sleep`."""

    def __init__(self, now: datetime = BEGIN) -> None:
        self._now = now
        self._lock = Lock()
        self.slept: list[float] = []

    def now(self) -> datetime:
        with self._lock:
            return self._now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        with self._lock:
            self._now += timedelta(seconds=seconds)
