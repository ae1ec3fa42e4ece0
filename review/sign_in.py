"""Sign in, sign out, and change the language.

Failed attempts are counted in the access log, so that the waits after them survive a restart and hold for several web hosts together.
Signing in waits for the password's verification without holding one of the threads that answer the pages.
"""

from typing import Annotated, Final
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from etle.storage.users import AccessEntry
from review.deps import Deps, deps_of
from review.i18n import LANGUAGE_COOKIE, Language, translator_of
from review.pages import Page
from review.passwords import PasswordsBusy
from review.session import (
    FORM_COOKIE,
    SESSION_COOKIE,
    SESSION_LIFETIME,
    SignInRequired,
    address_of,
    delete_cookie,
    form_token,
    new_form_token,
    session_token,
    set_cookie,
    viewer_or_none,
)
from review.sign_in_attempts import KNOWN, WINDOW, SignInQueueFull, wait_s
from review.tokens import csrf_token, new_token, token_hash

router = APIRouter()
SIGN_IN: Final = Page(template="sign_in.html")
MAX_NAME_CHARS: Final = 63
LANGUAGE_S: Final = 365 * 24 * 3600
FORM_LIFETIME_S: Final = 3600


class SignInFailed(Exception):
    """The name or the password is wrong."""


class SignInTooSoon(Exception):
    """After failed attempts, the next one has to wait for `retry_after_s`."""

    def __init__(self, retry_after_s: int) -> None:
        self.retry_after_s = retry_after_s


@router.get("/sign-in")
def sign_in_page(request: Request, next: str = "/", expired: bool = False) -> Response:
    if viewer_or_none(request):
        return RedirectResponse(safe_path(next), status_code=303)
    return sign_in_form(request, safe_path(next), message=translator_of(request)("sign_in.expired") if expired else "")


@router.post("/sign-in")
async def sign_in(
    request: Request, name: Annotated[str, Form()], password: Annotated[str, Form(max_length=256)], next: Annotated[str, Form()] = "/"
) -> Response:
    deps, t, address, name = deps_of(request), translator_of(request), address_of(request), name.strip().lower()[:MAX_NAME_CHARS]
    path = safe_path(next)
    try:
        password_hash = await authenticate(deps, name, password, address)
        token = await run_in_threadpool(_open_session, deps, name, password_hash, address, session_token(request))
    except SignInFailed:
        return await run_in_threadpool(sign_in_form, request, path, message=t("sign_in.wrong"), name=name, status=401)
    except SignInTooSoon as soon:
        message = t("sign_in.throttled", seconds=soon.retry_after_s)
        form = await run_in_threadpool(sign_in_form, request, path, message=message, name=name, status=429)
        return _later(form, soon.retry_after_s)
    except (PasswordsBusy, SignInQueueFull) as busy:
        form = await run_in_threadpool(sign_in_form, request, path, message=t("sign_in.busy"), name=name, status=503)
        return _later(form, busy.retry_after_s)
    response = RedirectResponse(path, status_code=303)
    set_cookie(request, response, SESSION_COOKIE, token, int(SESSION_LIFETIME.total_seconds()))
    delete_cookie(request, response, FORM_COOKIE)
    return response


def _open_session(deps: Deps, name: str, password_hash: str, address: str, old_token: str | None) -> str:
    """The token of the new session. The browser's old session ends. Raises SignInFailed if the password was changed just now."""
    token, now = new_token(), deps.clock.now()
    if old_token is not None:
        deps.users.end_session(token_hash(old_token), at=now)
    if not deps.users.open_session(token_hash(token), name, address, now, now + SESSION_LIFETIME, password_hash):
        raise SignInFailed
    _record(deps, name, address, "signed_in", token)
    return token


def _later(response: Response, retry_after_s: int) -> Response:
    response.headers["Retry-After"] = str(retry_after_s)
    return response


@router.post("/sign-out")
def sign_out(request: Request) -> Response:
    viewer = viewer_or_none(request)
    if viewer is None:
        raise SignInRequired(expired=True)
    deps = deps_of(request)
    deps.cases.release(viewer.user.name)
    _record(deps, viewer.user.name, viewer.address, "signed_out", viewer.token)
    deps.users.end_session(token_hash(viewer.token), at=deps.clock.now())
    response = RedirectResponse("/sign-in", status_code=303)
    delete_cookie(request, response, SESSION_COOKIE)
    response.headers["Clear-Site-Data"] = '"cache"'
    return response


@router.post("/language")
def change_language(request: Request, language: Annotated[Language, Form()], back: Annotated[str, Form()] = "/") -> Response:
    response = RedirectResponse(safe_path(back), status_code=303)
    response.set_cookie(LANGUAGE_COOKIE, language, max_age=LANGUAGE_S, httponly=True, samesite="lax", secure=request.url.scheme == "https")
    return response


def sign_in_form(request: Request, next: str, message: str = "", name: str = "", status: int = 200) -> Response:
    """The form, with a cookie that its CSRF token is derived from, so that another site cannot sign a user in."""
    cookie = form_token(request) or new_form_token(request)
    response = SIGN_IN.render(
        request, None, status=status, csrf_token=csrf_token(cookie), next=next, message=message, name=name, back="/sign-in"
    )
    set_cookie(request, response, FORM_COOKIE, cookie, FORM_LIFETIME_S)
    return response


async def authenticate(deps: Deps, name: str, password: str, address: str) -> str:
    """The hash of the password, if it is right. Raises SignInFailed, SignInTooSoon, PasswordsBusy, SignInQueueFull."""
    async with deps.attempts.turn(address):
        try:
            return await _verified(deps, name, password, address)
        except (SignInFailed, SignInTooSoon):
            deps.attempts.failed(address)
            raise


async def _verified(deps: Deps, name: str, password: str, address: str) -> str:
    with deps.attempts.begin(name, address) as pending:
        now = deps.clock.now()
        failures = await run_in_threadpool(deps.users.sign_in_failures, name, address, since=now - WINDOW, known_since=now - KNOWN)
        if wait := wait_s(failures, pending, now):
            await run_in_threadpool(_record, deps, name, address, "sign_in_throttled")
            raise SignInTooSoon(wait)
        parameters = await run_in_threadpool(deps.users.password_parameters, name)
        password_hash = await deps.passwords.hash_like(password, parameters)
        if not await run_in_threadpool(deps.users.password_matches, name, password_hash):
            await run_in_threadpool(_record, deps, name, address, "sign_in_failed")
            raise SignInFailed
        return password_hash


def safe_path(path: str) -> str:
    """`path` if it is a path on this host, else `/`: a redirect must not lead to another site."""
    local = path.startswith("/") and not path.startswith("//") and path.isprintable() and "\\" not in path
    return path if local and not urlsplit(path).netloc else "/"


def _record(deps: Deps, name: str, address: str, action: str, token: str | None = None) -> None:
    entry = AccessEntry(at=deps.clock.now(), who=name, address=address, action=action)
    deps.users.record(entry, session=token_hash(token) if token else None)
