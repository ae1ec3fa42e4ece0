"""Clocks that a test holds in its hand."""

import time
from datetime import UTC, datetime, timedelta
from threading import Lock

BEGIN = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)


class HandClock:
    """Goes on only when somebody sleeps or winds it."""

    def __init__(self, now: datetime = BEGIN) -> None:
        self._now = now
        self._lock = Lock()
        self.slept: list[float] = []

    def now(self) -> datetime:
        with self._lock:
            return self._now

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.slept.append(seconds)
            self._now += timedelta(seconds=seconds)

    def advance(self, seconds: float) -> None:
        with self._lock:
            self._now += timedelta(seconds=seconds)


class HastyClock(HandClock):
    """True time, but sleeps are short, and noted: for cameras that are connected anew."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        time.sleep(min(seconds, 0.02))
