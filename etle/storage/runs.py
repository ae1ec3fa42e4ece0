"""Runs in PostgreSQL: what was processed again, how far it is, and what it found. Kept apart from the cases."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from etle.signing import Signer
from etle.storage.audit.row_signature import sign_row
from etle.storage.database import Database
from etle.storage.queries import sql
from etle.types import CameraId, Digest, Violation, ViolationId
from etle.wire import violation_from_json, violation_to_json

LIVE: Final = "live"
"""The name under which comparisons refer to the cases themselves."""
_PAGE: Final = 200
_LOCK_WAIT_S: Final = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCamera:
    """How far one camera of a run is."""

    camera: CameraId
    frames: int = 0
    rejected: int = 0
    """Frames that could not be used, among `frames`."""
    busy_s: float = 0.0
    """Time that a worker spent on them."""
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRun:
    name: str
    site: str
    plan: Mapping[str, Any]
    """See `etle.runs.plan`."""
    started_by: str
    started_at: datetime
    finished_at: datetime | None
    cameras: tuple[RunCamera, ...]
    violations: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPromotion:
    """Who promoted a run, and what came of it."""

    requested_by: str
    approved_by: str
    cases_added: int
    proposed: int
    promoted_at: datetime


class PostgresRuns:
    """Each method is one short transaction; safe to use from several threads and processes."""

    def __init__(self, database: Database, signer: Signer | None = None) -> None:
        """`signer` signs approvals, promotions and proposals; only who adds such rows needs it."""
        self._database = database
        self._signer = signer

    def start(self, name: str, site: str, plan: str, started_by: str, at: datetime) -> bool:
        """`plan` is JSON. False, without a change, if there is a run of that name."""
        row = {"name": name, "site": site, "plan": plan, "started_by": started_by, "started_at": at}
        with self._database.transaction() as cursor:
            cursor.execute(sql("insert_run"), row)
            return cursor.fetchone() is not None

    def finish(self, name: str, at: datetime) -> None:
        with self._database.transaction() as cursor:
            cursor.execute(sql("finish_run"), {"name": name, "finished_at": at})

    def run(self, name: str) -> StoredRun | None:
        return next(iter(self._runs(name)), None)

    def runs(self) -> Sequence[StoredRun]:
        """The latest first."""
        return self._runs(None)

    def camera_lock(self, run: str, camera: CameraId) -> AbstractContextManager[bool]:
        """True inside the block if no other process, on any host, processes this camera of the run."""
        return self._database.session_lock(f"run {run} {camera}", _LOCK_WAIT_S)

    def save_camera(self, run: str, camera: RunCamera) -> None:
        with self._database.transaction() as cursor:
            cursor.execute(sql("save_run_camera"), _camera_row(run, camera))

    def save_progress(self, run: str, camera: RunCamera, stream: str, position: int, state: bytes) -> None:
        """A checkpoint, and the counts up to it: both or none."""
        with self._database.transaction() as cursor:
            cursor.execute(sql("save_checkpoint"), {"stream": stream, "position": position, "state": state})
            cursor.execute(sql("save_run_camera"), _camera_row(run, camera))

    def add_violation(self, run: str, violation: Violation, at: datetime) -> bool:
        """False, without a change, if the run has it already."""
        row = {
            "run": run,
            "violation": str(violation.id),
            "camera": violation.camera,
            "rule": violation.rule,
            "occurred_at": violation.occurred_at,
            "plate": violation.plate.text,
            "document": violation_to_json(violation),
            "recorded_at": at,
        }
        with self._database.transaction() as cursor:
            cursor.execute(sql("insert_run_violation"), row)
            return cursor.fetchone() is not None

    def has_violation(self, run: str, violation: ViolationId) -> bool:
        with self._database.transaction() as cursor:
            cursor.execute(sql("run_violation_exists"), {"run": run, "violation": str(violation)})
            return bool(cursor.fetchone().stored)

    def violations(self, run: str, *, since: datetime | None = None, until: datetime | None = None) -> Iterator[Violation]:
        """In the order of their times, from `since` to before `until`. Reads page by page."""
        after: tuple[datetime | None, UUID | None] = (None, None)
        while True:
            position = {"after_at": after[0], "after": str(after[1]) if after[1] else None}
            page = {"run": run, "since": since, "until": until, "limit": _PAGE, **position}
            with self._database.transaction() as cursor:
                cursor.execute(sql("select_run_violations"), page)
                found = [violation_from_json(row.document) for row in cursor.fetchall()]
            yield from found
            if len(found) < _PAGE:
                return
            after = found[-1].occurred_at, found[-1].id

    def violation(self, run: str, violation: ViolationId) -> Violation | None:
        with self._database.transaction() as cursor:
            cursor.execute(sql("select_run_violation"), {"run": run, "violation": str(violation)})
            row = cursor.fetchone()
        return violation_from_json(row.document) if row else None

    def found(self, run: str, *, since: datetime | None, until: datetime | None, limit: int) -> int:
        """Number of violations from `since` to before `until`, counted up to `limit`."""
        with self._database.transaction() as cursor:
            cursor.execute(sql("count_run_violations"), {"run": run, "since": since, "until": until, "limit": limit})
            return int(cursor.fetchone().found)

    def approve(self, run: str, by: str, results: Digest) -> bool:
        """False if this person approved these results before."""
        row = {"run": run, "approved_by": by, "results": results}
        with self._database.transaction() as cursor:
            cursor.execute(sql("insert_approval"), self._signed("approval", row))
            return cursor.fetchone() is not None

    def approvals(self, run: str, results: Digest) -> Sequence[str]:
        """Who approved these results, in that order."""
        with self._database.transaction() as cursor:
            cursor.execute(sql("select_approvals"), {"run": run, "results": results})
            return [row.approved_by for row in cursor.fetchall()]

    def promote(self, run: str, approvals: tuple[str, str], results: Digest, *, cases_added: int, proposed: int) -> None:
        """Record that the run was promoted. The database requires the approvals of two people."""
        row = {
            "run": run, "requested_by": approvals[0], "approved_by": approvals[1], "results": results, "cases_added": cases_added,
            "proposed": proposed,
        }  # fmt: skip
        with self._database.transaction() as cursor:
            cursor.execute(sql("insert_promotion"), self._signed("promotion", row))

    def promotion(self, run: str) -> StoredPromotion | None:
        with self._database.transaction() as cursor:
            cursor.execute(sql("select_promotion"), {"run": run})
            row = cursor.fetchone()
        return StoredPromotion(**row._asdict()) if row else None

    def promoted(self) -> frozenset[str]:
        """Names of the runs that were promoted."""
        with self._database.transaction() as cursor:
            cursor.execute(sql("select_promoted_runs"))
            return frozenset(row.run for row in cursor.fetchall())

    def propose(self, run: str, violation: ViolationId, changed: Sequence[str], found: Violation | None) -> bool:
        """False if the run proposed something for this case before."""
        row = {
            "violation": str(violation),
            "run": run,
            "changed": list(changed),
            "document": violation_to_json(found) if found else None,
        }
        with self._database.transaction() as cursor:
            cursor.execute(sql("insert_proposal"), self._signed("proposal", row))
            return cursor.fetchone() is not None

    def _signed(self, kind: str, row: Mapping[str, Any]) -> dict[str, Any]:
        return {**row, **sign_row(self._signer, kind, row).columns}

    def _runs(self, name: str | None) -> Sequence[StoredRun]:
        with self._database.transaction() as cursor:
            cursor.execute(sql("select_runs"), {"name": name})
            rows = cursor.fetchall()
            cursor.execute(sql("select_run_cameras"), {"name": name})
            cameras: dict[str, list[RunCamera]] = {}
            for row in cursor.fetchall():
                cameras.setdefault(row.run, []).append(_camera(row))
        return [
            StoredRun(
                name=row.name,
                site=row.site,
                plan=row.plan,
                started_by=row.started_by,
                started_at=row.started_at,
                finished_at=row.finished_at,
                cameras=tuple(cameras.get(row.name, ())),
                violations=row.violations,
            )
            for row in rows
        ]


def _camera_row(run: str, camera: RunCamera) -> dict[str, Any]:
    return {
        "run": run,
        "camera": camera.camera,
        "frames": camera.frames,
        "rejected": camera.rejected,
        "busy_s": camera.busy_s,
        "finished_at": camera.finished_at,
    }


def _camera(row: Any) -> RunCamera:
    return RunCamera(
        camera=CameraId(row.camera), frames=row.frames, rejected=row.rejected, busy_s=row.busy_s, finished_at=row.finished_at
    )  # fmt: skip
