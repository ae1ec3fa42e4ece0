"""Who may do what, and who is asking: rights by role, sessions by a cookie, and a token in every form.

A session's token lives in the browser's cookie only; the database knows its digest. What the forms carry is derived from it, so
that nothing has to be stored for them, and neither tells the other.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Final
from uuid import UUID

from fastapi import Depends, HTTPException, Request

from etle.storage.users import AccessEntry, User, UserRole
from review.deps import Deps, desk_of
from review.i18n import Language, Wording, wording

SESSION_COOKIE: Final = "etle_session"
FORM_COOKIE: Final = "etle_form"
LANGUAGE_COOKIE: Final = "etle_language"
CSRF_FIELD: Final = "csrf"
SESSION_LASTS: Final = timedelta(hours=10)
"""A shift. After it, or after `IDLE_LASTS` without a request, one signs in anew."""
IDLE_LASTS: Final = timedelta(hours=1)


class Right(StrEnum):
    DECIDE = "decide"  # the case that the queue gave
    DECIDE_ANY = "decide_any"  # any case, such as one to be annulled
    BROWSE = "browse"
    READ_LOG = "read_log"
    SEE_USERS = "see_users"


RIGHTS: Final = {
    UserRole.REVIEWER: frozenset({Right.DECIDE}),
    UserRole.SUPERVISOR: frozenset({Right.DECIDE, Right.DECIDE_ANY, Right.BROWSE}),
    UserRole.AUDITOR: frozenset({Right.BROWSE, Right.READ_LOG}),
    UserRole.ADMIN: frozenset({Right.SEE_USERS, Right.READ_LOG}),
}
"""An administrator keeps the accounts and sees no evidence."""


class SignInNeeded(Exception):
    """Nobody is signed in; `expired` if somebody was."""

    def __init__(self, expired: bool) -> None:
        self.expired = expired


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """Who is asking, with what the pages need of the session."""

    user: User
    token: str
    address: str

    def may(self, right: Right) -> bool:
        return right in RIGHTS[self.user.role]

    @property
    def csrf(self) -> str:
        return form_token(self.token)


def new_token() -> str:
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def form_token(token: str) -> str:
    """What a form of this session carries."""
    return hmac.new(token.encode(), b"form", hashlib.sha256).hexdigest()


def seal(token: str, text: str) -> str:
    """`text` with proof that this session was given it."""
    return text + "." + hmac.new(token.encode(), b"seal:" + text.encode(), hashlib.sha256).hexdigest()


def unseal(token: str, sealed: str) -> str | None:
    """None if it is not what `seal` gave this session."""
    text = sealed.rpartition(".")[0]
    return text if hmac.compare_digest(seal(token, text).encode(), sealed.encode()) else None


def address_of(request: Request) -> str:
    return request.client.host if request.client else "unknown"


def language_of(request: Request) -> Language:
    return Language.ENGLISH if request.cookies.get(LANGUAGE_COOKIE) == Language.ENGLISH else Language.INDONESIAN


def wording_of(request: Request) -> Wording:
    return wording(language_of(request))


def visitor_or_none(request: Request) -> Viewer | None:
    token = request.cookies.get(SESSION_COOKIE)
    if not token:
        return None
    desk = desk_of(request)
    user = desk.users.signed_in(token_hash(token), at=desk.clock.now(), idle=IDLE_LASTS)
    return Viewer(user=user, token=token, address=address_of(request)) if user else None


def visitor(request: Request) -> Viewer:
    found = visitor_or_none(request)
    if found is None:
        raise SignInNeeded(expired=SESSION_COOKIE in request.cookies)
    return found


def allow(*rights: Right) -> Callable[..., Viewer]:
    """A dependency: the visitor, if they have one of the rights; a denial is recorded."""

    def check(request: Request, who: Annotated[Viewer, Depends(visitor)]) -> Viewer:
        if any(who.may(right) for right in rights):
            return who
        record(desk_of(request), who, "denied", detail=request.url.path)
        raise HTTPException(403)

    return check


async def check_form(request: Request) -> None:
    """Every request that changes something carries the token of its session, or of the browser that is about to sign in."""
    if request.method in ("GET", "HEAD"):
        return
    cookie = request.cookies.get(SESSION_COOKIE) or request.cookies.get(FORM_COOKIE)
    form = await request.form()
    given = form.get(CSRF_FIELD)
    if not cookie or not isinstance(given, str) or not hmac.compare_digest(given.encode(), form_token(cookie).encode()):
        raise HTTPException(403, "csrf")


def record(desk: Deps, who: Viewer, action: str, violation: UUID | None = None, detail: str = "") -> None:
    """Into the access log, before the answer: what cannot be recorded is not shown."""
    at: datetime = desk.clock.now()
    desk.users.record(AccessEntry(at=at, who=who.user.name, address=who.address, action=action, violation=violation, detail=detail))
