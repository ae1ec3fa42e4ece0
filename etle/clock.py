"""The system clock; tests use `etle.testing.ManualClock`."""

import time
from datetime import UTC, datetime


class SystemClock:
    """This machine's time. Synchronise it (chrony, systemd-timesyncd): the times in the evidence depend on it."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


def seconds_between(start: datetime, end: datetime) -> float:
    """Negative if `end` is before `start`."""
    return (end - start).total_seconds()
