"""Records which frames and events were accepted, so that a repetition is recognised. SQLite: survives a kill, with few writes.

A record is written after the message is safe. A power failure may lose the last records; a repetition then passes, and the consumer
drops it by its sequence number.
"""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from etle.errors import ConfigError
from etle.types import Digest

KEPT: Final = 5_000
"""Number of records kept per camera and per vendor: some minutes of frames, some days of events."""
_PRUNE_INTERVAL: Final = 500
"""Number of insertions between two prunings."""
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS frames
    (camera TEXT, sequence INTEGER, sha256 TEXT, captured_at TEXT, PRIMARY KEY (camera, sequence)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events (number INTEGER PRIMARY KEY, vendor TEXT, id TEXT, sha256 TEXT, UNIQUE (vendor, id));
"""


class LastAccepted(NamedTuple):
    sequence: int
    captured_at: datetime


class Deduplicator:
    """For one process and one thread."""

    def __init__(self, path: Path) -> None:
        """Raises ConfigError if the file cannot be used."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = NORMAL")
            self._database.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(f"{path}: accepted frames and events cannot be recorded there: {error}") from error
        self._until_prune = _PRUNE_INTERVAL

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._database.close()

    def frame(self, camera: str, sequence: int) -> Digest | None:
        """Digest of the accepted frame; None if it was not accepted, or so long ago that its record was pruned."""
        row = self._one("SELECT sha256 FROM frames WHERE camera = ? AND sequence = ?", camera, sequence)
        return Digest(row[0]) if row else None

    def last(self, camera: str) -> LastAccepted | None:
        """The accepted frame of the camera with the highest sequence number."""
        row = self._one("SELECT sequence, captured_at FROM frames WHERE camera = ? ORDER BY sequence DESC LIMIT 1", camera)
        return LastAccepted(row[0], datetime.fromisoformat(row[1]).astimezone(UTC)) if row else None

    def add_frame(self, camera: str, sequence: int, sha256: Digest, captured_at: datetime) -> None:
        self._database.execute("INSERT OR IGNORE INTO frames VALUES (?, ?, ?, ?)", (camera, sequence, sha256, captured_at.isoformat()))
        self._prune()

    def event(self, vendor: str, event_id: str) -> Digest | None:
        """Digest of the accepted event's body; None as for `frame`."""
        row = self._one("SELECT sha256 FROM events WHERE vendor = ? AND id = ?", vendor, event_id)
        return Digest(row[0]) if row else None

    def add_event(self, vendor: str, event_id: str, sha256: Digest) -> None:
        self._database.execute("INSERT OR IGNORE INTO events (vendor, id, sha256) VALUES (?, ?, ?)", (vendor, event_id, sha256))
        self._prune()

    def _one(self, query: str, *values: str | int) -> tuple[Any, ...] | None:
        with closing(self._database.execute(query, values)) as cursor:
            row: tuple[Any, ...] | None = cursor.fetchone()
            return row

    def _prune(self) -> None:
        self._until_prune -= 1
        if self._until_prune:
            return
        self._until_prune = _PRUNE_INTERVAL
        for (camera,) in self._database.execute("SELECT DISTINCT camera FROM frames").fetchall():
            self._database.execute(
                "DELETE FROM frames WHERE camera = ?1 AND sequence <= "
                "(SELECT sequence FROM frames WHERE camera = ?1 ORDER BY sequence DESC LIMIT 1 OFFSET ?2)",
                (camera, KEPT),
            )
        for (vendor,) in self._database.execute("SELECT DISTINCT vendor FROM events").fetchall():
            self._database.execute(
                "DELETE FROM events WHERE vendor = ?1 AND number <= "
                "(SELECT number FROM events WHERE vendor = ?1 ORDER BY number DESC LIMIT 1 OFFSET ?2)",
                (vendor, KEPT),
            )
