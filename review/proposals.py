"""What promoted runs of reprocessing propose for decided cases: a page for supervisors."""

from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from etle.types import CaseSummary
from review.browse import CaseRow, case_row
from review.deps import deps_of
from review.i18n import translator_of
from review.pages import Page
from review.permissions import Permission, Viewer
from review.session import record_access, require_any
from review.views.proposal import ProposalView, proposal_view

router = APIRouter()
PROPOSALS: Final = Page(template="proposals.html", nav="proposals")
MAX_SHOWN: Final = 200

Supervisor = Annotated[Viewer, Depends(require_any(Permission.DECIDE_ANY))]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalRow:
    case: CaseRow
    proposal: ProposalView


@router.get("/proposals")
def proposals(request: Request, viewer: Supervisor) -> Response:
    """Those for which the case was not decided again, oldest first."""
    deps, t = deps_of(request), translator_of(request)
    record_access(deps, viewer, "proposals_viewed")
    found = [(each, deps.cases.case(each.violation)) for each in deps.cases.open_proposals(MAX_SHOWN)]
    rows = [
        ProposalRow(case=case_row(CaseSummary.of(case), deps, t), proposal=proposal_view(each, case.violation, t))
        for each, case in found
        if case
    ]
    return PROPOSALS.render(request, viewer, rows=rows)
