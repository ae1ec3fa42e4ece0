"""Validates what a reviewer submitted about a case and records the decision."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from fastapi import HTTPException

from etle.storage.users import AccessEntry
from etle.types import LEAD_MARK, Case, Decision, Verdict, Violation
from review.deps import Deps
from review.i18n import Translator
from review.permissions import Permission, Viewer
from review.session import access_entry
from review.tokens import token_hash
from review.views.plate import PlateCheck

REASONS: Final[Mapping[str, tuple[str, ...]]] = {
    Verdict.REJECT: ("wrong_plate", "no_violation", "unclear_picture", "emergency_vehicle", "signal_fault", "other"),
}
"""Reason codes to choose from, by verdict, in the order of their number keys. A verdict that is not listed needs a plate instead."""
OTHER_REASON: Final = "other"
"""The reason that needs a note."""
MAX_NOTE_CHARS: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """The verdict form as the reviewer sent it."""

    verdict: Verdict
    reason: str | None
    plate: PlateCheck
    typed_plate: str
    """As typed, without spaces around it. A text without any letter or digit is a mistake, not an unreadable plate."""
    note: str
    accept_irregular: bool
    """Keep a plate text that does not match the grammar."""


def parse_answer(answer: str) -> tuple[Verdict, str | None]:
    """`VERDICT` or `VERDICT REASON`, the value of the button that was pressed. Anything else did not come from our page: 400."""
    word, _, reason = answer.partition(" ")
    if word not in tuple(Verdict) or (reason and reason not in REASONS.get(word, ())):
        raise HTTPException(400)
    return Verdict(word), reason or None


def is_lead(violation: Violation) -> bool:
    """Whether the camera saw a hint only: a verdict against the driver then says in its note what proves the offence."""
    return LEAD_MARK in violation.marks


def problem_with(submission: Submission, violation: Violation, t: Translator) -> str | None:
    """What is missing, as a text for the reviewer; None if the decision can be recorded."""
    if len(submission.note) > MAX_NOTE_CHARS:
        return t("verdict.note_long", most=MAX_NOTE_CHARS)
    if submission.typed_plate and not submission.plate.text:
        return t("plate.unusable")
    if submission.verdict in REASONS:
        if submission.reason is None:
            return t("verdict.reason_missing")
        return t("verdict.note_missing") if submission.reason == OTHER_REASON and not submission.note else None
    if not submission.plate.text:
        return t("plate.missing")
    if is_lead(violation) and not submission.note:
        return t("verdict.lead_unproven")
    return None if submission.plate.is_plate or submission.accept_irregular else t("plate.bad_shape")


def record_decision(
    deps: Deps, viewer: Viewer, case: Case, submission: Submission, *, known_decisions: int, opened_at: datetime | None
) -> tuple[AccessEntry, ...]:
    """Add the decision to the case, with the seconds since the viewer opened it if known. Returns the entries for the access log.

    `known_decisions`: number of decisions on the page that the viewer decided on; the store checks it under the lock of the case.
    Raises CaseTaken if another reviewer has the case, CaseDecided if it was decided since the page was sent.
    """
    violation, now = case.violation, deps.clock.now()
    seconds = None if opened_at is None else round((now - opened_at).total_seconds(), 2)
    plate_text = submission.plate.text or None
    deps.cases.decide(
        Decision(
            violation=violation.id,
            verdict=submission.verdict,
            reason=submission.reason,
            plate_text=plate_text,
            note=submission.note,
            reviewer=viewer.user.name,
            decided_at=now,
            seconds_taken=seconds,
        ),
        known_decisions=known_decisions,
        session=token_hash(viewer.token),
        any_lease=viewer.may(Permission.DECIDE_ANY),  # a supervisor's decision takes the case from the reviewer who has it
    )
    if deps.metrics:
        deps.metrics.decision(submission.verdict, seconds)
    decided = access_entry(deps, viewer, "decided", violation.id, " ".join(filter(None, (submission.verdict, submission.reason))))
    if plate_text == violation.plate.text:
        return (decided,)
    edited = f"{violation.plate.text or '-'} > {plate_text or '-'}"
    return access_entry(deps, viewer, "plate_edited", violation.id, edited), decided
