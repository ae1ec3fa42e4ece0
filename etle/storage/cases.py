"""Cases in PostgreSQL: violations, decisions and the queue that deals the open ones out."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal
from uuid import UUID

from etle.clock import SystemClock
from etle.errors import CaseTaken
from etle.protocols import Clock
from etle.storage.database import Database
from etle.storage.evidence.manifest import SUFFIX as MANIFEST_SUFFIX
from etle.storage.evidence.verify import FiledViolation
from etle.types import Case, CaseCounts, Decision, Digest, EvidenceFile, ReviewerTally, RuleName, Verdict, Violation, ViolationId
from etle.wire import violation_from_json, violation_to_json

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor  # noqa: N812  (the driver's class has a small initial)

_CASE: Final = "SELECT v.id::text, v.document::text, v.recorded_at, q.reviewer FROM violations v LEFT JOIN queue q ON q.violation = v.id"
_DECISION: Final = "verdict, reason, plate_text, note, reviewer, decided_at, seconds_taken"
_LAST: Final = "LEFT JOIN LATERAL (SELECT verdict, plate_text FROM decisions WHERE violation = v.id ORDER BY id DESC LIMIT 1) d ON true"
_FILTERS: Final = {
    "rule": "v.rule = %(rule)s",
    "camera": "v.camera = %(camera)s",
    "plate": "(strpos(v.plate, %(plate)s) > 0 OR strpos(d.plate_text, %(plate)s) > 0)",
    "since": "v.occurred_at >= %(since)s",
    "until": "v.occurred_at < %(until)s",
    "after": "(v.occurred_at, v.id) < (SELECT occurred_at, id FROM violations WHERE id = %(after)s::uuid)",
}


class PostgresCases:
    """Short transactions, each on its own; safe to call from several threads and processes.

    The clock tells when a case was recorded and which leases of the queue still hold.
    """

    def __init__(self, database: Database, clock: Clock | None = None) -> None:
        self._database = database
        self._clock = clock or SystemClock()

    def add(self, violation: Violation, files: Sequence[EvidenceFile]) -> bool:
        document = violation_to_json(violation)
        names = {file.sha256: (str(violation.id), file.sha256, file.suffix, len(file.data)) for file in files}
        with self._database.transaction() as cursor:
            cursor.execute(
                "INSERT INTO violations (id, site, camera, rule, occurred_at, plate, vehicle, document, recorded_at)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING id",
                (
                    str(violation.id),
                    violation.site,
                    violation.camera,
                    violation.rule,
                    violation.occurred_at,
                    violation.plate.text,
                    violation.vehicle.value,
                    document,
                    self._clock.now(),
                ),
            )
            if cursor.fetchone() is None:
                return False
            cursor.executemany("INSERT INTO evidence_files (violation, digest, suffix, bytes) VALUES (%s, %s, %s, %s)", names.values())
            cursor.execute("INSERT INTO queue (violation, occurred_at) VALUES (%s, %s)", (str(violation.id), violation.occurred_at))
        return True

    def case(self, violation: ViolationId) -> Case | None:
        with self._database.transaction() as cursor:
            return _case(cursor, violation)

    def cases(
        self,
        *,
        state: Verdict | Literal["open"] | None = None,
        rule: str | None = None,
        camera: str | None = None,
        plate: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 100,
        after: ViolationId | None = None,
    ) -> Sequence[Case]:
        values = {"rule": rule, "camera": camera, "plate": plate, "since": since, "until": until, "after": str(after) if after else None}
        wanted = [text for name, text in _FILTERS.items() if values[name] is not None]
        if state is not None:
            wanted.append("q.violation IS NOT NULL" if state == "open" else "d.verdict = %(state)s")
        where = f" WHERE {' AND '.join(wanted)}" if wanted else ""
        with self._database.transaction() as cursor:
            cursor.execute(
                f"{_CASE} {_LAST}{where} ORDER BY v.occurred_at DESC, v.id DESC LIMIT %(limit)s", {**values, "state": state, "limit": limit}
            )
            return _cases(cursor, cursor.fetchall())

    def counts(self) -> CaseCounts:
        with self._database.transaction() as cursor:
            cursor.execute(
                "SELECT v.rule, count(*), count(*) FILTER (WHERE q.expires_at > %s)"
                " FROM queue q JOIN violations v ON v.id = q.violation GROUP BY v.rule ORDER BY v.rule",
                (self._clock.now(),),
            )
            queued = cursor.fetchall()
            cursor.execute(
                "SELECT verdict, count(*) FROM (SELECT DISTINCT ON (violation) verdict FROM decisions ORDER BY violation, id DESC) last"
                " GROUP BY verdict"
            )
            verdicts = _by_verdict(cursor)
        return CaseCounts(
            open=sum(count for _, count, _ in queued),
            in_review=sum(held for _, _, held in queued),
            verdicts=verdicts,
            open_by_rule={RuleName(rule): count for rule, count, _ in queued},
        )

    def take_next(self, reviewer: str, now: datetime, lease_s: float = 900) -> Case | None:
        until = now + timedelta(seconds=lease_s)
        with self._database.transaction() as cursor:
            # A reviewer's calls queue up behind each other: two at once, from two windows, would take two cases.
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"queue {reviewer}",))
            mine = _held(cursor, reviewer)
            if mine is None:
                cursor.execute(
                    "SELECT violation::text FROM queue WHERE reviewer IS NULL OR expires_at <= %s"
                    " ORDER BY occurred_at, violation LIMIT 1 FOR UPDATE SKIP LOCKED",
                    (now,),
                )
                mine = _one(cursor)
            if mine is None:
                return None
            cursor.execute("UPDATE queue SET reviewer = %s, expires_at = %s WHERE violation = %s", (reviewer, until, str(mine)))
            return _case(cursor, mine)

    def assigned(self, reviewer: str) -> Case | None:
        with self._database.transaction() as cursor:
            mine = _held(cursor, reviewer)
            return _case(cursor, mine) if mine else None

    def release(self, reviewer: str) -> None:
        with self._database.transaction() as cursor:
            cursor.execute("UPDATE queue SET reviewer = NULL, expires_at = NULL WHERE reviewer = %s", (reviewer,))

    def decide(self, decision: Decision) -> None:
        violation = str(decision.violation)
        with self._database.transaction() as cursor:
            # Decisions on one case come one after the other. No lock on a row: that of the queue is gone after the first, and to lock
            # the violation's takes the right to change it, which no reviewer has.
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"case {violation}",))
            cursor.execute("SELECT id FROM violations WHERE id = %s", (violation,))
            if cursor.fetchone() is None:
                raise KeyError(decision.violation)
            cursor.execute("SELECT reviewer, expires_at FROM queue WHERE violation = %s FOR UPDATE", (violation,))
            holder, expires_at = cursor.fetchone() or (None, None)
            if holder not in (None, decision.reviewer) and expires_at > decision.decided_at:
                raise CaseTaken(f"case {violation} is on the screen of {holder}; they have it until {expires_at:%H:%M:%S} UTC")
            cursor.execute(
                f"INSERT INTO decisions (violation, {_DECISION}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
                (
                    violation,
                    decision.verdict.value,
                    decision.reason,
                    decision.plate_text,
                    decision.note,
                    decision.reviewer,
                    decision.decided_at,
                    decision.seconds_taken,
                ),
            )
            cursor.execute("DELETE FROM queue WHERE violation = %s", (violation,))

    def decisions(self, violation: ViolationId) -> Sequence[Decision]:
        with self._database.transaction() as cursor:
            return _decisions(cursor, [str(violation)]).get(str(violation), ())

    def decided_by(self, reviewer: str, *, since: datetime, limit: int) -> Sequence[Case]:
        with self._database.transaction() as cursor:
            cursor.execute(
                f"{_CASE} JOIN (SELECT violation, max(id) AS id FROM decisions WHERE reviewer = %s AND decided_at >= %s"
                " GROUP BY violation ORDER BY max(id) DESC LIMIT %s) own ON own.violation = v.id ORDER BY own.id DESC",
                (reviewer, since, limit),
            )
            return _cases(cursor, cursor.fetchall())

    def tally(self, reviewer: str, *, since: datetime) -> ReviewerTally:
        with self._database.transaction() as cursor:
            cursor.execute(
                "SELECT verdict, count(*) FROM (SELECT DISTINCT ON (violation) verdict FROM decisions"
                " WHERE reviewer = %s AND decided_at >= %s ORDER BY violation, id DESC) own GROUP BY verdict",
                (reviewer, since),
            )
            verdicts = _by_verdict(cursor)
            cursor.execute(
                "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds_taken) FROM decisions WHERE reviewer = %s AND decided_at >= %s",
                (reviewer, since),
            )
            row = cursor.fetchone()
        return ReviewerTally(verdicts=verdicts, median_s=row[0] if row else None)

    def filed(self, *, limit: int, after: ViolationId | None = None) -> Sequence[FiledViolation]:
        with self._database.transaction() as cursor:
            cursor.execute(
                "SELECT v.id::text, v.document::text, array_remove(array_agg(f.digest ORDER BY f.digest), NULL),"
                " array_remove(array_agg(f.digest) FILTER (WHERE f.suffix = %(manifest)s), NULL) FROM violations v"
                " LEFT JOIN evidence_files f ON f.violation = v.id WHERE %(after)s::uuid IS NULL OR v.id > %(after)s::uuid"
                " GROUP BY v.id ORDER BY v.id LIMIT %(limit)s",
                {"after": str(after) if after else None, "limit": limit, "manifest": MANIFEST_SUFFIX},
            )
            return tuple(
                FiledViolation(id=ViolationId(UUID(id_)), document=document, files=tuple(files), manifests=tuple(manifests or ()))
                for id_, document, files, manifests in cursor.fetchall()
            )

    def unfiled(self, digests: Sequence[Digest]) -> Sequence[Digest]:
        with self._database.transaction() as cursor:
            cursor.execute("SELECT DISTINCT digest FROM evidence_files WHERE digest = ANY(%s)", (list(digests),))
            named = {row[0] for row in cursor.fetchall()}
        return tuple(digest for digest in digests if digest not in named)


def _held(cursor: "Cursor", reviewer: str) -> ViolationId | None:
    """The longest waiting one, should there ever be two."""
    cursor.execute("SELECT violation::text FROM queue WHERE reviewer = %s ORDER BY occurred_at, violation LIMIT 1 FOR UPDATE", (reviewer,))
    return _one(cursor)


def _one(cursor: "Cursor") -> ViolationId | None:
    row = cursor.fetchone()
    return ViolationId(UUID(row[0])) if row else None


def _case(cursor: "Cursor", violation: ViolationId) -> Case | None:
    cursor.execute(f"{_CASE} WHERE v.id = %s", (str(violation),))
    return next(iter(_cases(cursor, cursor.fetchall())), None)


def _cases(cursor: "Cursor", rows: Sequence[tuple[Any, ...]]) -> tuple[Case, ...]:
    decided = _decisions(cursor, [str(row[0]) for row in rows])
    return tuple(
        Case(
            violation=violation_from_json(document),
            recorded_at=recorded_at.astimezone(UTC),
            decisions=decided.get(str(violation), ()),
            assigned_to=reviewer,
        )
        for violation, document, recorded_at, reviewer in rows
    )


def _decisions(cursor: "Cursor", violations: Sequence[str]) -> dict[str, tuple[Decision, ...]]:
    """By violation, oldest first."""
    cursor.execute(f"SELECT violation::text, {_DECISION} FROM decisions WHERE violation = ANY(%s::uuid[]) ORDER BY id", (list(violations),))
    found: dict[str, tuple[Decision, ...]] = {}
    for row in cursor.fetchall():
        decision = _decision(row)
        found[str(decision.violation)] = (*found.get(str(decision.violation), ()), decision)
    return found


def _decision(row: Sequence[Any]) -> Decision:
    return Decision(
        violation=ViolationId(UUID(row[0])),
        verdict=Verdict(row[1]),
        reason=row[2],
        plate_text=row[3],
        note=row[4],
        reviewer=row[5],
        decided_at=row[6].astimezone(UTC),
        seconds_taken=row[7],
    )


def _by_verdict(cursor: "Cursor") -> dict[Verdict, int]:
    counted = dict(cursor.fetchall())
    return {verdict: int(counted.get(verdict.value, 0)) for verdict in Verdict}
