"""Randomly mutated requests to both servers: whatever a client sends, no answer has a status 5xx but 503 with a time to come back."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from random import Random
from typing import Final

from benchmark.attack.servers import CAMERAS, FRAME_SIZE, SECRETS, AttackedServers
from etle.clock import SystemClock
from ingest.push_api.samples import RequestSamples

AT_ONCE: Final = 16
TIMEOUT_S: Final = 1.0
"""A mutated length or end of the head leaves the server waiting for more, rightly; the client gives up."""
_UNUSUAL: Final = (
    b"", b"\0", b"\xff\xfe", b"-1", b"9" * 400, b"NaN", b"%00", b"%", b"..", b"\r\nX: y", b"\r\n\r\n", b"; charset=utf-7", b"bytes=9-1",
    b"2026-11-23T10:00:00", b"chunked", b"\xc2\x80", "\N{RIGHT-TO-LEFT OVERRIDE}".encode(), b"=" * 300, b"[",
    b"multipart/form-data; boundary=x",
)  # fmt: skip


def review_requests(csrf: str, cookies: str, case: str, pictures: Sequence[str]) -> list[bytes]:
    """Requests of every kind that the pages of an officer make."""
    head = f"HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/html\r\nCookie: {cookies}\r\nConnection: close\r\n"
    paths = (
        "/", "/sign-in?next=/cases&expired=true", f"{case}?after={case[-36:]}", f"{case}/history", f"{case}/plate?text=B1234XY", "/cases",
        "/cases?state=open&rule=red_light&camera=kamera-1&plate=B12&from=2026-11-01&to=2026-12-31&order=decided", "/log?who=rina&before=7",
        "/users", "/static/x/review.css", f"{case}/verdict",
    )  # fmt: skip
    gets = [f"GET {path} {head}\r\n".encode() for path in paths]
    ranges = [f"GET {case}/evidence/{name} {head}Range: bytes=0-99\r\nIf-None-Match: x\r\n\r\n".encode() for name in pictures]
    forms = {
        "/sign-in": f"csrf={csrf}&name=petugas-1&password=salah+sekali&next=/",
        "/language": f"csrf={csrf}&language=en&back=/",
        "/next": f"csrf={csrf}",
        "/next/ahead": f"csrf={csrf}",
        f"{case}/lease": f"csrf={csrf}",
        f"{case}/verdict": f"csrf={csrf}&answer=reject+other&opened=x.y&known_decisions=7&plate=B1234XY&note=catatan&accept_irregular=yes",
    }
    posts = [
        f"POST {path} {head}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(form)}\r\n\r\n{form}".encode()
        for path, form in forms.items()
    ]
    return [*gets, *ranges, *posts]


def push_requests() -> list[bytes]:
    samples = RequestSamples(CAMERAS["penyerang"], FRAME_SIZE, SECRETS["penyerang"], SystemClock())
    samples.sequence = int(SystemClock().now().timestamp() * 1000) - 1_000_000
    requests = [samples.cameras(), samples.frame(), samples.event_request(samples.event())]
    lines = [
        "\r\n".join(
            [
                f"{request.method} {request.path} HTTP/1.1",
                *(f"{name}: {value}" for name, value in request.headers.items()),
                f"Host: 127.0.0.1\r\nConnection: close\r\nContent-Length: {len(request.body)}\r\n\r\n",
            ]
        ).encode()
        + request.body
        for request in requests
    ]
    return lines


def mutated(random: Random, data: bytes) -> bytes:
    """With one to three small changes."""
    for _ in range(random.randint(1, 3)):
        at = random.randint(0, len(data))
        match random.randrange(5):
            case 0:
                data = data[:at] + bytes((random.randrange(256),)) + data[at + 1 :]
            case 1:
                data = data[:at] + random.choice(_UNUSUAL) + data[at:]
            case 2:
                data = data[:at] + data[at + random.randint(1, 20) :]
            case 3:
                data = data[:at] + random.choice(_UNUSUAL) + data[at + random.randint(1, 12) :]
            case _:
                data = data[:at] + data[max(0, at - 40) : at] + data[at:]
    return data


async def statuses(port: int, requests: Sequence[bytes], count: int, seed: int) -> Counter[str]:
    """How often each status was the answer; `none` where the connection was closed or nothing came in time."""
    random, found, slots = Random(f"{port > 0} {seed}"), Counter[str](), asyncio.Semaphore(AT_ONCE)

    async def one(data: bytes) -> None:
        async with slots:
            found[await _status(port, data)] += 1

    await asyncio.gather(*(one(mutated(random, requests[number % len(requests)])) for number in range(count)))
    return found


async def _status(port: int, data: bytes) -> str:
    with suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        async with asyncio.timeout(TIMEOUT_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(data)
                line = await reader.readuntil(b"\r\n")
                return line.split()[1].decode()
            finally:
                writer.close()
    return "none"


def server_errors(found: Counter[str]) -> int:
    """All of 5xx but 503: that names a time to come back."""
    return sum(times for status, times in found.items() if status.startswith("5") and status != "503")


async def both(servers: AttackedServers, review: Sequence[bytes], count: int, seed: int) -> dict[str, Counter[str]]:
    return {
        "review": await statuses(servers.review_port, review, count, seed),
        "push": await statuses(servers.push_port, push_requests(), count, seed),
    }
