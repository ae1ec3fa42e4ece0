"""How long a sign-in has to wait after failed ones.

Nobody is locked out, least of all by the guesses of others: an attempt only has to come later than the last failure with the same name
from the same address by a wait that doubles with each failure. Failures from other addresses shorten how many are free, not more. An
address from which the user signed in before is exempt, except that after many failures its attempts are two seconds apart.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Final

from etle.storage.users import SignInFailures

WINDOW: Final = timedelta(minutes=15)
"""Time over which failed attempts are counted."""
FREE_FAILURES: Final = 5
"""With one name from one address, before a wait."""
FREE_FAILURES_KNOWN: Final = 20
"""From an address from which the user signed in before."""
FREE_FAILURES_UNDER_ATTACK: Final = 1
"""From a new address, while many guess this name, or this address guesses many."""
MAX_FAILURES_OF_ACCOUNT: Final = 50
MAX_FAILURES_OF_ADDRESS: Final = 100
"""A whole office may share one address."""
MAX_WAIT_S: Final = 60
MAX_WAIT_KNOWN_S: Final = 2
KNOWN: Final = timedelta(days=90)


class SignInAttempts:
    """The attempts that are being verified: parallel guesses count as failed before they have failed. Used by the event loop only."""

    def __init__(self) -> None:
        self._pending: Counter[tuple[str, str]] = Counter()

    @contextmanager
    def begin(self, name: str, address: str) -> Iterator[int]:
        """The number of other attempts with that name from that address that are pending."""
        pair = name, address
        self._pending[pair] += 1
        try:
            yield self._pending[pair] - 1
        finally:
            self._pending[pair] -= 1
            if not self._pending[pair]:
                del self._pending[pair]


def wait_s(failures: SignInFailures, pending: int, now: datetime) -> int:
    """Seconds until the attempt may be made; 0: now. `pending`: parallel attempts with the same name from the same address."""
    attacked = failures.of_account >= MAX_FAILURES_OF_ACCOUNT or failures.of_address >= MAX_FAILURES_OF_ADDRESS
    if failures.known_address:
        free, most = FREE_FAILURES_KNOWN, MAX_WAIT_KNOWN_S
    else:
        free, most = (FREE_FAILURES_UNDER_ATTACK if attacked else FREE_FAILURES), MAX_WAIT_S
    excess = failures.of_both + pending - free
    if excess < 0:
        return 0
    wait = min(2.0 ** min(excess + 1, 10), most)
    waited = 0.0 if pending or failures.last_at is None else (now - failures.last_at).total_seconds()
    return max(0, -int(-(wait - waited) // 1))
