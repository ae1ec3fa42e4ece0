"""The one clock that is not a test's."""

import time
from datetime import UTC, datetime


class SystemClock:
    """This machine's time. Keep it right (chrony, systemd-timesyncd): evidence rests on it."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)
