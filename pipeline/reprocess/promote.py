"""Promotes a run: after two people have approved the same results, its new violations become cases, and what differs is proposed.

Nothing that was decided changes. A case that the run sees differently gets a proposal: whoever has the open case on the screen sees it, and
for a decided case a supervisor. Every step may be repeated, so that a promotion that was interrupted is finished by the same command.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from etle.errors import ConfigError
from etle.protocols import CaseStore, EvidenceStore, ViolationSink
from etle.runs.compare import RunComparison, compare_runs
from etle.runs.plan import Part, ReprocessPlan
from etle.storage.runs import LIVE, PostgresRuns, StoredRun
from etle.types import Digest, Verdict, Violation, ViolationId
from etle.wire import violation_to_json
from pipeline.reprocess.sink import stored_message

MISSING: Final = "missing"
"""In `changed` of a proposal: the run did not find the violation."""
_NEEDED: Final = 2

Record = Callable[[str, str, str], None]
"""Adds a line to the access log: who, action, detail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionState:
    """Where a promotion is after somebody approved."""

    approvals: tuple[str, ...]
    promoted: bool
    cases_added: int = 0
    proposed: int = 0


class RunPromotion:
    """Of one run."""

    def __init__(self, run: str, runs: PostgresRuns, cases: CaseStore, sink: ViolationSink, files: EvidenceStore, record: Record) -> None:
        """`sink` stores cases; `files` are those of the run. Raises ConfigError for a run that cannot be promoted."""
        self._run = run
        self._runs = runs
        self._cases = cases
        self._sink = sink
        self._files = files
        self._record = record
        _check_promotable(runs.run(run), run)

    def approve(self, by: str) -> PromotionState:
        """Approve as this person, whose identity was checked; the second one promotes. Raises ConfigError if one person tries twice."""
        if done := self._runs.promotion(self._run):
            people = (done.requested_by, done.approved_by)
            return PromotionState(approvals=people, promoted=True, cases_added=done.cases_added, proposed=done.proposed)
        results = results_digest(self._runs.violations(self._run))
        new = self._runs.approve(self._run, by, results)
        if new:
            self._record(by, "run_approved", f"{self._run} {results}")
        approvals = tuple(self._runs.approvals(self._run, results))
        if len(approvals) >= _NEEDED:
            return self._promote((approvals[0], approvals[1]), results, by)
        if not new:
            raise ConfigError(f"{by} has approved {self._run!r} already; a second person has to approve it")
        return PromotionState(approvals=approvals, promoted=False)

    def _promote(self, approvals: tuple[str, str], results: Digest, by: str) -> PromotionState:
        comparison = compare_runs(self._runs, self._cases, LIVE, self._run)
        added = sum(self._sink.put(stored_message(violation, self._files)) for violation in self._new(comparison))
        proposed = sum(self._runs.propose(self._run, case, changed, found) for case, changed, found in self._proposals(comparison))
        self._runs.promote(self._run, approvals, results, cases_added=added, proposed=proposed)
        self._record(by, "run_promoted", f"{self._run} {added} cases, {proposed} proposals")
        return PromotionState(approvals=approvals, promoted=True, cases_added=added, proposed=proposed)

    def _new(self, comparison: RunComparison) -> Iterator[Violation]:
        ids = {each.id for each in comparison.only_b}
        return (violation for violation in self._runs.violations(self._run) if violation.id in ids)

    def _proposals(self, comparison: RunComparison) -> Iterator[tuple[ViolationId, tuple[str, ...], Violation | None]]:
        """The case, what differs, and what the run found."""
        changed = {pair.b.id: pair for pair in comparison.changed}
        for violation in self._runs.violations(self._run):
            if pair := changed.get(violation.id):
                yield pair.a.id, tuple(each.value for each in pair.differences), violation
        if _plan_of(self._runs.run(self._run)).part is Part.ALL:
            yield from ((each.id, (MISSING,), None) for each in comparison.only_a if each.verdict is not Verdict.REJECT)


def results_digest(violations: Iterable[Violation]) -> Digest:
    """Of everything that a run found."""
    digest = sha256()
    for violation in violations:
        digest.update(violation_to_json(violation).encode() + b"\n")
    return Digest(digest.hexdigest())


def _check_promotable(run: StoredRun | None, name: str) -> None:
    if run is None:
        raise ConfigError(f"there is no run {name!r}; `etle runs list` shows them")
    if run.finished_at is None:
        raise ConfigError(f"the run {name!r} is not finished: start `etle reprocess` again with the same options first")
    if _plan_of(run).part is Part.RULES:
        raise ConfigError(f"the run {name!r} read no plates (--only rules): its violations would be cases without a plate")


def _plan_of(run: StoredRun | None) -> ReprocessPlan:
    assert run is not None, "runs are never deleted"
    return ReprocessPlan.of(run.plan)
