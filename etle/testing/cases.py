"""A CaseStore in memory, with the same queue, leases and errors as the one in PostgreSQL."""

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import RLock
from typing import Literal, Unpack

from etle.errors import CaseDecided, CaseTaken, StoreError
from etle.protocols import LEASE_S, REPEATED_WITHIN, CaseFilters, Clock
from etle.testing.clock import ManualClock
from etle.types import (
    CameraId,
    Case,
    CaseCounts,
    CaseOrder,
    CaseSummary,
    Decision,
    EvidenceFile,
    LetterDeadlinePeriod,
    Proposal,
    ReviewerTally,
    Verdict,
    Violation,
    ViolationId,
)


@dataclass(slots=True)
class _Record:
    violation: Violation
    recorded_at: datetime
    files: tuple[EvidenceFile, ...]
    decisions: list[Decision] = field(default_factory=list)
    reviewer: str | None = None
    """Who has the lease."""
    expires_at: datetime | None = None
    ahead: bool = False
    """Reserved to come after the one on the reviewer's screen."""

    @property
    def sort_key(self) -> tuple[datetime, ViolationId]:
        """Order in the queue and in lists."""
        return self.violation.occurred_at, self.violation.id

    @property
    def state(self) -> Verdict | Literal["open"]:
        return self.decisions[-1].verdict if self.decisions else "open"

    @property
    def case(self) -> Case:
        return Case(
            violation=self.violation,
            recorded_at=self.recorded_at,
            decisions=tuple(self.decisions),
            assigned_to=self.reviewer,
            is_reserved=self.ahead,
        )

    def is_leased(self, now: datetime) -> bool:
        return self.expires_at is not None and self.expires_at > now

    def list_key(self, order: CaseOrder, letters: Sequence[LetterDeadlinePeriod]) -> tuple[datetime, ViolationId] | None:
        """None: the case is not in a list in this order."""
        occurred_at, id_ = self.sort_key
        if order is CaseOrder.DECIDED:
            return (self.decisions[-1].decided_at, id_) if self.decisions else None
        if order is CaseOrder.URGENT:
            period = next((each for each in letters if each.covers(self.violation.polda, occurred_at)), None)
            return (occurred_at + timedelta(days=period.days), id_) if period and not self.decisions else None
        return occurred_at, id_

    def matches(self, **filters: Unpack[CaseFilters]) -> bool:
        violation, last = self.violation, self.decisions[-1] if self.decisions else None
        equal = {
            "state": self.state,
            "rule": violation.rule,
            "camera": violation.camera,
            "reviewer": last.reviewer if last else None,
        }
        plate, since, until = filters.get("plate"), filters.get("since"), filters.get("until")
        texts = (violation.plate.text or "", (last.plate_text if last else None) or "")
        return (
            all(wanted is None or equal[name] == wanted for name, wanted in filters.items() if name in equal)
            and (plate is None or any(plate in text for text in texts))
            and (since is None or violation.occurred_at >= since)
            and (until is None or violation.occurred_at < until)
        )


class MemoryCases:
    """The clock is used for the time of recording and for the expiry of leases."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or ManualClock()
        self._lock = RLock()
        self._records: dict[ViolationId, _Record] = {}
        self._proposals: list[Proposal] = []
        self._decided: list[Decision] = []
        """All decisions, oldest first."""

    def add(self, violation: Violation, files: Sequence[EvidenceFile]) -> bool:
        with self._lock:
            if violation.id in self._records:
                return False
            self._records[violation.id] = _Record(violation=violation, recorded_at=self._clock.now(), files=tuple(files))
            return True

    def has(self, violation: ViolationId) -> bool:
        return violation in self._records

    def has_similar(self, violation: Violation) -> bool:
        with self._lock:
            others = [record.violation for record in self._records.values() if record.violation.id != violation.id]
        return violation.plate.text is not None and any(
            (other.site, other.camera, other.rule, other.plate.text)
            == (violation.site, violation.camera, violation.rule, violation.plate.text)
            and abs(other.occurred_at - violation.occurred_at) <= REPEATED_WITHIN
            for other in others
        )

    def files(self, violation: ViolationId) -> tuple[EvidenceFile, ...]:
        """The files with which the violation was added."""
        return self._records[violation].files

    def case(self, violation: ViolationId) -> Case | None:
        with self._lock:
            record = self._records.get(violation)
            return record.case if record else None

    def by_id(self, *violations: ViolationId) -> Mapping[ViolationId, Case]:
        with self._lock:
            return {each: self._records[each].case for each in violations if each in self._records}

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
        with self._lock:
            keys = {id_: key for id_, record in self._records.items() if (key := record.list_key(order, letters))}
            ascending = order in (CaseOrder.OLDEST, CaseOrder.URGENT)
            listed = [self._records[id_] for id_ in sorted(keys, key=lambda id_: keys[id_], reverse=not ascending)]
            beyond = before or after
            if beyond is not None:
                place = next((index for index, record in enumerate(listed) if record.violation.id == beyond), None)
                if place is None:
                    return ()
                listed = listed[place + 1 :] if before is None else listed[:place]
            matching = [record.case for record in listed if record.matches(**filters)]
            return tuple(matching[:limit] if before is None else matching[-limit:])

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
        listed = self.cases(order=order, limit=limit, after=after, before=before, letters=letters, **filters)
        return tuple(map(CaseSummary.of, listed))

    def found(self, *, limit: int = 1000, **filters: Unpack[CaseFilters]) -> int:
        with self._lock:
            return min(limit, sum(record.matches(**filters) for record in self._records.values()))

    def cameras(self) -> Mapping[CameraId, str]:
        with self._lock:
            violations = [record.violation for record in self._records.values()]
        return {violation.camera: violation.camera_name for violation in sorted(violations, key=lambda each: each.camera)}

    def counts(self) -> CaseCounts:
        with self._lock:
            now = self._clock.now()
            return CaseCounts(
                cases=Counter((record.state, record.violation.rule) for record in self._records.values()),
                in_review=sum(record.is_leased(now) and not record.ahead for record in self._queue()),
            )

    def take_next(self, reviewer: str, now: datetime, lease_s: float = LEASE_S) -> Case | None:
        with self._lock:
            record = self._leased_to(reviewer) or next((each for each in self._queue() if not each.is_leased(now)), None)
            if record is None:
                return None
            record.reviewer, record.expires_at, record.ahead = reviewer, now + timedelta(seconds=lease_s), False
            return record.case

    def reserve_next(self, reviewer: str, now: datetime, lease_s: float = LEASE_S) -> Case | None:
        with self._lock:
            own = [record for record in self._queue() if record.reviewer == reviewer]
            if all(record.ahead for record in own):
                return None
            free = (record for record in self._queue() if not record.is_leased(now) and record not in own)
            record = next((record for record in own if record.ahead), None) or next(free, None)
            if record is None:
                return None
            record.reviewer, record.expires_at, record.ahead = reviewer, now + timedelta(seconds=lease_s), True
            return record.case

    def renew(self, reviewer: str, violation: ViolationId, now: datetime, lease_s: float = LEASE_S) -> bool:
        with self._lock:
            own = [record for record in self._queue() if record.reviewer == reviewer]
            for record in own:
                if record.expires_at and (record.ahead or record.violation.id == violation):
                    record.expires_at = max(record.expires_at, now + timedelta(seconds=lease_s))
            return any(record.violation.id == violation for record in own)

    def assigned(self, reviewer: str) -> Case | None:
        with self._lock:
            record = self._leased_to(reviewer)
            return record.case if record else None

    def release(self, reviewer: str) -> None:
        with self._lock:
            for record in self._queue():
                if record.reviewer == reviewer:
                    record.reviewer, record.expires_at, record.ahead = None, None, False

    def decide(
        self, decision: Decision, *, known_decisions: int | None = None, any_lease: bool = False, session: str | None = None
    ) -> None:
        if decision.verdict.needs_reason and decision.reason is None:
            raise StoreError(f"the verdict {decision.verdict} needs a reason")
        with self._lock:
            record = self._records[decision.violation]
            if known_decisions is not None and len(record.decisions) != known_decisions:
                raise CaseDecided(f"case {decision.violation} has {len(record.decisions)} decisions, and {known_decisions} were seen")
            if not any_lease and record.reviewer not in (None, decision.reviewer) and record.is_leased(decision.decided_at):
                raise CaseTaken(f"case {decision.violation} is on the screen of {record.reviewer}")
            record.decisions.append(decision)
            record.reviewer, record.expires_at, record.ahead = None, None, False
            self._decided.append(decision)

    def decisions(self, violation: ViolationId) -> Sequence[Decision]:
        with self._lock:
            record = self._records.get(violation)
            return tuple(record.decisions) if record else ()

    def propose(self, proposal: Proposal) -> None:
        """As a promotion does."""
        with self._lock:
            self._proposals.append(proposal)

    def proposals(self, violation: ViolationId) -> Sequence[Proposal]:
        with self._lock:
            return tuple(proposal for proposal in self._proposals if proposal.violation == violation)

    def open_proposals(self, limit: int) -> Sequence[Proposal]:
        with self._lock:
            decided = {proposal.violation: self._records[proposal.violation].decisions for proposal in self._proposals}
            since = {violation: decisions[-1].decided_at for violation, decisions in decided.items() if decisions}
            found = [each for each in self._proposals if each.violation in since and since[each.violation] < each.proposed_at]
            return tuple(found[:limit])

    def decided_by(self, reviewer: str, *, since: datetime, limit: int) -> Sequence[Case]:
        with self._lock:
            newest_first = dict.fromkeys(decision.violation for decision in reversed(self._decisions_of(reviewer, since)))
            return tuple(self._records[violation].case for violation in list(newest_first)[:limit])

    def tally(self, reviewer: str, *, since: datetime) -> ReviewerTally:
        with self._lock:
            decisions = self._decisions_of(reviewer, since)
        last = Counter({decision.violation: decision.verdict for decision in decisions}.values())
        seconds = [decision.seconds_taken for decision in decisions if decision.seconds_taken is not None]
        return ReviewerTally(
            verdicts={verdict: last[verdict] for verdict in Verdict}, median_s=statistics.median(seconds) if seconds else None
        )

    def _queue(self) -> list[_Record]:
        """Open cases, oldest first."""
        return sorted((record for record in self._records.values() if not record.decisions), key=lambda record: record.sort_key)

    def _leased_to(self, reviewer: str) -> _Record | None:
        own = [record for record in self._queue() if record.reviewer == reviewer]
        return min(own, key=lambda record: record.ahead, default=None)

    def _decisions_of(self, reviewer: str, since: datetime) -> Sequence[Decision]:
        return [decision for decision in self._decided if decision.reviewer == reviewer and decision.decided_at >= since]
