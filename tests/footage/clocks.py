"""A clock for sources that reconnect to real servers."""

import time
from datetime import UTC, datetime

from etle.testing import ManualClock


class ShortSleepClock(ManualClock):
    """Tells the real time, but sleeps at most 20 ms at a time; `slept` lists the durations that were asked for."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        time.sleep(min(seconds, 0.02))
