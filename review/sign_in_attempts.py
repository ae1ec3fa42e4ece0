"""How long a sign-in has to wait after failed ones.

Nobody is locked out, least of all by the guesses of others: an attempt only has to come later than the last failure with the same name
from the same address by a wait that doubles with each failure. Failures from other addresses shorten how many are free, not more. An
address from which the user signed in before is exempt, except that after many failures its attempts are two seconds apart.

The attempts of an address that has just failed often are made one after another, with a pause after each, whatever the names are: each
attempt costs a password hash and several statements, which sixty at once would take from the pages of everybody else. An office whose
members share an address and sign in at once is not slowed down: its attempts succeed.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
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
MAX_RECENT_FAILURES: Final = 10
"""Of an address, each within `RECENT_S` of the one before; after them its attempts are made one after another."""
RECENT_S: Final = 60.0
PAUSE_S: Final = 0.05
"""After each attempt of such an address, before its next one."""
MAX_WAITING: Final = 100
"""Attempts of such an address that wait; further ones are refused."""


class SignInQueueFull(Exception):
    """So many attempts from this address wait for their turn that another is refused; try again in `retry_after_s`."""

    retry_after_s: Final = 5


@dataclass(slots=True)
class _RecentFailures:
    """Of one address."""

    last_at: float
    number: int = 0
    waiting: int = 0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class SignInAttempts:
    """The attempts that are being verified: parallel guesses count as failed before they have failed. Used by the event loop only."""

    def __init__(self) -> None:
        self._pending: Counter[tuple[str, str]] = Counter()
        self._recent: dict[str, _RecentFailures] = {}

    @asynccontextmanager
    async def turn(self, address: str) -> AsyncIterator[None]:
        """Wait until the address may make its next attempt: at once, unless it failed often. Raises SignInQueueFull."""
        loop = asyncio.get_running_loop()
        recent = self._recent.get(address)
        if recent is None or recent.number < MAX_RECENT_FAILURES or loop.time() - recent.last_at > RECENT_S:
            yield
            return
        if recent.waiting >= MAX_WAITING:
            raise SignInQueueFull
        recent.waiting += 1
        try:
            await recent.turn.acquire()
        finally:
            recent.waiting -= 1
        try:
            yield
        finally:
            loop.call_later(PAUSE_S, recent.turn.release)

    def failed(self, address: str) -> None:
        """An attempt from the address failed, or came too soon."""
        now = asyncio.get_running_loop().time()
        recent = self._recent.get(address)
        if recent is None or (now - recent.last_at > RECENT_S and not recent.turn.locked()):
            self._recent = {known: other for known, other in self._recent.items() if now - other.last_at <= RECENT_S or other.turn.locked()}
            recent = self._recent[address] = _RecentFailures(now)
        recent.number += 1
        recent.last_at = now

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
