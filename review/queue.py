"""The reviewer's way: take a case, look, decide, and the next one is there."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Form, HTTPException, Query, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from etle.errors import CaseTaken
from etle.types import Case, Decision, EvidenceRole, Lamp, Verdict, ViolationId
from review.access import Right, Viewer, allow, record, seal, unseal, wording_of
from review.deps import Deps, desk_of
from review.i18n import Wording
from review.pages import LOCAL_ZONE, Page
from review.permissions import case_in_sight, may_decide
from review.views.case import REASONS, ClipView, PlateCheck, check_plate, decision_view, view_of

router = APIRouter()
HOME: Final = Page(template="home.html", here="home")
CASE: Final = Page(template="case.html")
HISTORY: Final = Page(template="history.html")
LONGEST_NOTE: Final = 500
RECENT: Final = 8

Reviewer = Annotated[Viewer, Depends(allow(Right.DECIDE))]
Looker = Annotated[Viewer, Depends(allow(Right.DECIDE, Right.BROWSE))]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRow:
    """One line about a verdict."""

    id: UUID
    verdict: Verdict
    label: str
    plate: str
    reason: str | None
    when: str
    seconds: str | None


@router.get("/")
def home(request: Request, who: Annotated[Viewer, Depends(allow(*Right))]) -> Response:
    if not who.may(Right.DECIDE):
        return RedirectResponse("/cases" if who.may(Right.BROWSE) else "/users", status_code=303)
    desk, words = desk_of(request), wording_of(request)
    counts = desk.cases.counts()
    mine = desk.cases.assigned(who.user.name)
    recent = desk.cases.decided_by(who.user.name, since=_midnight(desk), limit=RECENT)
    return HOME.answer(
        request,
        who,
        counts=counts,
        mine=mine is not None,
        empty=mine is None and counts.open == counts.in_review,
        today=desk.cases.tally(who.user.name, since=_midnight(desk)),
        recent=[row_of(case, who.user.name, words) for case in recent],
    )


@router.post("/next")
def take_next(request: Request, who: Reviewer) -> Response:
    return _next(desk_of(request), who)


@router.get("/cases/{case_id}")
def show(request: Request, case_id: UUID, who: Looker, after: UUID | None = None) -> Response:
    desk = desk_of(request)
    case = case_in_sight(desk, who, case_id)
    record(desk, who, "case_viewed", case_id)
    return _page(request, who, case, previous=_previous(desk, who, after, wording_of(request)))


@router.get("/cases/{case_id}/plate")
def plate(request: Request, case_id: UUID, who: Looker, text: Annotated[str, Query(max_length=40)] = "") -> Response:
    checked = check_plate(text, case_in_sight(desk_of(request), who, case_id).violation, wording_of(request))
    return JSONResponse(
        {
            "formatted": checked.formatted,
            "is_plate": checked.is_plate,
            "region": checked.region,
            "notes": list(checked.notes) if text else [],
        }
    )


@router.get("/cases/{case_id}/history")
def history(request: Request, case_id: UUID, who: Looker) -> Response:
    desk = desk_of(request)
    case = case_in_sight(desk, who, case_id)
    record(desk, who, "history_viewed", case_id)
    entries = desk.users.entries(violation=case_id, limit=200) if who.may(Right.BROWSE) else None
    return HISTORY.answer(request, who, case=case, view=view_of(case, wording_of(request)), entries=entries)


@router.post("/cases/{case_id}/verdict")
def decide(
    request: Request,
    case_id: UUID,
    who: Reviewer,
    answer: Annotated[str, Form()],
    opened: Annotated[str, Form()],
    seen: Annotated[int, Form()],
    plate: Annotated[str, Form(max_length=40)] = "",
    note: Annotated[str, Form()] = "",
    keep_odd: Annotated[str, Form()] = "",
) -> Response:
    desk, words = desk_of(request), wording_of(request)
    case = case_in_sight(desk, who, case_id)
    if not may_decide(who, case):
        record(desk, who, "denied", case_id, detail="verdict")
        raise HTTPException(403)
    verdict, reason = read_answer(answer)
    seconds = _seconds_since(desk, who, case_id, opened)
    checked = check_plate(plate, case.violation, words)
    if len(case.decisions) != seen:
        return _page(request, who, case, message=words("verdict.overtaken", name=case.decisions[-1].reviewer), status=409)
    fault = fault_of(verdict, reason, checked, note.strip(), keep_odd == "yes", words)
    if fault:
        return _page(request, who, case, message=fault, status=422, opened=opened, plate_typed=plate, plate_check=checked, note=note)
    decision = Decision(
        violation=ViolationId(case_id),
        verdict=verdict,
        reason=reason,
        plate_text=checked.text or None,
        note=note.strip(),
        reviewer=who.user.name,
        decided_at=desk.clock.now(),
        seconds_taken=seconds,
    )
    if decision.plate_text != case.violation.plate.text:
        record(desk, who, "plate_edited", case_id, detail=f"{case.violation.plate.text or '-'} > {decision.plate_text or '-'}")
    if case.assigned_to and case.assigned_to != who.user.name:
        desk.cases.release(case.assigned_to)  # a supervisor's verdict takes it off the reviewer's screen
    try:
        desk.cases.decide(decision)
    except CaseTaken:
        return _page(request, who, case, message=words("verdict.taken"), status=409)
    if desk.metrics:
        desk.metrics.decision(verdict, seconds)
    record(desk, who, "decided", case_id, detail=" ".join(filter(None, (verdict, reason))))
    return _next(desk, who, after=case_id)


def read_answer(answer: str) -> tuple[Verdict, str | None]:
    """`confirm`, `warn`, or `reject` and a reason's code: one button says all. Anything else is no answer of our page."""
    word, _, reason = answer.partition(" ")
    if word not in tuple(Verdict) or (reason and (word != Verdict.REJECT or reason not in REASONS)):
        raise HTTPException(400)
    return Verdict(word), reason or None


def fault_of(verdict: Verdict, reason: str | None, plate: PlateCheck, note: str, keep_odd: bool, words: Wording) -> str | None:
    """What is missing, in words; None if the verdict can stand. Who rejects need not mend the plate."""
    if len(note) > LONGEST_NOTE:
        return words("verdict.note_long", most=LONGEST_NOTE)
    if verdict is Verdict.REJECT:
        if reason is None:
            return words("verdict.reason_missing")
        return words("verdict.note_missing") if reason == "other" and not note else None
    if not plate.text:
        return words("plate.missing")
    return None if plate.is_plate or keep_odd else words("plate.bad_shape")


def row_of(case: Case, reviewer: str, words: Wording) -> QueueRow:
    """About this reviewer's last verdict on it."""
    own = next(decision for decision in reversed(case.decisions) if decision.reviewer == reviewer)
    shown = decision_view(own, case.violation, words)
    return QueueRow(
        id=case.violation.id,
        verdict=own.verdict,
        label=shown.label,
        plate=shown.plate,
        reason=shown.reason,
        when=words.time(own.decided_at, LOCAL_ZONE),
        seconds=shown.seconds,
    )


def _next(desk: Deps, who: Viewer, after: UUID | None = None) -> Response:
    """On to the case that the queue gives; to the first page where there is none."""
    case = desk.cases.take_next(who.user.name, desk.clock.now())
    if case is None:
        return RedirectResponse("/", status_code=303)
    record(desk, who, "case_taken", case.violation.id)
    return RedirectResponse(f"/cases/{case.violation.id}" + (f"?after={after}" if after else ""), status_code=303)


def _previous(desk: Deps, who: Viewer, after: UUID | None, words: Wording) -> QueueRow | None:
    """The case decided just before, so that a slip is one key away from its correction."""
    case = desk.cases.case(ViolationId(after)) if after else None
    if case is None or all(decision.reviewer != who.user.name for decision in case.decisions):
        return None
    return row_of(case, who.user.name, words)


def _page(request: Request, who: Viewer, case: Case, status: int = 200, previous: QueueRow | None = None, **typed: object) -> Response:
    desk, words = desk_of(request), wording_of(request)
    view = view_of(case, words)
    roles = [picture.role for picture in view.pictures]
    values: dict[str, object] = {
        "case": case,
        "view": view,
        "counts": desk.cases.counts(),
        "can_decide": may_decide(who, case),
        "active": EvidenceRole.AT if EvidenceRole.AT in roles else next(iter(roles), "clip"),
        "clip_json": _film(view.clip, words) if view.clip else None,
        "reasons": REASONS,
        "opened": seal(who.token, f"{case.violation.id} {desk.clock.now().isoformat()}"),
        "previous": previous,
        "message": "",
        "note": "",
        "plate_typed": None,
        "plate_check": None,
        "back": f"/cases/{case.violation.id}",
    }
    checked = typed.get("plate_check")
    values["odd_plate"] = isinstance(checked, PlateCheck) and bool(checked.text) and not checked.is_plate
    return CASE.answer(request, who, status=status, **(values | typed))


def _film(clip: ClipView, words: Wording) -> str:
    """What the page draws over the clip while it plays, for its script."""
    return json.dumps(
        {
            "length": clip.duration_s,
            "occurred": clip.occurred_s,
            "step": clip.step_s,
            "path": clip.path,
            "lamps": clip.lamps,
            "words": {str(lamp): words(f"lamp.{lamp}") for lamp in Lamp},
            "unit": words("home.seconds", seconds="").strip(),
        }
    )


def _seconds_since(desk: Deps, who: Viewer, case_id: UUID, opened: str) -> float | None:
    """From the page's answer to the verdict; None where the form does not prove when that was."""
    text = unseal(who.token, opened)
    if text is None or not text.startswith(f"{case_id} "):
        return None
    return round((desk.clock.now() - datetime.fromisoformat(text.partition(" ")[2])).total_seconds(), 2)


def _midnight(desk: Deps) -> datetime:
    return desk.clock.now().astimezone(ZoneInfo(LOCAL_ZONE)).replace(hour=0, minute=0, second=0, microsecond=0)
