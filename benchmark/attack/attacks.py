"""What one client does to stop the others, all from one address of its own on loopback. Each attack goes on until it is cancelled."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Final

from benchmark.attack.servers import CAMERAS, FRAME_SIZE, SECRETS, AttackedServers
from benchmark.review.browser import ScriptedBrowser
from etle.clock import SystemClock
from ingest.push_api.contract import FRAMES_PATH
from ingest.push_api.samples import RequestSamples

ATTACKER: Final = "127.0.0.2"
CONNECTIONS: Final = 64
BAD_SIGN_INS: Final = 60
HOSTILE_SENDERS: Final = 4
MEGABYTE: Final = 1_000_000
HOSTILE: Final = (
    b"\xff\xd8" + b"\xff" * 4 * MEGABYTE,
    b"\xff\xd8" + b"\xff\xe0\x00\x02" * MEGABYTE,
    b"\xff\xd8" + b"\xff\x01" * 2 * MEGABYTE,
    b"\xff\xd8\xff\xe0\x00\x04ab" + b"x" + b"\xff\x00" * 2 * MEGABYTE,
)


async def idle_connections(servers: AttackedServers) -> None:
    """64 connections to each server that send nothing; opened again when they are closed."""
    await _hold(servers, lambda port: b"")


async def slow_heads(servers: AttackedServers) -> None:
    await _hold(servers, lambda port: b"GET / HTTP/1.1\r\nHost: x\r\n")


async def slow_bodies(servers: AttackedServers) -> None:
    head = "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {type}\r\nContent-Length: 5000\r\n\r\na"
    form = head.format(path="/sign-in", type="application/x-www-form-urlencoded").encode()
    frame = head.format(path=FRAMES_PATH, type="image/jpeg").encode()
    await _hold(servers, lambda port: form if port == servers.review_port else frame)


async def bad_sign_ins(servers: AttackedServers) -> None:
    """60 wrong passwords at once, again and again: half of them for one name, half for as many names."""
    async with ScriptedBrowser(servers.review_port, ATTACKER) as browser:
        page = await browser.get("/sign-in")
        token, cookies = page.field("csrf"), browser.cookies

    async def guess(number: int) -> None:
        async with ScriptedBrowser(servers.review_port, ATTACKER, cookies) as guesser:
            name = "petugas-0" if number % 2 else f"nama-{number}"
            await guesser.post("/sign-in", name=name, password=f"a wrong guess {number}", csrf=token)

    while True:
        await asyncio.gather(*map(guess, range(BAD_SIGN_INS)))


async def hostile_pictures(servers: AttackedServers) -> None:
    """Four senders with the secret of one vendor, without a pause."""
    samples = RequestSamples(CAMERAS["penyerang"], FRAME_SIZE, SECRETS["penyerang"], SystemClock())
    samples.sequence = int(SystemClock().now().timestamp() * 1000)

    async def send(first: int) -> None:
        async with ScriptedBrowser(servers.push_port, ATTACKER) as sender:
            for number in range(first, 1_000_000):
                request = samples.frame(body=HOSTILE[number % len(HOSTILE)])
                await sender.send(request.method, request.path, request.headers, request.body)

    await asyncio.gather(*map(send, range(HOSTILE_SENDERS)))


ATTACKS: Final[Mapping[str, Callable[[AttackedServers], Awaitable[None]]]] = {
    "64 idle connections": idle_connections,
    "64 slow heads": slow_heads,
    "64 slow bodies": slow_bodies,
    "60 bad sign-ins": bad_sign_ins,
    "hostile JPEGs": hostile_pictures,
}


async def _hold(servers: AttackedServers, sent: Callable[[int], bytes]) -> None:
    async def hold(port: int) -> None:
        while True:
            with suppress(OSError):
                reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(ATTACKER, 0))
                try:
                    writer.write(sent(port))
                    await reader.read()
                finally:
                    writer.close()

    await asyncio.gather(*(hold(port) for port in (servers.review_port, servers.push_port) for _ in range(CONNECTIONS)))
