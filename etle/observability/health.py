"""Liveness of a role: its loops send heartbeats, and a loop whose heartbeat is overdue is stuck, so that the process should be restarted.

A loop that waits for a broker or database keeps sending heartbeats, because a restart would not help.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    at: float
    """Monotonic seconds."""
    within_s: float


class Health:
    """Safe to use from several threads. `monotonic` returns seconds and must not jump when the system clock is set."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = Lock()
        self._heartbeats: dict[str, Heartbeat] = {}
        self._failures: dict[str, str] = {}

    def register(self, loop: str, within_s: float) -> None:
        """From now on the loop must send a heartbeat at least every `within_s` seconds."""
        with self._lock:
            self._heartbeats[loop] = Heartbeat(at=self._monotonic(), within_s=within_s)

    def heartbeat(self, loop: str) -> None:
        """The loop makes progress. Ignored for a loop that is not registered."""
        with self._lock:
            last = self._heartbeats.get(loop)
            if last is not None:
                self._heartbeats[loop] = Heartbeat(at=self._monotonic(), within_s=last.within_s)

    def forget(self, loop: str) -> None:
        """The loop ended as intended."""
        with self._lock:
            self._heartbeats.pop(loop, None)
            self._failures.pop(loop, None)

    def failed(self, loop: str, reason: str) -> None:
        """The loop ended with an error, and only a restart will start it again."""
        with self._lock:
            self._failures[loop] = reason

    def ages(self) -> Mapping[str, float]:
        """Seconds since the last heartbeat of each loop."""
        with self._lock:
            return {loop: self._monotonic() - heartbeat.at for loop, heartbeat in self._heartbeats.items()}

    def problems(self) -> tuple[str, ...]:
        """One sentence per loop that failed or is stuck; empty if the process is healthy."""
        with self._lock:
            now = self._monotonic()
            stuck = [
                f"{loop} has made no progress for {now - heartbeat.at:.0f} s (limit: {heartbeat.within_s:g} s)"
                for loop, heartbeat in self._heartbeats.items()
                if now - heartbeat.at > heartbeat.within_s and loop not in self._failures
            ]
            return (*(f"{loop} failed: {reason}" for loop, reason in self._failures.items()), *stuck)
