"""Delays between retries: one policy for workers that wait for a server, and for cameras that are connected again."""

from collections.abc import Callable, Sequence
from typing import Final

DELAYS_S: Final = (1.0, 2.0, 5.0, 10.0, 30.0)
"""For a worker that waits for the broker or the database."""
RECONNECT_DELAYS_S: Final = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""For a connection to a camera, and for sending to the broker. Use them with jitter."""


class Backoff:
    """Counts failures in a row and gives the delay after each of them. One object per connection or loop; not thread-safe."""

    def __init__(self, delays_s: Sequence[float] = DELAYS_S, jitter: Callable[[], float] | None = None) -> None:
        """`delays_s`: the delay after the first failure, the second ...; the last one is repeated.

        `jitter` returns numbers from 0 up to 1, such as `Random().random`: a delay is then between half and the whole of its entry,
        so that many cameras behind one switch do not reconnect in the same second. None: exactly its entry.
        """
        self._delays_s = tuple(delays_s)
        self._jitter = jitter
        self._failures = 0

    @property
    def failures(self) -> int:
        """Number of failures in a row, which is the number of delays since the last `reset`."""
        return self._failures

    def next_s(self) -> float:
        """Count a failure and return the seconds to wait before the next attempt."""
        delay_s = self._delays_s[min(self._failures, len(self._delays_s) - 1)]
        self._failures += 1
        return delay_s if self._jitter is None else delay_s * (0.5 + 0.5 * self._jitter())

    def reset(self) -> None:
        """Call after a success: the next delay is the first one."""
        self._failures = 0
