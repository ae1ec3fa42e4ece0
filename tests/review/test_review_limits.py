"""Slow and idle clients of the review application: closed or answered in time, without a share of what others need."""

import socket
import time
from urllib.parse import urlsplit

import pytest
from review_app import HEADER_TIMEOUT_S, RunningReview

from review.middleware import FormReader


def connect(review: RunningReview) -> socket.socket:
    address = urlsplit(review.url)
    connection = socket.create_connection((address.hostname or "", address.port or 0), timeout=10)
    return connection


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n", b"GET /sign-in HTTP/1.1\r\nHost: x\r\n\r\nGET / HT"])
def test_a_connection_without_a_whole_head_is_closed(review: RunningReview, sent: bytes) -> None:
    with connect(review) as connection:
        started = time.monotonic()
        connection.sendall(sent)
        while connection.recv(65536):
            pass
        assert HEADER_TIMEOUT_S * 0.5 < time.monotonic() - started < HEADER_TIMEOUT_S + 3


def test_a_head_that_trickles_in_is_not_given_more_time(review: RunningReview) -> None:
    with connect(review) as connection:
        started = time.monotonic()
        with pytest.raises(OSError):
            for byte in b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20:
                connection.sendall(bytes([byte]))
                time.sleep(0.05)
        assert time.monotonic() - started < HEADER_TIMEOUT_S + 3


def test_idle_connections_do_not_stop_a_page(review: RunningReview) -> None:
    idle = [connect(review) for _ in range(100)]
    with review.browser() as browser:
        assert browser.get("/sign-in").status_code == 200
    for connection in idle:
        connection.close()


def test_a_form_that_does_not_arrive_is_answered_with_408(review: RunningReview) -> None:
    import asyncio

    from starlette.types import Message, Receive, Scope, Send

    async def never(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError("the application must not see it")

    sent: list[Message] = []

    async def run() -> None:
        first = iter([{"type": "http.request", "body": b"a", "more_body": True}])

        async def receive() -> Message:
            part = next(first, None)
            if part is None:
                await asyncio.sleep(10)
            return part or {}

        async def send(message: Message) -> None:
            sent.append(message)

        await FormReader(never, timeout_s=0.05)({"type": "http", "method": "POST"}, receive, send)

    asyncio.run(run())
    assert sent[0]["status"] == 408
