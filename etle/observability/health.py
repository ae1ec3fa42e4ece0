"""Is a role alive? Its loops say so each time they turn; one that has not turned for too long is stuck, and the process is to be restarted.

A role that waits for a broker or a database turns its loop while it waits: it is alive, and a restart would help nobody.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    at: float
    within_s: float


class Health:
    """Safe to use from several threads. `monotonic` counts seconds; a clock that is set must not make a role look dead."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = Lock()
        self._turns: dict[str, Heartbeat] = {}
        self._failed: dict[str, str] = {}

    def watch(self, loop: str, within_s: float) -> None:
        """From now on that loop must turn every `within_s` seconds."""
        with self._lock:
            self._turns[loop] = Heartbeat(at=self._monotonic(), within_s=within_s)

    def turned(self, loop: str) -> None:
        """The loop went round once more. One that nobody watches may turn as it likes."""
        with self._lock:
            known = self._turns.get(loop)
            if known is not None:
                self._turns[loop] = Heartbeat(at=self._monotonic(), within_s=known.within_s)

    def forget(self, loop: str) -> None:
        """The loop has ended as it should."""
        with self._lock:
            self._turns.pop(loop, None)
            self._failed.pop(loop, None)

    def failed(self, loop: str, reason: str) -> None:
        """For good: it will not turn again before a restart."""
        with self._lock:
            self._failed[loop] = reason

    def ages(self) -> Mapping[str, float]:
        """Seconds since each loop turned."""
        with self._lock:
            return {loop: self._monotonic() - turn.at for loop, turn in self._turns.items()}

    def problems(self) -> tuple[str, ...]:
        """Empty if all is well."""
        with self._lock:
            now = self._monotonic()
            stuck = [
                f"{loop} has not turned for {now - turn.at:.0f} s; {turn.within_s:g} s are allowed"
                for loop, turn in self._turns.items()
                if now - turn.at > turn.within_s and loop not in self._failed
            ]
            return (*(f"{loop} failed: {reason}" for loop, reason in self._failed.items()), *stuck)
