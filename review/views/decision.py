"""Decisions on a case, and the rows of a reviewer's decided cases."""

from dataclasses import dataclass
from uuid import UUID

from etle.plates import formatted
from etle.types import Case, Decision, Verdict, Violation
from review.i18n import Translator
from review.views.verdict import verdict_label


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionView:
    verdict: Verdict
    label: str
    reason: str | None
    plate: str
    plate_changed: bool
    note: str
    reviewer: str
    when: str
    seconds: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidedRow:
    """A case with the last decision of one reviewer on it."""

    id: UUID
    verdict: Verdict
    label: str
    plate: str
    reason: str | None
    when: str
    seconds: str | None


def decision_view(decision: Decision, violation: Violation, t: Translator) -> DecisionView:
    return DecisionView(
        verdict=decision.verdict,
        label=verdict_label(decision.verdict, t),
        reason=t.get(f"reason.{decision.reason}", decision.reason) if decision.reason else None,
        plate=formatted(decision.plate_text or ""),
        plate_changed=decision.plate_text != violation.plate.text,
        note=decision.note,
        reviewer=decision.reviewer,
        when=t.date_time(decision.decided_at, violation.timezone),
        seconds=t.seconds(decision.seconds_taken) if decision.seconds_taken is not None else None,
    )


def decided_row(case: Case, reviewer: str, timezone: str, t: Translator) -> DecidedRow:
    """Requires that the reviewer decided the case. `timezone` is that of the time shown."""
    own = next(decision for decision in reversed(case.decisions) if decision.reviewer == reviewer)
    view = decision_view(own, case.violation, t)
    return DecidedRow(
        id=case.violation.id,
        verdict=own.verdict,
        label=view.label,
        plate=view.plate,
        reason=view.reason,
        when=t.time(own.decided_at, timezone),
        seconds=view.seconds,
    )
