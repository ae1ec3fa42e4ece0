"""Sessions by cookie, CSRF protection, permission checks as FastAPI dependencies, and the access log."""

import hmac
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Final
from uuid import UUID

from fastapi import Depends, HTTPException, Request

from etle.storage.users import AccessEntry
from etle.types import Case, ViolationId
from review.deps import Deps, deps_of
from review.permissions import Permission, Viewer, may_see
from review.tokens import csrf_token, token_hash

SESSION_COOKIE: Final = "etle_session"
FORM_COOKIE: Final = "etle_form"
"""Random token of a browser without a session, so that the sign-in form has a CSRF token as well."""
CSRF_FIELD: Final = "csrf"
SESSION_LIFETIME: Final = timedelta(hours=10)
"""One shift. After it, or after `IDLE_TIMEOUT` without a request, the user has to sign in again."""
IDLE_TIMEOUT: Final = timedelta(hours=1)


class SignInRequired(Exception):
    """The request has no valid session. `expired`: it carried a session cookie that is no longer valid."""

    def __init__(self, expired: bool) -> None:
        self.expired = expired


def address_of(request: Request) -> str:
    return request.client.host if request.client else "unknown"


def viewer_or_none(request: Request) -> Viewer | None:
    token = request.cookies.get(SESSION_COOKIE)
    if not token:
        return None
    deps = deps_of(request)
    user = deps.users.signed_in(token_hash(token), at=deps.clock.now(), idle=IDLE_TIMEOUT)
    return Viewer(user=user, token=token, address=address_of(request)) if user else None


def signed_in_viewer(request: Request) -> Viewer:
    viewer = viewer_or_none(request)
    if viewer is None:
        raise SignInRequired(expired=SESSION_COOKIE in request.cookies)
    return viewer


def require_any(*permissions: Permission) -> Callable[..., Viewer]:
    """A dependency that returns the viewer if they have one of the permissions; else it records the denial and answers 403."""

    def check(request: Request, viewer: Annotated[Viewer, Depends(signed_in_viewer)]) -> Viewer:
        if any(viewer.may(permission) for permission in permissions):
            return viewer
        record_access(deps_of(request), viewer, "denied", detail=request.url.path)
        raise HTTPException(403)

    return check


async def check_csrf(request: Request) -> None:
    """Reject a request that changes something unless its form carries the CSRF token of the session, or of the sign-in form."""
    if request.method in ("GET", "HEAD"):
        return
    cookie = request.cookies.get(SESSION_COOKIE) or request.cookies.get(FORM_COOKIE)
    form = await request.form()
    submitted = form.get(CSRF_FIELD)
    if not cookie or not isinstance(submitted, str) or not hmac.compare_digest(submitted.encode(), csrf_token(cookie).encode()):
        raise HTTPException(403, "csrf")


def record_access(deps: Deps, viewer: Viewer, action: str, violation: UUID | None = None, detail: str = "") -> None:
    """Add an entry to the access log. Call it before answering: what cannot be recorded is not shown."""
    deps.users.record(
        AccessEntry(at=deps.clock.now(), who=viewer.user.name, address=viewer.address, action=action, violation=violation, detail=detail)
    )


def existing_case(deps: Deps, case_id: UUID) -> Case:
    """Answers 404 if there is no such case. Does not check who may see it."""
    case = deps.cases.case(ViolationId(case_id))
    if case is None:
        raise HTTPException(404)
    return case


def visible_case(deps: Deps, viewer: Viewer, case_id: UUID) -> Case:
    """Answers 404 if there is no such case, and 403, recorded, if the viewer may not see it."""
    case = existing_case(deps, case_id)
    if not may_see(viewer, case):
        record_access(deps, viewer, "denied", case_id)
        raise HTTPException(403)
    return case
