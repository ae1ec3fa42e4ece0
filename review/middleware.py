"""ASGI middleware around the whole application: security headers, limits of size and time on forms, and request metrics."""

import asyncio
import time
from typing import TYPE_CHECKING, Final

from fastapi.responses import Response
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from etle.observability.metrics import Metrics

MAX_FORM_BYTES: Final = 64 * 1024
FORM_TIMEOUT_S: Final = 10.0
FORM_TYPE: Final = "application/x-www-form-urlencoded"
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
"""Of every response."""
_CACHED_STATUSES: Final = (200, 206, 304)
"""Of static files. An error page shows who is signed in, so it is not cached under any path."""


class SecurityHeaders:
    """Adds `HEADERS` to every response, forbids caching of pages, and rejects large forms with 413 and other bodies with 415."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._add_headers(MutableHeaders(scope=message), scope, message["status"])
            await send(message)

        if not _is_small(scope):
            await Response("413 The form is too large.", status_code=413)(scope, receive, send_with_headers)
            return
        if not _is_form(scope):
            await Response(f"415 Forms are sent as {FORM_TYPE}.", status_code=415)(scope, receive, send_with_headers)
            return
        await self.app(scope, receive, send_with_headers)

    def _add_headers(self, headers: MutableHeaders, scope: Scope, status: int) -> None:
        for name, value in HEADERS.items():
            headers[name] = value
        if scope["scheme"] == "https":
            headers["Strict-Transport-Security"] = "max-age=31536000"
        if scope["path"].startswith("/static/") and status in _CACHED_STATUSES:
            headers["Cache-Control"] = "public, max-age=31536000, immutable"
        elif "Cache-Control" not in headers or status not in _CACHED_STATUSES:
            headers["Cache-Control"] = "no-store"


def _is_form(scope: Scope) -> bool:
    """Whether the body, if there is one, is encoded as our forms are. A multipart form may name a codec that fails or gives no text."""
    return Headers(scope=scope).get("content-type", FORM_TYPE).partition(";")[0].strip().lower() == FORM_TYPE


def _is_small(scope: Scope) -> bool:
    """Whether the body has a declared length within the limit. Browsers always declare the length of a form."""
    headers = Headers(scope=scope)
    if "transfer-encoding" in headers:
        return False
    length = headers.get("content-length", "0")
    return length.isdecimal() and len(length) < 20 and int(length) <= MAX_FORM_BYTES


class FormReader:
    """Reads the form of a request before the application sees it, so that a slow one holds no thread and no connection to the database.
    Answers 408 if it does not arrive in time. Inside of `SecurityHeaders`, which limits its size."""

    def __init__(self, app: ASGIApp, timeout_s: float = FORM_TIMEOUT_S) -> None:
        self.app = app
        self.timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            await self.app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self.timeout_s):
                messages = await _read_body(receive)
        except TimeoutError:
            await Response("408 The form did not arrive in time.", 408, {"Connection": "close"})(scope, receive, send)
            return
        read = iter(messages)

        async def replay() -> Message:
            return next(read, None) or await receive()

        await self.app(scope, replay, send)


async def _read_body(receive: Receive) -> list[Message]:
    messages: list[Message] = []
    while not messages or messages[-1].get("more_body", False):
        messages.append(await receive())
    return messages


class PageCompression:
    """Compresses pages, style sheets and scripts. Evidence is compressed already, and its ranges are of the original bytes."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.compressing = GZipMiddleware(app, minimum_size=500, compresslevel=5)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_file = scope["type"] == "http" and scope["path"].endswith((".jpg", ".mp4"))
        await (self.app if is_file else self.compressing)(scope, receive, send)


class MetricsMiddleware:
    """Counts requests by status and measures the time to the start of the response. A request without a response counts as 500."""

    def __init__(self, app: ASGIApp, metrics: "Metrics") -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, responded = time.perf_counter(), False

        async def send_and_count(message: Message) -> None:
            nonlocal responded
            if message["type"] == "http.response.start":
                responded = True
                self.metrics.request(message["status"], time.perf_counter() - started)
            await send(message)

        try:
            await self.app(scope, receive, send_and_count)
        finally:
            if not responded:
                self.metrics.request(500, time.perf_counter() - started)
