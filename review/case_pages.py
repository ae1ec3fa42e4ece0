"""The page of a case: show it, check a typed plate, show its history, and decide it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Form, HTTPException, Query, Request
from fastapi.responses import JSONResponse, Response

from etle.errors import CaseTaken
from etle.types import Case, EvidenceRole, ViolationId
from review.decisions import OTHER_REASON, Submission, parse_answer, problem_with, record_decision
from review.deps import Deps, deps_of
from review.i18n import translator_of
from review.pages import LOCAL_ZONE, Page
from review.permissions import Permission, Viewer, may_decide
from review.queue import redirect_to_next
from review.session import record_access, require_any, visible_case
from review.tokens import sign, unsign
from review.views.case import case_view
from review.views.decision import DecidedRow, decided_row
from review.views.plate import PlateCheck, check_plate
from review.views.verdict import verdict_views

router = APIRouter()
CASE: Final = Page(template="case.html")
HISTORY: Final = Page(template="history.html")

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
    deps = deps_of(request)
    case = visible_case(deps, viewer, case_id)
    record_access(deps, viewer, "case_viewed", case_id)
    return case_page(request, viewer, case, previous=_previous(request, viewer, after))


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
    case = visible_case(deps, viewer, case_id)
    if not may_decide(viewer, case):
        record_access(deps, viewer, "denied", case_id, detail="verdict")
        raise HTTPException(403)
    verdict, reason = parse_answer(answer)
    checked = check_plate(plate, case.violation, t)
    submission = Submission(verdict=verdict, reason=reason, plate=checked, note=note.strip(), accept_irregular=accept_irregular)
    if len(case.decisions) != known_decisions:
        message = t("verdict.overtaken", name=case.decisions[-1].reviewer)
        return case_page(request, viewer, case, status=409, form=FormState(message=message))
    problem = problem_with(submission, t)
    if problem:
        form = FormState(message=problem, note=note, plate=plate, plate_check=checked, opened=opened)
        return case_page(request, viewer, case, status=422, form=form)
    try:
        record_decision(deps, viewer, case, submission, _opened_at(viewer, case, opened))
    except CaseTaken:
        return case_page(request, viewer, case, status=409, form=FormState(message=t("verdict.taken")))
    return redirect_to_next(deps, viewer, after=case_id)


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
        form=form,
        opened=form.opened or _signed_now(deps, viewer, case),
        previous=previous,
        back=f"/cases/{case.violation.id}",
    )


def _previous(request: Request, viewer: Viewer, after: UUID | None) -> DecidedRow | None:
    """The case that the viewer decided just before, so that a mistake can be corrected with one key."""
    case = deps_of(request).cases.case(ViolationId(after)) if after else None
    if case is None or all(decision.reviewer != viewer.user.name for decision in case.decisions):
        return None
    return decided_row(case, viewer.user.name, LOCAL_ZONE, translator_of(request))


def _signed_now(deps: Deps, viewer: Viewer, case: Case) -> str:
    """The time at which the page was sent, signed, so that the seconds taken cannot be forged."""
    return sign(viewer.token, f"{case.violation.id} {deps.clock.now().isoformat()}")


def _opened_at(viewer: Viewer, case: Case, opened: str) -> datetime | None:
    """When the page was sent; None if the signature does not match this session and case."""
    text = unsign(viewer.token, opened)
    if text is None or not text.startswith(f"{case.violation.id} "):
        return None
    return datetime.fromisoformat(text.partition(" ")[2])
