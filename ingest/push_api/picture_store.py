"""Pictures of events, kept on the server's disk until the event that names them has come, and for some days after: it may come again."""

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Final

from etle.files import write_atomic
from etle.protocols import Clock
from etle.types import Digest
from ingest.push_api.errors import ApiError, ErrorCode

KEPT: Final = timedelta(days=7)
_PRUNE_INTERVAL: Final = 200
"""Number of stored pictures between two prunings."""


class PictureStore:
    """One folder per vendor, files named by digest. Not for several threads at once for one vendor; the service has a lock for each."""

    def __init__(self, folder: Path, limits: Mapping[str, int], clock: Clock) -> None:
        """`limits`: bytes of each vendor's pictures; beyond them they are refused, and the devices keep them."""
        self._folder = folder
        self._limits = limits
        self._clock = clock
        self._sizes: dict[str, int] = {}
        """Bytes of each vendor since the last pruning; missing before the first one."""
        self._until_prune: dict[str, int] = {}

    def put(self, vendor: str, digest: Digest, data: bytes) -> bool:
        """Durable when it returns. False if the picture was stored before. Raises ApiError if there is no room."""
        path = self._path(vendor, digest)
        if path.exists():
            return False
        if not self._until_prune.get(vendor) or self._is_full(vendor, data):
            self._prune(vendor)
        if self._is_full(vendor, data):
            raise ApiError(ErrorCode.BUSY, "there is no room for pictures; keep it and send it again", retry_after_s=60)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, data)
            now = self._clock.now().timestamp()
            os.utime(path, (now, now))
        except OSError as error:
            raise ApiError(ErrorCode.BUSY, "the picture could not be stored; keep it and send it again", retry_after_s=60) from error
        self._until_prune[vendor] -= 1
        self._sizes[vendor] += len(data)
        return True

    def get(self, vendor: str, digest: Digest) -> bytes | None:
        try:
            return self._path(vendor, digest).read_bytes()
        except FileNotFoundError:
            return None

    def _path(self, vendor: str, digest: Digest) -> Path:
        return self._folder / vendor / f"{digest}.jpg"

    def _is_full(self, vendor: str, data: bytes) -> bool:
        return self._sizes.get(vendor, 0) + len(data) > self._limits[vendor]

    def _prune(self, vendor: str) -> None:
        """Delete the old ones, and add up the others."""
        oldest, size = (self._clock.now() - KEPT).timestamp(), 0
        for path in (self._folder / vendor).glob("*.jpg"):
            found = path.stat()
            if found.st_mtime < oldest:
                path.unlink(missing_ok=True)
            else:
                size += found.st_size
        self._sizes[vendor], self._until_prune[vendor] = size, _PRUNE_INTERVAL
