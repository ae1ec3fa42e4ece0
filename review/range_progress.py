"""Tells a request that continues a download from one that is a new look at a file.

A browser fetches a clip in parts, of which only the first is a new line of the access log. What a client says about its request proves
nothing: `Range: bytes=1-` gets all but one byte. So a part is a continuation only if it starts where the part before ended that was sent
to the same session, some minutes ago at most.
"""

from collections import OrderedDict
from datetime import datetime, timedelta
from threading import Lock
from typing import Final

from etle.types import Digest

LIFETIME: Final = timedelta(minutes=15)
MAX_DOWNLOADS: Final = 10_000
"""The oldest are forgotten first; their next part is then logged as a new look."""


class RangeProgress:
    """Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._ends: OrderedDict[tuple[str, Digest], tuple[int, datetime]] = OrderedDict()
        """Session token and file: the byte after the last one sent, and when."""

    def sent(self, token: str, digest: Digest, start: int, stop: int, now: datetime) -> bool:
        """Records that the bytes from `start` up to `stop` are sent. Returns whether they continue an earlier part."""
        with self._lock:
            end, at = self._ends.pop((token, digest), (0, now))
            self._ends[token, digest] = (stop, now)
            while len(self._ends) > MAX_DOWNLOADS:
                self._ends.popitem(last=False)
        return 0 < start == end and now - at <= LIFETIME
