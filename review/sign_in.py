"""Sign in, sign out, and change the language.

Failed attempts are limited per account and address, per account, and per address. They are counted in the access log, so that the
limits survive a restart and hold for several web hosts together.
"""

from datetime import timedelta
from typing import Annotated, Final
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from etle.storage.users import AccessEntry
from review.deps import Deps, deps_of
from review.i18n import LANGUAGE_COOKIE, Language, translator_of
from review.pages import Page
from review.session import FORM_COOKIE, SESSION_COOKIE, SESSION_LIFETIME, SignInRequired, address_of, viewer_or_none
from review.tokens import csrf_token, new_token, token_hash

router = APIRouter()
SIGN_IN: Final = Page(template="sign_in.html")

WINDOW: Final = timedelta(minutes=15)
"""Time over which failed attempts are counted."""
MAX_FAILURES: Final = 5
"""For one account from one address."""
MAX_FAILURES_OF_ACCOUNT: Final = 50
"""For one account from all addresses: more than a person mistypes, less than an attack with a list of passwords needs."""
MAX_FAILURES_OF_ADDRESS: Final = 100
"""From one address for all accounts: a whole office may share one address."""
MAX_NAME_CHARS: Final = 63


@router.get("/sign-in")
def sign_in_page(request: Request, next: str = "/", expired: bool = False) -> Response:
    if viewer_or_none(request):
        return RedirectResponse(safe_path(next), status_code=303)
    return sign_in_form(request, safe_path(next), message=translator_of(request)("sign_in.expired") if expired else "")


@router.post("/sign-in")
def sign_in(
    request: Request, name: Annotated[str, Form()], password: Annotated[str, Form(max_length=256)], next: Annotated[str, Form()] = "/"
) -> Response:
    deps, t, address, name = deps_of(request), translator_of(request), address_of(request), name.strip().lower()[:MAX_NAME_CHARS]
    match authenticate(deps, name, password, address):
        case "sign_in_throttled":
            message = t("sign_in.throttled", minutes=int(WINDOW.total_seconds() // 60))
            return sign_in_form(request, safe_path(next), message=message, name=name, status=429)
        case "sign_in_failed":
            return sign_in_form(request, safe_path(next), message=t("sign_in.wrong"), name=name, status=401)
    token, now = new_token(), deps.clock.now()
    deps.users.open_session(token_hash(token), name, address, at=now, expires_at=now + SESSION_LIFETIME)
    response = RedirectResponse(safe_path(next), status_code=303)
    _set_cookie(request, response, SESSION_COOKIE, token, int(SESSION_LIFETIME.total_seconds()))
    response.delete_cookie(FORM_COOKIE)
    return response


@router.post("/sign-out")
def sign_out(request: Request) -> Response:
    viewer = viewer_or_none(request)
    if viewer is None:
        raise SignInRequired(expired=True)
    deps = deps_of(request)
    deps.cases.release(viewer.user.name)
    deps.users.end_session(token_hash(viewer.token), at=deps.clock.now())
    _record(deps, viewer.user.name, viewer.address, "signed_out")
    response = RedirectResponse("/sign-in", status_code=303)
    response.delete_cookie(SESSION_COOKIE)
    response.headers["Clear-Site-Data"] = '"cache"'
    return response


@router.post("/language")
def change_language(request: Request, language: Annotated[Language, Form()], back: Annotated[str, Form()] = "/") -> Response:
    response = RedirectResponse(safe_path(back), status_code=303)
    _set_cookie(request, response, LANGUAGE_COOKIE, language, 365 * 24 * 3600)
    return response


def sign_in_form(request: Request, next: str, message: str = "", name: str = "", status: int = 200) -> Response:
    """The form, with a cookie that its CSRF token is derived from, so that another site cannot sign a user in."""
    cookie = request.cookies.get(SESSION_COOKIE) or request.cookies.get(FORM_COOKIE) or new_token()
    response = SIGN_IN.render(
        request, None, status=status, csrf_token=csrf_token(cookie), next=next, message=message, name=name, back="/sign-in"
    )
    if not request.cookies.get(SESSION_COOKIE) and not request.cookies.get(FORM_COOKIE):
        _set_cookie(request, response, FORM_COOKIE, cookie, 3600)
    return response


def authenticate(deps: Deps, name: str, password: str, address: str) -> str:
    """Outcome of the attempt, which is also the action recorded in the access log.

    One attempt at a time, so that parallel guesses are counted before the next one is checked.
    """
    with deps.passwords.lock:
        if throttled(deps, name, address):
            outcome = "sign_in_throttled"
        elif deps.passwords.verify(password, deps.users.password_hash(name)):
            outcome = "signed_in"
        else:
            outcome = "sign_in_failed"
        _record(deps, name, address, outcome)
    return outcome


def throttled(deps: Deps, name: str, address: str) -> bool:
    since = deps.clock.now() - WINDOW
    failures = deps.users.failures
    return (
        failures(since, who=name, address=address) >= MAX_FAILURES
        or failures(since, who=name) >= MAX_FAILURES_OF_ACCOUNT
        or failures(since, address=address) >= MAX_FAILURES_OF_ADDRESS
    )


def safe_path(path: str) -> str:
    """`path` if it is a path on this host, else `/`: a redirect must not lead to another site."""
    local = path.startswith("/") and not path.startswith("//") and path.isprintable() and "\\" not in path
    return path if local and not urlsplit(path).netloc else "/"


def _record(deps: Deps, name: str, address: str, action: str) -> None:
    deps.users.record(AccessEntry(at=deps.clock.now(), who=name, address=address, action=action))


def _set_cookie(request: Request, response: Response, name: str, value: str, seconds: int) -> None:
    response.set_cookie(name, value, max_age=seconds, httponly=True, samesite="lax", secure=request.url.scheme == "https", path="/")
