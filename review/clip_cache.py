"""A bounded cache of clips, because a browser fetches a clip in many HTTP range requests.

Without it, each range would read and hash the whole file. The cache holds bytes whose digest was verified when they were read, and
files are named by their digest, so a cached clip is always the original: a file that is changed on disk afterwards is never served,
and is reported (EvidenceCorrupt) when it is next read.
"""

from collections import OrderedDict
from threading import Lock
from typing import Final

from etle.protocols import EvidenceStore
from etle.types import Digest

CACHE_BYTES: Final = 64 * 1024 * 1024
"""About eighty clips of 0.8 MB, the size of those of the demo footage: more than reviewers watch at a time."""


class ClipCache:
    """The least recently used clips are dropped first. Safe to use from several threads; a clip asked for twice at once is read twice."""

    def __init__(self, evidence: EvidenceStore, max_bytes: int = CACHE_BYTES) -> None:
        self._evidence = evidence
        self._max_bytes = max_bytes
        self._lock = Lock()
        self._clips: OrderedDict[Digest, bytes] = OrderedDict()
        self._bytes = 0

    def get(self, digest: Digest) -> bytes:
        """Raises what `EvidenceStore.get` raises."""
        with self._lock:
            if digest in self._clips:
                self._clips.move_to_end(digest)
                return self._clips[digest]
        data = self._evidence.get(digest)
        with self._lock:
            self._keep(digest, data)
        return data

    def _keep(self, digest: Digest, data: bytes) -> None:
        if digest in self._clips or len(data) > self._max_bytes:
            return
        self._clips[digest] = data
        self._bytes += len(data)
        while self._bytes > self._max_bytes:
            _, dropped = self._clips.popitem(last=False)
            self._bytes -= len(dropped)
