"""A CaseStore in memory, with the same queue, leases and errors as the one in PostgreSQL."""

import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import RLock
from typing import Literal

from etle.errors import CaseDecided, CaseTaken, StoreError
from etle.protocols import Clock
from etle.testing.clock import ManualClock
from etle.types import Case, CaseCounts, Decision, EvidenceFile, ReviewerTally, RuleName, Verdict, Violation, ViolationId


@dataclass(slots=True)
class _Record:
    violation: Violation
    recorded_at: datetime
    files: tuple[EvidenceFile, ...]
    decisions: list[Decision] = field(default_factory=list)
    reviewer: str | None = None
    """Who has the lease."""
    expires_at: datetime | None = None

    @property
    def sort_key(self) -> tuple[datetime, ViolationId]:
        """Order in the queue and in lists."""
        return self.violation.occurred_at, self.violation.id

    @property
    def state(self) -> Verdict | Literal["open"]:
        return self.decisions[-1].verdict if self.decisions else "open"

    @property
    def case(self) -> Case:
        return Case(violation=self.violation, recorded_at=self.recorded_at, decisions=tuple(self.decisions), assigned_to=self.reviewer)

    def is_leased(self, now: datetime) -> bool:
        return self.expires_at is not None and self.expires_at > now

    def has_plate(self, text: str) -> bool:
        last = self.decisions[-1].plate_text if self.decisions else None
        return text in (self.violation.plate.text or "") or text in (last or "")


class MemoryCases:
    """The clock is used for the time of recording and for the expiry of leases."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or ManualClock()
        self._lock = RLock()
        self._records: dict[ViolationId, _Record] = {}
        self._decided: list[Decision] = []
        """All decisions, oldest first."""

    def add(self, violation: Violation, files: Sequence[EvidenceFile]) -> bool:
        with self._lock:
            if violation.id in self._records:
                return False
            self._records[violation.id] = _Record(violation=violation, recorded_at=self._clock.now(), files=tuple(files))
            return True

    def files(self, violation: ViolationId) -> tuple[EvidenceFile, ...]:
        """The files with which the violation was added."""
        return self._records[violation].files

    def case(self, violation: ViolationId) -> Case | None:
        with self._lock:
            record = self._records.get(violation)
            return record.case if record else None

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
        with self._lock:
            if after is not None and after not in self._records:
                return ()
            after_key = self._records[after].sort_key if after else None
            filters: list[Callable[[_Record], bool]] = [
                lambda record: state is None or record.state == state,
                lambda record: rule is None or record.violation.rule == rule,
                lambda record: camera is None or record.violation.camera == camera,
                lambda record: plate is None or record.has_plate(plate),
                lambda record: since is None or record.violation.occurred_at >= since,
                lambda record: until is None or record.violation.occurred_at < until,
                lambda record: after_key is None or record.sort_key < after_key,
            ]
            found = [record for record in self._records.values() if all(matches(record) for matches in filters)]
            return tuple(record.case for record in sorted(found, key=lambda record: record.sort_key, reverse=True)[:limit])

    def counts(self) -> CaseCounts:
        with self._lock:
            queue, now = self._queue(), self._clock.now()
            rules = Counter(record.violation.rule for record in queue)
            decided = Counter(record.state for record in self._records.values())
            return CaseCounts(
                open=len(queue),
                in_review=sum(record.is_leased(now) for record in queue),
                verdicts={verdict: decided[verdict] for verdict in Verdict},
                open_by_rule={RuleName(rule): rules[rule] for rule in sorted(rules)},
            )

    def take_next(self, reviewer: str, now: datetime, lease_s: float = 900) -> Case | None:
        with self._lock:
            record = self._leased_to(reviewer) or next((each for each in self._queue() if not each.is_leased(now)), None)
            if record is None:
                return None
            record.reviewer, record.expires_at = reviewer, now + timedelta(seconds=lease_s)
            return record.case

    def assigned(self, reviewer: str) -> Case | None:
        with self._lock:
            record = self._leased_to(reviewer)
            return record.case if record else None

    def release(self, reviewer: str) -> None:
        with self._lock:
            for record in self._queue():
                if record.reviewer == reviewer:
                    record.reviewer, record.expires_at = None, None

    def decide(self, decision: Decision, *, known_decisions: int | None = None, any_lease: bool = False) -> None:
        if decision.verdict.needs_reason and decision.reason is None:
            raise StoreError(f"the verdict {decision.verdict} needs a reason")
        with self._lock:
            record = self._records[decision.violation]
            if known_decisions is not None and len(record.decisions) != known_decisions:
                raise CaseDecided(f"case {decision.violation} has {len(record.decisions)} decisions, and {known_decisions} were seen")
            if not any_lease and record.reviewer not in (None, decision.reviewer) and record.is_leased(decision.decided_at):
                raise CaseTaken(f"case {decision.violation} is on the screen of {record.reviewer}")
            record.decisions.append(decision)
            record.reviewer, record.expires_at = None, None
            self._decided.append(decision)

    def decisions(self, violation: ViolationId) -> Sequence[Decision]:
        with self._lock:
            record = self._records.get(violation)
            return tuple(record.decisions) if record else ()

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
        return next((record for record in self._queue() if record.reviewer == reviewer), None)

    def _decisions_of(self, reviewer: str, since: datetime) -> Sequence[Decision]:
        return [decision for decision in self._decided if decision.reviewer == reviewer and decision.decided_at >= since]
