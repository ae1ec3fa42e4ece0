"""How far each stage has come, and what was lost on the way, in PostgreSQL."""

from collections.abc import Mapping
from datetime import datetime

from etle.storage.database import Database
from etle.types import CameraId


class PostgresCheckpoints:
    """A CheckpointStore: position and state change together or not at all."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, stream: str, position: int, state: bytes) -> None:
        with self._database.transaction() as cursor:
            cursor.execute(
                "INSERT INTO checkpoints (stream, position, state) VALUES (%s, %s, %s) ON CONFLICT (stream)"
                " DO UPDATE SET position = excluded.position, state = excluded.state, saved_at = now()",
                (stream, position, state),
            )

    def load(self, stream: str) -> tuple[int, bytes] | None:
        with self._database.transaction() as cursor:
            cursor.execute("SELECT position, state FROM checkpoints WHERE stream = %s", (stream,))
            row = cursor.fetchone()
        return (int(row[0]), bytes(row[1])) if row else None


class PostgresLosses:
    """Pictures that never reached a rule, by camera and reason; only ever added to."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, camera: CameraId, reason: str, times: int, at: datetime) -> None:
        """`times` are those since it was last added; 0 adds nothing."""
        if times < 1:
            return
        with self._database.transaction() as cursor:
            cursor.execute("INSERT INTO losses (camera, reason, times, counted_at) VALUES (%s, %s, %s, %s)", (camera, reason, times, at))

    def totals(self, since: datetime) -> Mapping[CameraId, Mapping[str, int]]:
        with self._database.transaction() as cursor:
            cursor.execute(
                "SELECT camera, reason, sum(times) FROM losses WHERE counted_at >= %s GROUP BY camera, reason ORDER BY camera, reason",
                (since,),
            )
            found: dict[CameraId, dict[str, int]] = {}
            for camera, reason, times in cursor.fetchall():
                found.setdefault(CameraId(camera), {})[reason] = int(times)
        return found
