"""Templates with what every page needs: the language, the visitor, the form's token. Also the headers that every answer bears."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Final

from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from etle.types import Verdict
from review.access import FORM_COOKIE, SESSION_COOKIE, Right, Viewer, form_token, wording_of

STATIC_FOLDER: Final = Path(__file__).parent / "static"
LOCAL_ZONE: Final = "Asia/Jakarta"
"""In which moments stand that belong to no camera, such as those of the access log."""
LARGEST_FORM: Final = 64 * 1024
VERDICT_LABELS: Final = {Verdict.CONFIRM: "verdict.confirmed", Verdict.WARN: "verdict.warned", Verdict.REJECT: "verdict.rejected"}

CONTENT_POLICY: Final = (
    "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


@cache
def static_version() -> str:
    """Digest of everything under static/: it is in the address, so browsers may keep the files for ever."""
    whole = hashlib.sha256()
    for path in sorted(STATIC_FOLDER.iterdir()):
        whole.update(path.name.encode() + b"\0" + path.read_bytes())
    return whole.hexdigest()[:12]


@cache
def templates() -> Environment:
    return Environment(
        loader=PackageLoader("review"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A template of this package, drawn for one request."""

    template: str
    here: str = ""

    def answer(self, request: Request, visitor: Viewer | None, status: int = 200, **values: object) -> HTMLResponse:
        words = wording_of(request)
        cookie = visitor.token if visitor else request.cookies.get(SESSION_COOKIE) or request.cookies.get(FORM_COOKIE)

        def may(right: str) -> bool:
            return visitor is not None and visitor.may(Right(right))

        def moment(at: datetime) -> str:
            return f"{words.date(at, LOCAL_ZONE)} {words.time(at, LOCAL_ZONE)}"

        context: dict[str, object] = {
            "t": words,
            "visitor": visitor,
            "may": may,
            "moment": moment,
            "here": self.here,
            "back": request.url.path if request.method == "GET" else "/",
            "form_token": form_token(cookie) if cookie else None,
            "static": f"/static/{static_version()}",
            "verdict_texts": VERDICT_LABELS,
        }
        return HTMLResponse(templates().get_template(self.template).render(context | values), status_code=status)


def error_page(request: Request, visitor: Viewer | None, code: int, text: str | None = None) -> Response:
    words = wording_of(request)
    shown = code if f"error.{code}.title" in words.texts else 400 if code < 500 else 500
    title = words(f"error.{shown}.title")
    answer = Page(template="error.html").answer(
        request, visitor, status=code, title=title, text=text or words(f"error.{shown}.text"), code=code
    )
    for name, value in HEADERS.items():
        answer.headers[name] = value
    return answer


class SecurityHeaders:
    """Around the whole application: headers on every answer, no large forms, nothing of the pages kept by a cache."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._add_headers(MutableHeaders(scope=message), scope)
            await send(message)

        if not _is_small(scope):
            await Response("413", status_code=413)(scope, receive, send_with_headers)
            return
        await self.app(scope, receive, send_with_headers)

    def _add_headers(self, headers: MutableHeaders, scope: Scope) -> None:
        for name, value in HEADERS.items():
            headers[name] = value
        if scope["scheme"] == "https":
            headers["Strict-Transport-Security"] = "max-age=31536000"
        if scope["path"].startswith("/static/"):
            headers["Cache-Control"] = "public, max-age=31536000, immutable"
        elif "cache-control" not in headers:
            headers["Cache-Control"] = "no-store"


def _is_small(scope: Scope) -> bool:
    """A body's length is told beforehand and within bounds; browsers always tell it."""
    headers = Headers(scope=scope)
    if "transfer-encoding" in headers:
        return False
    length = headers.get("content-length", "0")
    return length.isdecimal() and int(length) <= LARGEST_FORM
