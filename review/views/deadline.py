"""How long is left for the steps after a violation: the letter, the owner's confirmation, the blocking of the STNK."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from etle.config.law import Law
from etle.types import Case, DeadlineStep, Verdict
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


def deadline_views(case: Case, law: Law, now: datetime, t: Translator) -> tuple[DeadlineView, ...]:
    """Of a case that is open or confirmed; a rejected case and a warning have none."""
    if case.state not in (None, Verdict.CONFIRM):
        return ()
    return tuple(
        DeadlineView(
            step=each.step,
            label=t(f"deadline.{each.step}"),
            day=t.date(each.ends_at - timedelta(microseconds=1), case.violation.timezone),
            left=_left(each.ends_at - now, t),
            urgency=_urgency(each.ends_at - now),
        )
        for each in law.deadlines(case.violation)
    )


def letter_view(case: Case, law: Law, now: datetime, t: Translator) -> DeadlineView | None:
    """When the confirmation letter is due; None if the case needs none."""
    return next((each for each in deadline_views(case, law, now, t) if each.step is DeadlineStep.LETTER), None)


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
