"""Sessions by cookie, CSRF protection, permission checks as FastAPI dependencies, and the access log."""

from collections.abc import Callable
from datetime import timedelta
from typing import Final
from uuid import UUID

from fastapi import HTTPException, Request, Response

from etle.storage.users import AccessEntry
from etle.types import Case, ViolationId
from review.deps import Deps, deps_of
from review.permissions import Permission, Viewer, may_see
from review.tokens import is_csrf_token, new_token, sign, token_hash, unsign

SESSION_COOKIE: Final = "etle_session"
FORM_COOKIE: Final = "etle_form"
"""Random token of a browser without a session, so that the sign-in form has a CSRF token as well. Signed with the secret of the deployment:
nobody else can make one."""
SIGN_IN_PATH: Final = "/sign-in"
"""Its form takes no token of a session: the cookie of an old session may be somebody else's."""
FORMS_WITHOUT_SESSION: Final = frozenset({SIGN_IN_PATH, "/language"})
CSRF_FIELD: Final = "csrf"
SESSION_LIFETIME: Final = timedelta(hours=10)
"""One shift. After it, or after `IDLE_TIMEOUT` without a request, the user has to sign in again."""
IDLE_TIMEOUT: Final = timedelta(hours=1)


class SignInRequired(Exception):
    """The request has no valid session. `expired`: it carried a session cookie that is no longer valid."""

    def __init__(self, expired: bool) -> None:
        self.expired = expired


def cookie_name(request: Request, name: str) -> str:
    """Over HTTPS with the prefix that browsers accept from this host only: no other host of the domain, and nobody on an unencrypted
    connection, can plant such a cookie."""
    return f"__Host-{name}" if request.url.scheme == "https" else name


def session_token(request: Request) -> str | None:
    return request.cookies.get(cookie_name(request, SESSION_COOKIE)) or None


def form_token(request: Request) -> str | None:
    """The token of the sign-in form's cookie; None without one, or if this deployment did not sign it."""
    cookie = request.cookies.get(cookie_name(request, FORM_COOKIE), "")
    return cookie if unsign(deps_of(request).secret.hex(), cookie) is not None else None


def new_form_token(request: Request) -> str:
    return sign(deps_of(request).secret.hex(), new_token())


def set_cookie(request: Request, response: Response, name: str, value: str, seconds: int, path: str = "/") -> None:
    secure = request.url.scheme == "https"
    full_name = cookie_name(request, name) if path == "/" else name
    response.set_cookie(full_name, value, max_age=seconds, httponly=True, samesite="lax", secure=secure, path=path)


def delete_cookie(request: Request, response: Response, name: str) -> None:
    response.delete_cookie(cookie_name(request, name), secure=request.url.scheme == "https", httponly=True, samesite="lax")


def address_of(request: Request) -> str:
    return request.client.host if request.client else "unknown"


def viewer_or_none(request: Request) -> Viewer | None:
    token = session_token(request)
    if token is None:
        return None
    deps = deps_of(request)
    user = deps.users.signed_in(token_hash(token), at=deps.clock.now(), idle=IDLE_TIMEOUT)
    return Viewer(user=user, token=token, address=address_of(request)) if user else None


def signed_in_viewer(request: Request) -> Viewer:
    viewer = viewer_or_none(request)
    if viewer is None:
        raise SignInRequired(expired=session_token(request) is not None)
    return viewer


def require_any(*permissions: Permission) -> Callable[..., Viewer]:
    """A dependency that returns the viewer if they have one of the permissions; else it records the denial and answers 403."""

    def check(request: Request) -> Viewer:
        viewer = signed_in_viewer(request)
        if any(viewer.may(permission) for permission in permissions):
            return viewer
        record_access(deps_of(request), viewer, "denied", detail=request.url.path)
        raise HTTPException(403)

    return check


async def check_csrf(request: Request) -> None:
    """Reject a request that changes something unless its form carries the CSRF token of the session, or of the sign-in form."""
    if request.method in ("GET", "HEAD"):
        return
    if session_token(request) is None and request.url.path not in FORMS_WITHOUT_SESSION:
        raise SignInRequired(expired=True)  # the browser has dropped the cookie of an expired session
    form = await request.form()
    submitted = form.get(CSRF_FIELD)
    tokens = (form_token(request), None if request.url.path == SIGN_IN_PATH else session_token(request))
    if not isinstance(submitted, str) or not any(token and is_csrf_token(token, submitted) for token in tokens):
        raise HTTPException(403, "csrf")


def record_access(deps: Deps, viewer: Viewer, action: str, violation: UUID | None = None, detail: str = "") -> None:
    """Add an entry to the access log. Call it before answering: what cannot be recorded is not shown."""
    deps.users.record(access_entry(deps, viewer, action, violation, detail), session=token_hash(viewer.token))


def access_entry(deps: Deps, viewer: Viewer, action: str, violation: UUID | None = None, detail: str = "") -> AccessEntry:
    return AccessEntry(at=deps.clock.now(), who=viewer.user.name, address=viewer.address, action=action, violation=violation, detail=detail)


def existing_case(deps: Deps, case_id: UUID) -> Case:
    """Answers 404 if there is no such case. Does not check who may see it."""
    case = deps.cases.case(ViolationId(case_id))
    if case is None:
        raise HTTPException(404)
    return case


def visible_case(deps: Deps, viewer: Viewer, case_id: UUID) -> Case:
    """Answers 404 if there is no such case, and 403, recorded, if the viewer may not see it."""
    case = existing_case(deps, case_id)
    check_visible(deps, viewer, case)
    return case


def check_visible(deps: Deps, viewer: Viewer, case: Case) -> None:
    """Answers 403, recorded, if the viewer may not see the case."""
    if not may_see(viewer, case):
        record_access(deps, viewer, "denied", case.violation.id)
        raise HTTPException(403)
