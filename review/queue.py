"""The reviewer's home page, and the queue that assigns one case at a time."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from etle.storage.users import AccessEntry
from review.deps import Deps, deps_of
from review.i18n import translator_of
from review.pages import LOCAL_ZONE, Page, error_page
from review.permissions import Permission, Viewer
from review.session import access_entry, require_any
from review.tokens import token_hash
from review.views.decision import decided_row
from review.views.verdict import verdict_views

router = APIRouter()
HOME: Final = Page(template="home.html", nav="home")
RECENT_CASES: Final = 8


@router.get("/")
def home(request: Request, viewer: Annotated[Viewer, Depends(require_any(*Permission))]) -> Response:
    if not viewer.may(Permission.DECIDE):
        return _other_home(request, viewer)
    deps, t, name = deps_of(request), translator_of(request), viewer.user.name
    counts = deps.cases.counts()
    assigned = deps.cases.assigned(name)
    midnight = _last_midnight(deps)
    return HOME.render(
        request,
        viewer,
        counts=counts,
        has_assigned=assigned is not None,
        empty=assigned is None and counts.open == counts.in_review,
        today=deps.cases.tally(name, since=midnight),
        recent=[decided_row(case, name, LOCAL_ZONE, t) for case in deps.cases.decided_by(name, since=midnight, limit=RECENT_CASES)],
        verdicts=verdict_views(t),
    )


def _other_home(request: Request, viewer: Viewer) -> Response:
    """The first page of who decides no cases."""
    if viewer.may(Permission.DRAW):
        t = translator_of(request)
        return error_page(request, viewer, 403, t("home.draw_elsewhere"))
    return RedirectResponse("/cases" if viewer.may(Permission.BROWSE) else "/users", status_code=303)


@router.post("/next")
def take_next(request: Request, viewer: Annotated[Viewer, Depends(require_any(Permission.DECIDE))]) -> Response:
    return redirect_to_next(deps_of(request), viewer)


@router.post("/next/ahead")
def reserve_next(request: Request, viewer: Annotated[Viewer, Depends(require_any(Permission.DECIDE))]) -> Response:
    """Reserves the case that comes after the one on the screen, and names its pictures, for the browser to load them."""
    case = deps_of(request).cases.reserve_next(viewer.user.name, deps_of(request).clock.now())
    pictures = dict.fromkeys(picture.sha256 for picture in case.violation.pictures) if case else ()
    return JSONResponse({"pictures": [f"/cases/{case.violation.id}/evidence/{digest}.jpg" for digest in pictures] if case else []})


def redirect_to_next(deps: Deps, viewer: Viewer, after: UUID | None = None, entries: Sequence[AccessEntry] = ()) -> Response:
    """To the case that the queue assigns; to the home page if there is none.

    `after`: the case decided just before. `entries`: what the viewer did to it, which the access log gets together with the case taken.
    """
    case = None
    try:
        case = deps.cases.take_next(viewer.user.name, deps.clock.now())
    finally:
        taken = [access_entry(deps, viewer, "case_taken", case.violation.id)] if case else []
        if recorded := [*entries, *taken]:
            deps.users.record(*recorded, session=token_hash(viewer.token))
    if case is None:
        return RedirectResponse("/", status_code=303)
    return RedirectResponse(f"/cases/{case.violation.id}" + (f"?after={after}" if after else ""), status_code=303)


def _last_midnight(deps: Deps) -> datetime:
    return deps.clock.now().astimezone(ZoneInfo(LOCAL_ZONE)).replace(hour=0, minute=0, second=0, microsecond=0)
