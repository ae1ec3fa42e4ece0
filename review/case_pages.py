"""The page of a case: show it, check a typed plate, show its history, and decide it."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Form, HTTPException, Query, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from etle.errors import CaseDecided, CaseTaken
from etle.protocols import LEASE_S
from etle.types import Case, EvidenceRole, ViolationId
from review.decisions import OTHER_REASON, Submission, is_lead, parse_answer, problem_with, record_decision
from review.deps import Deps, deps_of
from review.i18n import Translator, translator_of
from review.pages import LOCAL_ZONE, Page
from review.permissions import Permission, Viewer, may_decide, may_see
from review.queue import redirect_to_next
from review.session import access_entry, check_visible, existing_case, record_access, require_any, visible_case
from review.tokens import sign, token_hash, unsign
from review.typed import TypedText, drop_typed, kept_typed
from review.views.campaign import campaign_views
from review.views.case import case_view, current_plate
from review.views.deadline import deadline_views
from review.views.decision import DecidedRow, decided_row, decision_view
from review.views.plate import PlateCheck, check_plate
from review.views.proposal import ProposalView, proposal_view
from review.views.verdict import verdict_views

router = APIRouter()
CASE: Final = Page(template="case.html")
HISTORY: Final = Page(template="history.html")
LATE: Final = Page(template="late.html")

CaseViewer = Annotated[Viewer, Depends(require_any(Permission.DECIDE, Permission.BROWSE))]
Reviewer = Annotated[Viewer, Depends(require_any(Permission.DECIDE))]


@dataclass(frozen=True, slots=True, kw_only=True)
class FormState:
    """What the verdict form contains when the page is shown again after a submission that was not recorded."""

    message: str = ""
    note: str = ""
    plate: str | None = None
    """As typed; None shows the current plate."""
    plate_check: PlateCheck | None = None
    opened: str | None = None
    """Signed time at which the case was opened first; None: now."""

    @property
    def irregular_plate(self) -> bool:
        return self.plate_check is not None and bool(self.plate_check.text) and not self.plate_check.is_plate


@router.get("/cases/{case_id}")
def show(request: Request, case_id: UUID, viewer: CaseViewer, after: UUID | None = None) -> Response:
    """`after`: the case that the viewer decided just before, which the page links to."""
    deps, typed = deps_of(request), kept_typed(request)
    cases = deps.cases.by_id(*map(ViolationId, filter(None, (case_id, after))))
    case = cases.get(ViolationId(case_id))
    if case is None:
        raise HTTPException(404)
    if typed is not None and not may_see(viewer, case):
        response = _late_page(request, viewer, case, note=typed.note, plate=typed.plate)
    else:
        check_visible(deps, viewer, case)
        _record_view(deps, viewer, case)
        form = FormState() if typed is None else _form_state(typed, case, translator_of(request))
        response = case_page(
            request, viewer, case, previous=_previous(request, viewer, cases.get(ViolationId(after)) if after else None), form=form
        )
    drop_typed(request, response)
    return response


@router.post("/cases/{case_id}/lease")
def renew(request: Request, case_id: UUID, viewer: Reviewer) -> Response:
    """Renews the lease of a page that is in use. 409 with what happened if the case is another reviewer's or decided."""
    deps, t = deps_of(request), translator_of(request)
    case = existing_case(deps, case_id)
    if deps.cases.renew(viewer.user.name, case.violation.id, deps.clock.now()):
        return JSONResponse({"held": True})
    if case.decisions:
        last = decision_view(case.decisions[-1], case.violation, t)
        message = t("late.decided", name=last.reviewer, verdict=last.label, when=last.when)
    else:
        message = t("late.assigned", name=case.assigned_to) if case.assigned_to else t("late.released")
    return JSONResponse({"held": False, "message": message}, 409)


@router.get("/cases/{case_id}/verdict")
def verdict_page(case_id: UUID, viewer: CaseViewer) -> Response:
    """The address of a page that a verdict was not accepted on, when it is loaded again."""
    return RedirectResponse(f"/cases/{case_id}", status_code=303)


@router.get("/cases/{case_id}/plate")
def plate(request: Request, case_id: UUID, viewer: CaseViewer, text: Annotated[str, Query(max_length=40)] = "") -> Response:
    case = visible_case(deps_of(request), viewer, case_id)
    checked = check_plate(text, case.violation, translator_of(request))
    return JSONResponse(
        {
            "formatted": checked.formatted,
            "is_plate": checked.is_plate,
            "region": checked.region,
            "notes": list(checked.notes) if text else [],
        }
    )


@router.get("/cases/{case_id}/history")
def history(request: Request, case_id: UUID, viewer: CaseViewer) -> Response:
    deps = deps_of(request)
    case = visible_case(deps, viewer, case_id)
    record_access(deps, viewer, "history_viewed", case_id)
    entries = deps.users.entries(violation=case_id, limit=200) if viewer.may(Permission.BROWSE) else None
    return HISTORY.render(request, viewer, case=case, view=case_view(case, translator_of(request)), entries=entries)


@router.post("/cases/{case_id}/verdict")
def decide(
    request: Request,
    case_id: UUID,
    viewer: Reviewer,
    answer: Annotated[str, Form()],
    opened: Annotated[str, Form()],
    known_decisions: Annotated[int, Form()],
    plate: Annotated[str, Form(max_length=40)] = "",
    note: Annotated[str, Form()] = "",
    accept_irregular: Annotated[bool, Form()] = False,
) -> Response:
    """`known_decisions`: number of decisions on the page; a case that was decided again since then is shown instead of decided."""
    deps, t = deps_of(request), translator_of(request)
    case = existing_case(deps, case_id)
    opened_at = _opened_at(viewer, case, opened)
    if not may_decide(viewer, case):
        if opened_at is not None:  # the viewer could decide it when the page was sent
            return _late_page(request, viewer, case, note=note, plate=plate)
        record_access(deps, viewer, "denied", case_id, detail="verdict")
        raise HTTPException(403)
    verdict, reason = parse_answer(answer)
    checked = check_plate(plate, case.violation, t)
    submission = Submission(
        verdict=verdict,
        reason=reason,
        plate=checked,
        typed_plate=plate.strip(),
        note=note.strip(),
        accept_irregular=accept_irregular,
    )
    form = FormState(note=note, plate=plate, plate_check=checked, opened=opened)
    if len(case.decisions) == known_decisions and (problem := problem_with(submission, case.violation, t)):
        return case_page(request, viewer, case, status=422, form=replace(form, message=problem))
    try:
        entries = record_decision(deps, viewer, case, submission, known_decisions=known_decisions, opened_at=opened_at)
    except (CaseDecided, CaseTaken):
        return _overtaken_page(request, viewer, existing_case(deps, case_id), form)
    return redirect_to_next(deps, viewer, after=case_id, entries=entries)


def case_page(
    request: Request,
    viewer: Viewer,
    case: Case,
    *,
    status: int = 200,
    previous: DecidedRow | None = None,
    form: FormState = FormState(),
) -> Response:
    deps, t = deps_of(request), translator_of(request)
    view = case_view(case, t)
    roles = [picture.role for picture in view.pictures]
    return CASE.render(
        request,
        viewer,
        status=status,
        case=case,
        view=view,
        counts=deps.cases.counts(),
        can_decide=may_decide(viewer, case),
        active=EvidenceRole.AT if EvidenceRole.AT in roles else next(iter(roles), "clip"),
        verdicts=verdict_views(t),
        other_reason=OTHER_REASON,
        is_lead=is_lead(case.violation),
        form=form,
        opened=form.opened or _signed_now(deps, viewer, case),
        previous=previous,
        campaigns=campaign_views(case.violation, deps.campaigns.campaigns(), t),
        deadlines=deadline_views(case.violation, case.state, deps.law, deps.clock.now(), t),
        proposals=_proposals(deps, viewer, case, t),
        in_hand=_in_hand(deps, viewer, case),
        is_leased=not case.decisions and case.assigned_to == viewer.user.name,
        back=f"/cases/{case.violation.id}",
    )


def _proposals(deps: Deps, viewer: Viewer, case: Case, t: Translator) -> list[ProposalView]:
    """What promoted runs say: of an open case to whoever decides it, of a decided one to those who may decide any case."""
    if case.decisions and not viewer.may(Permission.DECIDE_ANY):
        return []
    return [proposal_view(proposal, case.violation, t) for proposal in deps.cases.proposals(case.violation.id)]


def _in_hand(deps: Deps, viewer: Viewer, case: Case) -> UUID | None:
    """The case that the queue assigned to the viewer, if it is not the one shown: the way back to it."""
    if case.assigned_to == viewer.user.name or not viewer.may(Permission.DECIDE):
        return None
    assigned = deps.cases.assigned(viewer.user.name)
    return assigned.violation.id if assigned else None


def _form_state(typed: TypedText, case: Case, t: Translator) -> FormState:
    """The form as it was before the viewer had to sign in again."""
    changed = typed.plate != current_plate(case)
    return FormState(
        message=t("verdict.kept"),
        note=typed.note,
        plate=typed.plate if changed else None,
        plate_check=check_plate(typed.plate, case.violation, t) if changed else None,
    )


def _overtaken_page(request: Request, viewer: Viewer, case: Case, form: FormState) -> Response:
    """Shows what another request did to the case meanwhile, and keeps what was typed."""
    if not may_decide(viewer, case):
        return _late_page(request, viewer, case, note=form.note, plate=form.plate or "")
    t = translator_of(request)
    message = t("verdict.overtaken", name=case.decisions[-1].reviewer) if case.decisions else t("verdict.taken")
    return case_page(request, viewer, case, status=409, form=replace(form, message=message))


def _late_page(request: Request, viewer: Viewer, case: Case, *, note: str, plate: str) -> Response:
    """For a viewer who had the case on the screen and lost it: who has it or decided it, and what was typed. Shows no evidence."""
    record_access(deps_of(request), viewer, "verdict_late", case.violation.id)
    t = translator_of(request)
    decision = decision_view(case.decisions[-1], case.violation, t) if case.decisions else None
    return LATE.render(request, viewer, status=409, case=case, decision=decision, note=note, plate=plate)


def _previous(request: Request, viewer: Viewer, case: Case | None) -> DecidedRow | None:
    """The case that the viewer decided just before, so that a mistake can be corrected with one key."""
    if case is None or all(decision.reviewer != viewer.user.name for decision in case.decisions):
        return None
    return decided_row(case, viewer.user.name, LOCAL_ZONE, translator_of(request))


def _record_view(deps: Deps, viewer: Viewer, case: Case) -> None:
    """And extend the viewer's lease, if they have one."""
    entry = access_entry(deps, viewer, "case_viewed", case.violation.id)
    if case.assigned_to == viewer.user.name:
        deps.users.record_view(entry, session=token_hash(viewer.token), lease_until=entry.at + timedelta(seconds=LEASE_S))
    else:
        deps.users.record(entry, session=token_hash(viewer.token))


def _signed_now(deps: Deps, viewer: Viewer, case: Case) -> str:
    """The time at which the page was sent, signed, so that the seconds taken cannot be forged."""
    return sign(viewer.token, f"{case.violation.id} {deps.clock.now().isoformat()}")


def _opened_at(viewer: Viewer, case: Case, opened: str) -> datetime | None:
    """When the page was sent; None if the signature does not match this session and case."""
    text = unsign(viewer.token, opened)
    if text is None or not text.startswith(f"{case.violation.id} "):
        return None
    return datetime.fromisoformat(text.partition(" ")[2])
