"""Cases in PostgreSQL: violations, their decisions, and the queue that hands open cases to the reviewers."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Unpack
from uuid import UUID

from etle.clock import SystemClock
from etle.errors import CaseDecided, CaseTaken, StoreError
from etle.protocols import LEASE_S, REPEATED_WITHIN, CaseFilters, Clock
from etle.signing import Signer
from etle.storage.audit.row_signature import sign_row
from etle.storage.case_list import CasePageQuery, case_state, list_filters, page_rows, summary_of_row
from etle.storage.database import Cursor, Database
from etle.storage.evidence.manifest import FileRecord
from etle.storage.evidence.verify import FiledViolation, SearchColumns
from etle.storage.queries import sql
from etle.types import (
    CameraId,
    Case,
    CaseCounts,
    CaseOrder,
    CaseSummary,
    Decision,
    Digest,
    EvidenceFile,
    LetterDeadlinePeriod,
    Proposal,
    ReviewerTally,
    RuleName,
    Verdict,
    Violation,
    ViolationId,
)
from etle.wire import violation_from_json, violation_to_json


class PostgresCases:
    """A CaseStore. Each method is one short transaction; safe to use from several threads and processes."""

    def __init__(self, database: Database, clock: Clock | None = None, signer: Signer | None = None) -> None:
        """The clock is used for the time of recording and for the expiry of leases. `signer` signs the decisions; None for processes that
        make none: `etle evidence verify` reports unsigned decisions."""
        self._database = database
        self._clock = clock or SystemClock()
        self._signer = signer

    def add(self, violation: Violation, files: Sequence[EvidenceFile]) -> bool:
        id_ = str(violation.id)
        row = {
            "id": id_,
            "site": violation.site,
            "camera": violation.camera,
            "rule": violation.rule,
            "occurred_at": violation.occurred_at,
            "plate": violation.plate.text,
            "vehicle": violation.vehicle.value,
            "document": violation_to_json(violation),
            "recorded_at": self._clock.now(),
        }
        unique = {file.sha256: file for file in files}.values()
        with self._database.transaction() as cursor:
            cursor.execute(sql("insert_violation"), row)
            if cursor.fetchone() is None:
                return False
            cursor.executemany(
                sql("insert_evidence_file"),
                [{"violation": id_, "digest": file.sha256, "suffix": file.suffix, "bytes": len(file.data)} for file in unique],
            )
            cursor.execute(sql("enqueue"), {"violation": id_, "occurred_at": violation.occurred_at})
        return True

    def has(self, violation: ViolationId) -> bool:
        with self._database.autocommit() as cursor:
            cursor.execute(sql("violation_exists"), {"violation": str(violation)})
            return bool(cursor.fetchone().stored)

    def has_similar(self, violation: Violation) -> bool:
        period = {"since": violation.occurred_at - REPEATED_WITHIN, "until": violation.occurred_at + REPEATED_WITHIN}
        columns = {"site": violation.site, "camera": violation.camera, "rule": violation.rule, "plate": violation.plate.text}
        with self._database.autocommit() as cursor:
            cursor.execute(sql("similar_violation"), {"id": str(violation.id), **columns, **period})
            return bool(cursor.fetchone().stored)

    def case(self, violation: ViolationId) -> Case | None:
        with self._database.autocommit() as cursor:
            return _case(cursor, violation)

    def by_id(self, *violations: ViolationId) -> Mapping[ViolationId, Case]:
        with self._database.autocommit() as cursor:
            return {case.violation.id: case for case in _cases_by_id(cursor, violations)}

    def cases(
        self,
        *,
        order: CaseOrder = CaseOrder.NEWEST,
        limit: int = 100,
        after: ViolationId | None = None,
        before: ViolationId | None = None,
        letters: Sequence[LetterDeadlinePeriod] = (),
        **filters: Unpack[CaseFilters],
    ) -> Sequence[Case]:
        page = CasePageQuery(order=order, limit=limit, after=after, before=before, letters=letters)
        with self._database.autocommit() as cursor:
            return _cases(cursor, page_rows(cursor, sql("case_columns"), page, **filters))

    def summaries(
        self,
        *,
        order: CaseOrder = CaseOrder.NEWEST,
        limit: int = 100,
        after: ViolationId | None = None,
        before: ViolationId | None = None,
        letters: Sequence[LetterDeadlinePeriod] = (),
        **filters: Unpack[CaseFilters],
    ) -> Sequence[CaseSummary]:
        page = CasePageQuery(order=order, limit=limit, after=after, before=before, letters=letters)
        with self._database.autocommit() as cursor:
            return tuple(map(summary_of_row, page_rows(cursor, sql("summary_columns"), page, **filters)))

    def found(self, *, limit: int = 1000, **filters: Unpack[CaseFilters]) -> int:
        with self._database.autocommit() as cursor:
            cursor.execute(sql("count_found").format(filters=sql("case_filters")), {**list_filters(**filters), "limit": limit})
            return int(cursor.fetchone().cases)

    def cameras(self) -> Mapping[CameraId, str]:
        with self._database.autocommit() as cursor:
            cursor.execute(sql("select_cameras"))
            return {CameraId(row.camera): row.name for row in cursor.fetchall()}

    def counts(self) -> CaseCounts:
        with self._database.autocommit() as cursor:
            cursor.execute(sql("count_cases"), {"now": self._clock.now()})
            rows = cursor.fetchall()
        in_review = rows[0].in_review if rows else 0
        return CaseCounts(cases={(case_state(row.state), RuleName(row.rule)): row.cases for row in rows}, in_review=in_review)

    def take_next(self, reviewer: str, now: datetime, lease_s: float = LEASE_S) -> Case | None:
        lease = {"reviewer": reviewer, "now": now, "expires_at": now + timedelta(seconds=lease_s)}
        with self._database.autocommit() as cursor:
            cursor.execute(cursor.mogrify(sql("take_case"), lease) + b";" + cursor.mogrify(sql("select_taken_case"), lease))
            return next(iter(_cases(cursor, cursor.fetchall())), None)

    def reserve_next(self, reviewer: str, now: datetime, lease_s: float = LEASE_S) -> Case | None:
        with self._database.transaction() as cursor:
            cursor.execute(sql("lock"), {"key": f"queue {reviewer}"})
            cursor.execute(sql("case_on_screen"), {"reviewer": reviewer})
            if cursor.fetchone() is None:
                return None
            cursor.execute(sql("reserved_case"), {"reviewer": reviewer})
            violation = _violation_id(cursor.fetchone())
            if violation is None:
                cursor.execute(sql("next_free_case"), {"now": now})
                violation = _violation_id(cursor.fetchone())
            if violation is None:
                return None
            expires_at = now + timedelta(seconds=lease_s)
            lease = {"reviewer": reviewer, "expires_at": expires_at, "ahead": True, "violation": str(violation)}
            cursor.execute(sql("lease_case"), lease)
            return _case(cursor, violation)

    def renew(self, reviewer: str, violation: ViolationId, now: datetime, lease_s: float = LEASE_S) -> bool:
        lease = {"reviewer": reviewer, "violation": str(violation), "expires_at": now + timedelta(seconds=lease_s)}
        with self._database.autocommit() as cursor:
            cursor.execute(sql("renew_lease"), lease)
            return any(row.violation == str(violation) for row in cursor.fetchall())

    def assigned(self, reviewer: str) -> Case | None:
        with self._database.transaction() as cursor:
            cursor.execute(sql("leased_case"), {"reviewer": reviewer})
            violation = _violation_id(cursor.fetchone())
            return _case(cursor, violation) if violation else None

    def release(self, reviewer: str) -> None:
        with self._database.transaction() as cursor:
            cursor.execute(sql("release_leases"), {"reviewer": reviewer})

    def decide(
        self, decision: Decision, *, known_decisions: int | None = None, any_lease: bool = False, session: str | None = None
    ) -> None:
        if decision.verdict.needs_reason and decision.reason is None:
            raise StoreError(f"the verdict {decision.verdict} needs a reason")
        row = {
            "violation": str(decision.violation),
            "verdict": decision.verdict.value,
            "reason": decision.reason,
            "plate_text": decision.plate_text,
            "note": decision.note,
            "reviewer": decision.reviewer,
            "seconds_taken": decision.seconds_taken,
        }
        signature = sign_row(self._signer, "decision", row).columns
        only_if = {"known": known_decisions, "any_lease": any_lease}
        with self._database.autocommit() as cursor:
            cursor.execute(sql("decide_case"), {**row, **only_if, "session": session, "decided_at": decision.decided_at, **signature})
            found = cursor.fetchone()
        if found.earlier is None:
            raise KeyError(decision.violation)
        if known_decisions not in (None, found.earlier):
            raise CaseDecided(f"case {decision.violation} has {found.earlier} decisions, and {known_decisions} were seen")
        if not found.added:
            until = f"whose lease ends at {found.taken_until.astimezone(UTC):%H:%M:%S} UTC"
            raise CaseTaken(f"case {decision.violation} is on the screen of {found.taken_by}, {until}")

    def decisions(self, violation: ViolationId) -> Sequence[Decision]:
        with self._database.autocommit() as cursor:
            return _decisions(cursor, [str(violation)]).get(str(violation), ())

    def proposals(self, violation: ViolationId) -> Sequence[Proposal]:
        with self._database.autocommit() as cursor:
            cursor.execute(sql("select_proposals"), {"violation": str(violation)})
            return tuple(_proposal(row) for row in cursor.fetchall())

    def open_proposals(self, limit: int) -> Sequence[Proposal]:
        with self._database.autocommit() as cursor:
            cursor.execute(sql("select_open_proposals"), {"limit": limit})
            return tuple(_proposal(row) for row in cursor.fetchall())

    def decided_by(self, reviewer: str, *, since: datetime, limit: int) -> Sequence[Case]:
        with self._database.autocommit() as cursor:
            cursor.execute(sql("cases_decided_by"), {"reviewer": reviewer, "since": since, "limit": limit})
            return _cases(cursor, cursor.fetchall())

    def tally(self, reviewer: str, *, since: datetime) -> ReviewerTally:
        period = {"reviewer": reviewer, "since": since}
        with self._database.autocommit() as cursor:
            cursor.execute(sql("count_verdicts_of_reviewer"), period)
            verdicts = _by_verdict(cursor.fetchall())
            cursor.execute(sql("median_seconds_of_reviewer"), period)
            return ReviewerTally(verdicts=verdicts, median_s=cursor.fetchone().median_s)

    def with_files(self, *, limit: int, after: ViolationId | None = None) -> Sequence[FiledViolation]:
        with self._database.transaction() as cursor:
            cursor.execute(sql("violations_with_files"), {"after": str(after) if after else None, "limit": limit})
            return tuple(_filed(row) for row in cursor.fetchall())

    def files_of(self, violation: ViolationId) -> Sequence[tuple[Digest, str]]:
        """Digest and suffix of the files of a violation, its manifest among them."""
        with self._database.autocommit() as cursor:
            cursor.execute(sql("files_of_violation"), {"violation": str(violation)})
            return tuple((Digest(row.digest), row.suffix) for row in cursor.fetchall())

    def any_stored(self) -> bool:
        """Whether there is a violation."""
        with self._database.transaction() as cursor:
            cursor.execute(sql("any_violation"))
            return bool(cursor.fetchone().stored)

    def unreferenced(self, digests: Sequence[Digest]) -> Sequence[Digest]:
        with self._database.transaction() as cursor:
            cursor.execute(sql("referenced_digests"), {"digests": list(digests)})
            referenced = {row.digest for row in cursor.fetchall()}
        return tuple(digest for digest in digests if digest not in referenced)


def _proposal(row: Any) -> Proposal:
    return Proposal(
        violation=ViolationId(UUID(row.violation)),
        run=row.run,
        changed=tuple(row.changed),
        found=violation_from_json(row.document) if row.document else None,
        proposed_at=row.proposed_at,
    )


def _violation_id(row: Any) -> ViolationId | None:
    return ViolationId(UUID(row.violation)) if row else None


def _case(cursor: Cursor, violation: ViolationId) -> Case | None:
    return next(iter(_cases_by_id(cursor, [violation])), None)


def _cases_by_id(cursor: Cursor, violations: Sequence[ViolationId]) -> tuple[Case, ...]:
    cursor.execute(sql("select_cases"), {"violations": [str(violation) for violation in violations]})
    return _cases(cursor, cursor.fetchall())


@lru_cache(maxsize=512)
def _violation_of(document: str) -> Violation:
    """Page, pictures and verdict of a case read the same document, a dozen times in a minute."""
    return violation_from_json(document)


def _cases(cursor: Cursor, rows: Sequence[Any]) -> tuple[Case, ...]:
    decided = [row.id for row in rows if not row.queued]
    decisions = _decisions(cursor, decided) if decided else {}
    return tuple(
        Case(
            violation=_violation_of(row.document),
            recorded_at=row.recorded_at.astimezone(UTC),
            decisions=decisions.get(row.id, ()),
            assigned_to=row.reviewer,
            is_reserved=row.reserved,
        )
        for row in rows
    )


def _decisions(cursor: Cursor, violations: Sequence[str]) -> dict[str, tuple[Decision, ...]]:
    """By violation, oldest first."""
    cursor.execute(sql("select_decisions"), {"violations": list(violations)})
    found: dict[str, tuple[Decision, ...]] = {}
    for row in cursor.fetchall():
        found[row.violation] = (*found.get(row.violation, ()), _decision(row))
    return found


def _filed(row: Any) -> FiledViolation:
    columns = SearchColumns(
        site=row.site,
        camera=row.camera,
        rule=row.rule,
        occurred_at=row.occurred_at.astimezone(UTC),
        plate=row.plate,
        vehicle=row.vehicle,
    )
    files = (FileRecord(sha256=digest, suffix=suffix, bytes=size) for digest, suffix, size in json.loads(row.files))
    return FiledViolation(
        id=ViolationId(UUID(row.id)), document=row.document, columns=columns, recorded_at=row.recorded_at, files=tuple(sorted(files))
    )


def _decision(row: Any) -> Decision:
    return Decision(
        violation=ViolationId(UUID(row.violation)),
        verdict=Verdict(row.verdict),
        reason=row.reason,
        plate_text=row.plate_text,
        note=row.note,
        reviewer=row.reviewer,
        decided_at=row.decided_at.astimezone(UTC),
        seconds_taken=row.seconds_taken,
    )


def _by_verdict(rows: Sequence[Any]) -> dict[Verdict, int]:
    """Every verdict, with 0 for those without a case."""
    cases = {row.verdict: int(row.cases) for row in rows}
    return {verdict: cases.get(verdict.value, 0) for verdict in Verdict}
