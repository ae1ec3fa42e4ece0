"""How long is left for the steps after a violation: the letter, the owner's confirmation, the blocking of the STNK."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from etle.config.law import Law, OffenceOccurrence
from etle.types import Deadline, DeadlineStep, Verdict
from review.i18n import Translator

SOON: Final = timedelta(hours=24)


class DeadlineUrgency(StrEnum):
    """CSS class of a deadline."""

    OVERDUE = "overdue"
    SOON = "soon"
    LATER = "later"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadlineView:
    step: DeadlineStep
    label: str
    day: str
    """The last day, at the place of the violation."""
    left: str
    urgency: DeadlineUrgency


def deadline_views(violation: OffenceOccurrence, state: Verdict | None, law: Law, now: datetime, t: Translator) -> tuple[DeadlineView, ...]:
    """Of a case that is open or confirmed; a rejected case and a warning have none. `state`: its verdict, None while it is open."""
    return tuple(_view(each, violation, now, t) for each in _deadlines(violation, state, law))


def letter_view(violation: OffenceOccurrence, state: Verdict | None, law: Law, now: datetime, t: Translator) -> DeadlineView | None:
    """When the confirmation letter is due; None if the case needs none."""
    due = next((each for each in _deadlines(violation, state, law) if each.step is DeadlineStep.LETTER), None)
    return _view(due, violation, now, t) if due else None


def _deadlines(violation: OffenceOccurrence, state: Verdict | None, law: Law) -> tuple[Deadline, ...]:
    return law.deadlines(violation) if state in (None, Verdict.CONFIRM) else ()


def _view(deadline: Deadline, violation: OffenceOccurrence, now: datetime, t: Translator) -> DeadlineView:
    return DeadlineView(
        step=deadline.step,
        label=t(f"deadline.{deadline.step}"),
        day=t.date(deadline.ends_at - timedelta(microseconds=1), violation.timezone),
        left=_left(deadline.ends_at - now, t),
        urgency=_urgency(deadline.ends_at - now),
    )


def _urgency(left: timedelta) -> DeadlineUrgency:
    if left <= timedelta():
        return DeadlineUrgency.OVERDUE
    return DeadlineUrgency.SOON if left <= SOON else DeadlineUrgency.LATER


def _left(left: timedelta, t: Translator) -> str:
    """Whole hours, and days from two days on; never more than is left."""
    kind, hours = ("left", left // timedelta(hours=1)) if left > timedelta() else ("over", -left // timedelta(hours=1))
    if hours < 1:
        return t(f"deadline.{kind}_minutes")
    return t(f"deadline.{kind}_hours", hours=hours) if hours < 48 else t(f"deadline.{kind}_days", days=hours // 24, hours=hours % 24)
