"""What the door has taken already, so that the same frame or event sent twice is one. SQLite: it survives a kill, and writes little.

Something is noted after it is safe. A power failure may take the last notes with it; then a repetition comes through, and its reader leaves
it out by its number.
"""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from etle.errors import ConfigError
from etle.types import Digest

KEPT: Final = 5_000
"""Notes of each camera and each vendor: frames of some minutes, events of some days."""
_EVERY: Final = 500
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS frames
    (camera TEXT, sequence INTEGER, sha256 TEXT, captured_at TEXT, PRIMARY KEY (camera, sequence)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events (number INTEGER PRIMARY KEY, vendor TEXT, id TEXT, sha256 TEXT, UNIQUE (vendor, id));
"""


class LastAccepted(NamedTuple):
    sequence: int
    captured_at: datetime


class Deduplicator:
    """For one process, one thread."""

    def __init__(self, path: Path) -> None:
        """Raises ConfigError if the file cannot be used."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._notes = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._notes.execute("PRAGMA journal_mode = WAL")
            self._notes.execute("PRAGMA synchronous = NORMAL")
            self._notes.executescript(_TABLES)
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(f"{path}: what the door took cannot be noted there: {error}") from error
        self._until_pruned = _EVERY

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._notes.close()

    def frame(self, camera: str, sequence: int) -> Digest | None:
        """The digest under which it was taken; None if it was not, or so long ago that the note is gone."""
        row = self._one("SELECT sha256 FROM frames WHERE camera = ? AND sequence = ?", camera, sequence)
        return Digest(row[0]) if row else None

    def last(self, camera: str) -> LastAccepted | None:
        """The newest frame of the camera."""
        row = self._one("SELECT sequence, captured_at FROM frames WHERE camera = ? ORDER BY sequence DESC LIMIT 1", camera)
        return LastAccepted(row[0], datetime.fromisoformat(row[1]).astimezone(UTC)) if row else None

    def add_frame(self, camera: str, sequence: int, sha256: Digest, captured_at: datetime) -> None:
        self._notes.execute("INSERT OR IGNORE INTO frames VALUES (?, ?, ?, ?)", (camera, sequence, sha256, captured_at.isoformat()))
        self._prune()

    def event(self, vendor: str, name: str) -> Digest | None:
        row = self._one("SELECT sha256 FROM events WHERE vendor = ? AND id = ?", vendor, name)
        return Digest(row[0]) if row else None

    def add_event(self, vendor: str, name: str, sha256: Digest) -> None:
        self._notes.execute("INSERT OR IGNORE INTO events (vendor, id, sha256) VALUES (?, ?, ?)", (vendor, name, sha256))
        self._prune()

    def _one(self, query: str, *values: str | int) -> tuple[Any, ...] | None:
        with closing(self._notes.execute(query, values)) as found:
            row: tuple[Any, ...] | None = found.fetchone()
            return row

    def _prune(self) -> None:
        self._until_pruned -= 1
        if self._until_pruned:
            return
        self._until_pruned = _EVERY
        for (camera,) in self._notes.execute("SELECT DISTINCT camera FROM frames").fetchall():
            self._notes.execute(
                "DELETE FROM frames WHERE camera = ?1 AND sequence <= "
                "(SELECT sequence FROM frames WHERE camera = ?1 ORDER BY sequence DESC LIMIT 1 OFFSET ?2)",
                (camera, KEPT),
            )
        for (vendor,) in self._notes.execute("SELECT DISTINCT vendor FROM events").fetchall():
            self._notes.execute(
                "DELETE FROM events WHERE vendor = ?1 AND number <= "
                "(SELECT number FROM events WHERE vendor = ?1 ORDER BY number DESC LIMIT 1 OFFSET ?2)",
                (vendor, KEPT),
            )
