"""Checkpoints of the stages, and counts of lost frames, in PostgreSQL."""

from collections.abc import Mapping
from datetime import datetime

from etle.storage.database import Database
from etle.storage.queries import sql
from etle.types import CameraId


class PostgresCheckpoints:
    """A CheckpointStore. Position and state are saved in one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, stream: str, position: int, state: bytes) -> None:
        with self._database.transaction() as cursor:
            cursor.execute(sql("save_checkpoint"), {"stream": stream, "position": position, "state": state})

    def load(self, stream: str) -> tuple[int, bytes] | None:
        with self._database.transaction() as cursor:
            cursor.execute(sql("load_checkpoint"), {"stream": stream})
            row = cursor.fetchone()
        return (int(row.position), bytes(row.state)) if row else None


class PostgresLosses:
    """Counts frames that were lost before the rules saw them, by camera and reason. Rows are only added."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, camera: CameraId, reason: str, times: int, at: datetime) -> None:
        """`times`: losses since the last call; 0 adds no row."""
        if times < 1:
            return
        with self._database.transaction() as cursor:
            cursor.execute(sql("add_losses"), {"camera": camera, "reason": reason, "times": times, "counted_at": at})

    def totals(self, since: datetime) -> Mapping[CameraId, Mapping[str, int]]:
        """Losses by camera and reason."""
        with self._database.transaction() as cursor:
            cursor.execute(sql("count_losses"), {"since": since})
            totals: dict[CameraId, dict[str, int]] = {}
            for row in cursor.fetchall():
                totals.setdefault(CameraId(row.camera), {})[row.reason] = int(row.frames)
        return totals
