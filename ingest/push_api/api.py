"""The door as an ASGI application: two paths to push to, one to ask. Every answer is JSON, and every refusal says what is wrong."""

import asyncio
import json
import logging
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final, TypeAlias

from etle.protocols import Clock
from ingest.push_api.auth import Authenticator
from ingest.push_api.contract import AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, LARGEST_EVENT, VERSION, headers_of
from ingest.push_api.errors import ApiError, ErrorCode
from ingest.push_api.service import PushResponse, PushService

log = logging.getLogger(__name__)
FRAMES: Final = f"/{VERSION}/frames"
EVENTS: Final = f"/{VERSION}/events"
CAMERAS: Final = f"/{VERSION}/cameras"
_METHODS: Final = {FRAMES: "POST", EVENTS: "POST", CAMERAS: "GET"}
_TYPES: Final = {FRAMES: "image/jpeg", EVENTS: "application/json"}
BODY_WITHIN_S: Final = 30.0

Scope: TypeAlias = Mapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Mapping[str, Any]]]
Send: TypeAlias = Callable[[dict[str, Any]], Awaitable[None]]
Told: TypeAlias = Callable[[str, str], None]
"""Vendor ("unknown" before it has signed in) and what became of its request: accepted, known, or the code of a refusal."""


class PushApi:
    def __init__(
        self,
        door: PushService,
        admission: Authenticator,
        clock: Clock,
        largest_frame: int,
        told: Told,
        *,
        body_within_s: float = BODY_WITHIN_S,
    ) -> None:
        self._door = door
        self._admission = admission
        self._clock = clock
        self._largest = {FRAMES: largest_frame, EVENTS: LARGEST_EVENT}
        self._told = told
        self._body_within_s = body_within_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"the door speaks HTTP only, and not {scope['type']}")  # uvicorn goes on without it
        vendor = ["unknown"]
        headers: list[tuple[bytes, bytes]] = []
        try:
            answer = await self._answered(scope, _Body(receive, self._body_within_s), vendor)
            outcome = str(answer.body.get("status", "asked"))
        except ClientGone:
            return
        except ApiError as refused:
            answer, headers, outcome = _refusal(refused)
        except Exception:  # the broad catch of this worker: one request's fault is not the next one's
            log.exception("a request could not be answered")
            answer, headers, outcome = _refusal(
                ApiError(ErrorCode.FAULT_OF_OURS, "something went wrong here; send it again", retry_after_s=60)
            )
        self._told(vendor[0], outcome)
        await _send(send, answer, headers)

    async def _answered(self, scope: Scope, body: "_Body", vendor: list[str]) -> PushResponse:
        """`vendor` gets its name as soon as it is known. Raises Refused, after reading a body that is not too large: a client that still
        sends would not hear the answer."""
        received_at = self._clock.now()
        path, method = str(scope["path"]), str(scope["method"])
        largest = self._largest.get(path, LARGEST_EVENT)
        try:
            headers = headers_of(scope["headers"])
            _check_path(path, method)
            vendor[0] = self._admission.vendor(headers.get(AUTHORIZATION, ""))
            self._admission.count(vendor[0])
            if path == CAMERAS:
                return self._door.cameras(vendor[0])
            _check_type(headers, _TYPES[path])
            _check_length(headers, largest)
            head = self._door.head(vendor[0], headers, received_at) if path == FRAMES else None
        except ApiError as refused:
            if refused.fault is not ErrorCode.TOO_LARGE:
                await body.drain(largest)
            raise
        data = await body.read(largest)
        if head is not None:
            return await self._door.frame(vendor[0], head, received_at, data)
        return await self._door.event(vendor[0], received_at, data)


class ClientGone(Exception):
    """The connection ended before the whole request was here."""


class _Body:
    def __init__(self, receive: Receive, within_s: float) -> None:
        self._receive = receive
        self._within_s = within_s

    async def read(self, largest: int) -> bytes:
        """Raises ApiError if it is larger, or does not come."""
        data = bytearray()
        try:
            async with asyncio.timeout(self._within_s):
                async for part in self._parts():
                    data += part
                    if len(data) > largest:
                        raise ApiError(ErrorCode.TOO_LARGE, f"the body is larger than {largest} bytes")
        except TimeoutError as error:
            raise ApiError(ErrorCode.TOO_SLOW, f"the body did not come within {self._within_s:g} s") from error
        return bytes(data)

    async def drain(self, largest: int) -> None:
        """Read it and forget it, unless it is large or slow."""
        size = 0
        try:
            async with asyncio.timeout(self._within_s):
                async for part in self._parts():
                    size += len(part)
                    if size > largest:
                        return
        except TimeoutError:
            return

    async def _parts(self) -> Any:
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            yield message.get("body", b"")
            if not message.get("more_body", False):
                return


def _check_path(path: str, method: str) -> None:
    if path not in _METHODS:
        raise ApiError(ErrorCode.NO_SUCH_PATH, f"there is nothing at {path[:100]!r}; there are {', '.join(_METHODS)}")
    if method != _METHODS[path]:
        raise ApiError(ErrorCode.WRONG_METHOD, f"{path} takes {_METHODS[path]}")


def _check_type(headers: Mapping[str, str], wanted: str) -> None:
    given = headers.get(CONTENT_TYPE, "").partition(";")[0].strip().lower()
    if given != wanted:
        raise ApiError(ErrorCode.WRONG_TYPE, f"Content-Type is {wanted}; here: {given[:40]!r}", "Content-Type")


def _check_length(headers: Mapping[str, str], largest: int) -> None:
    """Before anything is read."""
    given = headers.get(CONTENT_LENGTH, "0")
    if not given.isdecimal() or len(given) > 18:
        raise ApiError(ErrorCode.BAD_HEADER, "Content-Length is a number", "Content-Length")
    if int(given) > largest:
        raise ApiError(ErrorCode.TOO_LARGE, f"{given} bytes; {largest} are the most", "Content-Length")


def _refusal(refused: ApiError) -> tuple[PushResponse, list[tuple[bytes, bytes]], str]:
    """The answer, further headers, and the code for the counters."""
    said = {"error": {"code": refused.fault.value, "field": refused.field, "message": refused.message}}
    headers = [(b"www-authenticate", b"Bearer")] if refused.fault is ErrorCode.NOT_SIGNED_IN else []
    if refused.retry_after_s is not None:
        headers.append((b"retry-after", str(max(1, math.ceil(refused.retry_after_s))).encode()))
    return PushResponse(refused.status, said), headers, refused.fault.value


async def _send(send: Send, answer: PushResponse, headers: Iterable[tuple[bytes, bytes]]) -> None:
    data = json.dumps(answer.body).encode() + b"\n"
    own = [(b"content-type", b"application/json"), (b"content-length", str(len(data)).encode()), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": int(HTTPStatus(answer.status)), "headers": [*own, *headers]})
    await send({"type": "http.response.body", "body": data})
