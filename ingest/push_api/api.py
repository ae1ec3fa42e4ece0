"""The push API as an ASGI application: three paths that take frames, events and pictures of events, one that lists the vendor's cameras.

Every response is JSON; an error names its code, the field and the reason. Checks are made in this order: headers, path and method,
authentication, quota, content type and length, frame headers; only then the body is read.
"""

import asyncio
import json
import logging
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, TypeAlias

from etle.errors import MissingExtra
from etle.protocols import Clock
from ingest.push_api.auth import Authenticator
from ingest.push_api.contract import (
    AUTHORIZATION,
    CAMERAS_PATH,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    EVENTS_PATH,
    FRAMES_PATH,
    MAX_EVENT_BYTES,
    PICTURES_PATH,
    parse_headers,
)
from ingest.push_api.errors import ApiError, ErrorCode
from ingest.push_api.service import PushResponse, PushService

try:
    from starlette.applications import Starlette
    from starlette.requests import ClientDisconnect, Request
    from starlette.responses import Response
    from starlette.routing import Route
    from starlette.types import Receive, Scope, Send
except ModuleNotFoundError as absent:
    raise MissingExtra("starlette", "vendor") from absent

log = logging.getLogger(__name__)
BODY_TIMEOUT_S: Final = 30.0
MAX_REQUESTS_AT_WORK: Final = 64
"""Of one vendor: requests whose body is being read, checked or delivered. A connection that sends nothing is not counted."""
_METHODS: Final = {FRAMES_PATH: "POST", EVENTS_PATH: "POST", PICTURES_PATH: "POST", CAMERAS_PATH: "GET"}

OnOutcome: TypeAlias = Callable[[str, str], None]
"""Called once per answered request with the vendor ("unknown" before authentication) and the outcome: accepted, known, asked, or an error
code."""


class PushApi:
    """The ASGI application."""

    def __init__(
        self,
        service: PushService,
        authenticator: Authenticator,
        clock: Clock,
        max_frame_bytes: int,
        on_outcome: OnOutcome,
        *,
        body_timeout_s: float = BODY_TIMEOUT_S,
    ) -> None:
        self._service = service
        self._authenticator = authenticator
        self._clock = clock
        self._max_frame_bytes = max_frame_bytes
        self._on_outcome = on_outcome
        self._body_timeout_s = body_timeout_s
        self._at_work: Counter[str] = Counter()
        endpoints = {
            FRAMES_PATH: self._frame, EVENTS_PATH: self._event, PICTURES_PATH: self._picture, CAMERAS_PATH: self._cameras,
        }  # fmt: skip
        unrouted = self._endpoint(_unrouted)
        self._app = Starlette(
            routes=[Route(path, self._endpoint(endpoint), methods=[_METHODS[path]]) for path, endpoint in endpoints.items()],
            exception_handlers={404: unrouted, 405: unrouted},
        )
        self._app.router.redirect_slashes = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

    def _endpoint(self, handle: "Callable[[_Call], Awaitable[PushResponse]]") -> Callable[..., Awaitable[Response]]:
        """A Starlette endpoint, or exception handler, that answers with what `handle` returns or raises."""

        async def endpoint(request: Request, _: Exception | None = None) -> Response:
            max_bytes = self._max_frame_bytes if request.scope["path"] in (FRAMES_PATH, PICTURES_PATH) else MAX_EVENT_BYTES
            call = _Call(request, max_bytes, self._body_timeout_s)
            try:
                response, headers = await _handled(handle, call), dict[str, str]()
                outcome = str(response.body.get("status", "asked"))
            except ClientDisconnect:
                return _NoResponse()
            except ApiError as error:
                response, outcome, headers = _error_response(error), error.code.value, _error_headers(error)
            self._on_outcome(call.vendor, outcome)
            return _json_response(response, headers)

        return endpoint

    async def _frame(self, call: "_Call") -> PushResponse:
        received_at = self._clock.now()
        self._authenticate(call)
        call.check_content("image/jpeg")
        header = self._service.check_frame_header(call.vendor, call.headers, received_at)
        with self._at_work_for(call.vendor):
            return await self._service.frame(call.vendor, header, received_at, await call.read_body())

    async def _event(self, call: "_Call") -> PushResponse:
        received_at = self._clock.now()
        self._authenticate(call)
        call.check_content("application/json")
        with self._at_work_for(call.vendor):
            return await self._service.event(call.vendor, call.headers, received_at, await call.read_body())

    async def _picture(self, call: "_Call") -> PushResponse:
        self._authenticate(call)
        call.check_content("image/jpeg")
        digest = self._service.check_picture_header(call.vendor, call.headers)
        with self._at_work_for(call.vendor):
            return await self._service.picture(call.vendor, digest, await call.read_body())

    async def _cameras(self, call: "_Call") -> PushResponse:
        self._authenticate(call)
        return self._service.cameras(call.vendor)

    @contextmanager
    def _at_work_for(self, vendor: str) -> Iterator[None]:
        """Raises ApiError if too many requests of this vendor are at work: each may hold a picture in memory."""
        if self._at_work[vendor] >= MAX_REQUESTS_AT_WORK:
            raise ApiError(ErrorCode.BUSY, "too many requests of this vendor are at work; send it again", retry_after_s=1)
        self._at_work[vendor] += 1
        try:
            yield
        finally:
            self._at_work[vendor] -= 1

    def _authenticate(self, call: "_Call") -> None:
        call.vendor = self._authenticator.vendor(call.headers.get(AUTHORIZATION, ""))
        self._authenticator.take_quota(call.vendor)


class _Call:
    """One request, its headers and its body, of which at most `max_bytes` are read."""

    def __init__(self, request: Request, max_bytes: int, body_timeout_s: float) -> None:
        self.request: Final = request
        self.headers: dict[str, str] = {}
        self.vendor = "unknown"
        self._max_bytes = max_bytes
        self._body_timeout_s = body_timeout_s
        self._body_started = False

    def check_content(self, content_type: str) -> None:
        """Check Content-Type and Content-Length. Raises ApiError."""
        received = self.headers.get(CONTENT_TYPE, "").partition(";")[0].strip().lower()
        if received != content_type:
            raise ApiError(ErrorCode.WRONG_TYPE, f"Content-Type must be {content_type}; received {received[:40]!r}", "Content-Type")
        length = self.headers.get(CONTENT_LENGTH, "0")
        if not length.isdecimal() or len(length) > 18:
            raise ApiError(ErrorCode.BAD_HEADER, "Content-Length must be a number", "Content-Length")
        if int(length) > self._max_bytes:
            raise ApiError(ErrorCode.TOO_LARGE, f"{length} bytes; the maximum is {self._max_bytes}", "Content-Length")

    async def read_body(self) -> bytes:
        """Raises ApiError if the body is too large or too slow, ClientDisconnect if the client goes away."""
        self._body_started = True
        data = bytearray()
        try:
            async with asyncio.timeout(self._body_timeout_s):
                async for chunk in self.request.stream():
                    data += chunk
                    if len(data) > self._max_bytes:
                        raise ApiError(ErrorCode.TOO_LARGE, f"the body is larger than {self._max_bytes} bytes")
        except TimeoutError as error:
            raise ApiError(ErrorCode.TOO_SLOW, f"the body did not arrive within {self._body_timeout_s:g} s") from error
        return bytes(data)

    async def drain_body(self) -> None:
        """Discard a body that was not read yet, unless it is too large or too slow: a client that is still sending does not read the
        response."""
        if self._body_started:
            return
        size = 0
        try:
            async with asyncio.timeout(self._body_timeout_s):
                async for chunk in self.request.stream():
                    size += len(chunk)
                    if size > self._max_bytes:
                        return
        except TimeoutError:
            return


class _NoResponse(Response):
    """For a client that disconnected before its whole request had arrived."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        return


async def _handled(handle: Callable[[_Call], Awaitable[PushResponse]], call: _Call) -> PushResponse:
    """Raises ApiError, ClientDisconnect."""
    try:
        call.headers = parse_headers(call.request.headers.raw)
        _check_route(call.request)
        return await handle(call)
    except ClientDisconnect:
        raise
    except ApiError as error:
        if error.code is not ErrorCode.TOO_LARGE:
            await call.drain_body()
        raise
    except Exception as error:  # the broad catch of this worker: an error in one request must not affect the next
        log.exception("a request failed")
        raise ApiError(ErrorCode.INTERNAL_ERROR, "internal error; send the request again", retry_after_s=60) from error


async def _unrouted(call: _Call) -> PushResponse:
    raise AssertionError(f"{call.request.method} {call.request.scope['path']!r} is a known route")  # `_check_route` has raised


def _check_route(request: Request) -> None:
    """Exact comparison, for an error in the API's own format: Starlette's routes also match HEAD, and a path with a final newline."""
    path = request.scope["path"]
    if path not in _METHODS:
        raise ApiError(ErrorCode.NO_SUCH_PATH, f"unknown path {path[:100]!r}; the paths are {', '.join(_METHODS)}")
    if request.method != _METHODS[path]:
        raise ApiError(ErrorCode.WRONG_METHOD, f"{path} accepts {_METHODS[path]} only")


def _error_response(error: ApiError) -> PushResponse:
    return PushResponse(error.status, {"error": {"code": error.code.value, "field": error.field, "message": error.message}})


def _error_headers(error: ApiError) -> dict[str, str]:
    headers = {"www-authenticate": "Bearer"} if error.code is ErrorCode.NOT_SIGNED_IN else {}
    if error.retry_after_s is not None:
        headers["retry-after"] = str(max(1, math.ceil(error.retry_after_s)))
    return headers


def _json_response(response: PushResponse, headers: Mapping[str, str]) -> Response:
    return Response(
        json.dumps(response.body) + "\n",
        int(response.status),
        media_type="application/json",
        headers={"cache-control": "no-store", **headers},
    )
