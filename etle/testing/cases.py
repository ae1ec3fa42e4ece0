"""Cases in memory, with the same queue, leases and refusals as those in PostgreSQL."""

import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import RLock
from typing import Literal

from etle.errors import CaseTaken, StoreError
from etle.protocols import Clock
from etle.tally import CaseCounts, ReviewerTally
from etle.testing.memory import ManualClock
from etle.types import Case, Decision, EvidenceFile, RuleName, Verdict, Violation, ViolationId


@dataclass(slots=True)
class _Record:
    violation: Violation
    recorded_at: datetime
    files: tuple[EvidenceFile, ...]
    decisions: list[Decision] = field(default_factory=list)
    holder: str | None = None
    expires_at: datetime | None = None

    @property
    def place(self) -> tuple[datetime, ViolationId]:
        """In the queue and in lists."""
        return self.violation.occurred_at, self.violation.id

    @property
    def state(self) -> Verdict | Literal["open"]:
        return self.decisions[-1].verdict if self.decisions else "open"

    @property
    def case(self) -> Case:
        return Case(violation=self.violation, recorded_at=self.recorded_at, decisions=tuple(self.decisions), assigned_to=self.holder)

    def held(self, now: datetime) -> bool:
        return self.expires_at is not None and self.expires_at > now

    def has_plate(self, text: str) -> bool:
        last = self.decisions[-1].plate_text if self.decisions else None
        return text in (self.violation.plate.text or "") or text in (last or "")


class MemoryCases:
    """A CaseStore. The clock tells when a case was recorded and which leases of the queue still hold."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or ManualClock()
        self._lock = RLock()
        self._records: dict[ViolationId, _Record] = {}
        self._decided: list[Decision] = []
        """All of them, in the order in which they were made."""

    def add(self, violation: Violation, files: Sequence[EvidenceFile]) -> bool:
        with self._lock:
            if violation.id in self._records:
                return False
            self._records[violation.id] = _Record(violation=violation, recorded_at=self._clock.now(), files=tuple(files))
            return True

    def files(self, violation: ViolationId) -> tuple[EvidenceFile, ...]:
        """Those that were named when it was added."""
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
            behind = self._records[after].place if after else None
            wanted: list[Callable[[_Record], bool]] = [
                lambda record: state is None or record.state == state,
                lambda record: rule is None or record.violation.rule == rule,
                lambda record: camera is None or record.violation.camera == camera,
                lambda record: plate is None or record.has_plate(plate),
                lambda record: since is None or record.violation.occurred_at >= since,
                lambda record: until is None or record.violation.occurred_at < until,
                lambda record: behind is None or record.place < behind,
            ]
            found = [record for record in self._records.values() if all(fits(record) for fits in wanted)]
            return tuple(record.case for record in sorted(found, key=lambda record: record.place, reverse=True)[:limit])

    def counts(self) -> CaseCounts:
        with self._lock:
            queue, now = self._queue(), self._clock.now()
            rules = Counter(record.violation.rule for record in queue)
            decided = Counter(record.state for record in self._records.values())
            return CaseCounts(
                open=len(queue),
                in_review=sum(record.held(now) for record in queue),
                verdicts={verdict: decided[verdict] for verdict in Verdict},
                open_by_rule={RuleName(rule): rules[rule] for rule in sorted(rules)},
            )

    def take_next(self, reviewer: str, now: datetime, lease_s: float = 900) -> Case | None:
        with self._lock:
            mine = self._held_by(reviewer) or next((record for record in self._queue() if not record.held(now)), None)
            if mine is None:
                return None
            mine.holder, mine.expires_at = reviewer, now + timedelta(seconds=lease_s)
            return mine.case

    def assigned(self, reviewer: str) -> Case | None:
        with self._lock:
            mine = self._held_by(reviewer)
            return mine.case if mine else None

    def release(self, reviewer: str) -> None:
        with self._lock:
            for record in self._queue():
                if record.holder == reviewer:
                    record.holder, record.expires_at = None, None

    def decide(self, decision: Decision) -> None:
        with self._lock:
            record = self._records[decision.violation]
            if record.holder not in (None, decision.reviewer) and record.held(decision.decided_at):
                raise CaseTaken(f"case {decision.violation} is on the screen of {record.holder}")
            if decision.verdict is Verdict.REJECT and decision.reason is None:
                raise StoreError("a rejection needs a reason")
            record.decisions.append(decision)
            record.holder, record.expires_at = None, None
            self._decided.append(decision)

    def decisions(self, violation: ViolationId) -> Sequence[Decision]:
        with self._lock:
            record = self._records.get(violation)
            return tuple(record.decisions) if record else ()

    def decided_by(self, reviewer: str, *, since: datetime, limit: int) -> Sequence[Case]:
        with self._lock:
            last_first = dict.fromkeys(decision.violation for decision in reversed(self._own(reviewer, since)))
            return tuple(self._records[violation].case for violation in list(last_first)[:limit])

    def tally(self, reviewer: str, *, since: datetime) -> ReviewerTally:
        with self._lock:
            own = self._own(reviewer, since)
        last = Counter({decision.violation: decision.verdict for decision in own}.values())
        seconds = [decision.seconds_taken for decision in own if decision.seconds_taken is not None]
        return ReviewerTally(
            verdicts={verdict: last[verdict] for verdict in Verdict}, median_s=statistics.median(seconds) if seconds else None
        )

    def _queue(self) -> list[_Record]:
        """The open ones, longest waiting first."""
        return sorted((record for record in self._records.values() if not record.decisions), key=lambda record: record.place)

    def _held_by(self, reviewer: str) -> _Record | None:
        return next((record for record in self._queue() if record.holder == reviewer), None)

    def _own(self, reviewer: str, since: datetime) -> Sequence[Decision]:
        return [decision for decision in self._decided if decision.reviewer == reviewer and decision.decided_at >= since]
