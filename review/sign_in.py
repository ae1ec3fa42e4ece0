"""In and out, and the language.

Guesses are held back per account from one address, per account from anywhere, and per address whatever the account. What counts
is in the access log, so that a restart forgets nothing and several web hosts count together.
"""

from datetime import timedelta
from typing import Annotated, Final
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from etle.storage.users import AccessEntry
from review.access import (
    FORM_COOKIE,
    LANGUAGE_COOKIE,
    SESSION_COOKIE,
    SESSION_LASTS,
    SignInNeeded,
    address_of,
    form_token,
    new_token,
    token_hash,
    visitor_or_none,
    wording_of,
)
from review.deps import Deps, desk_of
from review.i18n import Language
from review.pages import Page

router = APIRouter()
SIGN_IN: Final = Page(template="sign_in.html")

WINDOW: Final = timedelta(minutes=15)
MOST_FROM_ONE_ADDRESS: Final = 5
"""Failures for one account from one address within `WINDOW`."""
MOST_FOR_ACCOUNT: Final = 50
"""From anywhere: above a person's slips, below what a list of passwords needs."""
MOST_FROM_ADDRESS: Final = 100
"""Whatever the account: a whole office may stand behind one address."""
SHORTENED: Final = 63


@router.get("/sign-in")
def sign_in_page(request: Request, next: str = "/", expired: bool = False) -> Response:
    if visitor_or_none(request):
        return RedirectResponse(safe_path(next), status_code=303)
    words = wording_of(request)
    return ask(request, safe_path(next), message=words("sign_in.expired") if expired else "")


@router.post("/sign-in")
def sign_in(
    request: Request, name: Annotated[str, Form()], password: Annotated[str, Form(max_length=256)], next: Annotated[str, Form()] = "/"
) -> Response:
    desk, words, address, typed = desk_of(request), wording_of(request), address_of(request), name.strip().lower()[:SHORTENED]
    match examine(desk, typed, password, address):
        case "sign_in_throttled":
            text = words("sign_in.throttled", minutes=int(WINDOW.total_seconds() // 60))
            return ask(request, safe_path(next), message=text, name=typed, status=429)
        case "sign_in_failed":
            return ask(request, safe_path(next), message=words("sign_in.wrong"), name=typed, status=401)
    token = new_token()
    now = desk.clock.now()
    desk.users.open_session(token_hash(token), typed, address, at=now, expires_at=now + SESSION_LASTS)
    answer = RedirectResponse(safe_path(next), status_code=303)
    _set_cookie(request, answer, SESSION_COOKIE, token, int(SESSION_LASTS.total_seconds()))
    answer.delete_cookie(FORM_COOKIE)
    return answer


@router.post("/sign-out")
def sign_out(request: Request) -> Response:
    visitor = visitor_or_none(request)
    if visitor is None:
        raise SignInNeeded(expired=True)
    desk = desk_of(request)
    desk.cases.release(visitor.user.name)
    desk.users.end_session(token_hash(visitor.token), at=desk.clock.now())
    note(desk, visitor.user.name, visitor.address, "signed_out")
    answer = RedirectResponse("/sign-in", status_code=303)
    answer.delete_cookie(SESSION_COOKIE)
    return answer


@router.post("/language")
def change_language(request: Request, language: Annotated[Language, Form()], back: Annotated[str, Form()] = "/") -> Response:
    answer = RedirectResponse(safe_path(back), status_code=303)
    _set_cookie(request, answer, LANGUAGE_COOKIE, language, 365 * 24 * 3600)
    return answer


def ask(request: Request, next: str, message: str = "", name: str = "", status: int = 200) -> Response:
    """The form, with a cookie to which its token belongs: nobody can be signed in by a foreign page."""
    cookie = request.cookies.get(SESSION_COOKIE) or request.cookies.get(FORM_COOKIE) or new_token()
    answer = SIGN_IN.answer(
        request, None, status=status, form_token=form_token(cookie), next=next, message=message, name=name, back="/sign-in"
    )
    if not request.cookies.get(SESSION_COOKIE) and not request.cookies.get(FORM_COOKIE):
        _set_cookie(request, answer, FORM_COOKIE, cookie, 3600)
    return answer


def examine(desk: Deps, name: str, password: str, address: str) -> str:
    """What came of the attempt, as it is recorded. One at a time, so that guesses sent together are still counted one by one."""
    with desk.passwords.turn:
        if held_back(desk, name, address):
            outcome = "sign_in_throttled"
        elif desk.passwords.fits(password, desk.users.password_hash(name)):
            outcome = "signed_in"
        else:
            outcome = "sign_in_failed"
        note(desk, name, address, outcome)
    return outcome


def held_back(desk: Deps, name: str, address: str) -> bool:
    since = desk.clock.now() - WINDOW
    failures = desk.users.failures
    return (
        failures(since, who=name, address=address) >= MOST_FROM_ONE_ADDRESS
        or failures(since, who=name) >= MOST_FOR_ACCOUNT
        or failures(since, address=address) >= MOST_FROM_ADDRESS
    )


def note(desk: Deps, name: str, address: str, action: str) -> None:
    desk.users.record(AccessEntry(at=desk.clock.now(), who=name, address=address, action=action))


def safe_path(path: str) -> str:
    """A place of ours to go on to; anything else is the first page."""
    parts = urlsplit(path)
    ours = path.startswith("/") and not path.startswith(("//", "/\\")) and not parts.netloc and path.isprintable() and "\\" not in path
    return path if ours else "/"


def _set_cookie(request: Request, answer: Response, name: str, value: str, seconds: int) -> None:
    answer.set_cookie(name, value, max_age=seconds, httponly=True, samesite="lax", secure=request.url.scheme == "https", path="/")
