"""A minimal HTTP/1.1 client with cookies for one scripted officer: one connection, little CPU time beside the server's."""

import asyncio
import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlencode


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    status: int
    location: str
    retry_after: str
    body: bytes

    def field(self, name: str) -> str:
        """Value of a hidden field of the page."""
        found = re.search(rf'name="{name}"[^>]* value="([^"]*)"', self.body.decode())
        if found is None:
            raise AssertionError(f"no field {name} in an answer with status {self.status}: {self.body[:300]!r}")
        return html.unescape(found[1])


class ScriptedBrowser:
    """`get` and `post` await the whole answer; redirects are not followed. Connects again if the server closed the connection."""

    def __init__(self, port: int, address: str | None = None, cookies: Mapping[str, str] | None = None) -> None:
        """`address`: of the client, one of loopback."""
        self._port = port
        self._address = address
        self.cookies: dict[str, str] = dict(cookies or {})
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._close()

    async def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
        return await self._request(method, path, dict(headers), body)

    async def get(self, path: str, **headers: str) -> HttpAnswer:
        return await self._request("GET", path, headers, b"")

    async def post(self, path: str, **fields: str) -> HttpAnswer:
        return await self._request("POST", path, {"Content-Type": "application/x-www-form-urlencoded"}, urlencode(fields).encode())

    async def _request(self, method: str, path: str, headers: dict[str, str], body: bytes) -> HttpAnswer:
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        sent = {"Host": "127.0.0.1", "Accept": "text/html", "Cookie": cookies, "Content-Length": str(len(body))} | headers
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items() if value), "", ""]
        try:
            return await self._exchange("\r\n".join(lines).encode() + body)
        except (ConnectionError, asyncio.IncompleteReadError):  # the server closed the idle connection
            self._close()
            return await self._exchange("\r\n".join(lines).encode() + body)

    async def _exchange(self, request: bytes) -> HttpAnswer:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port, local_addr=(self._address, 0) if self._address else None)
        reader, writer = self._streams
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers: dict[str, str] = {}
        for line in head[1:-2]:
            name, _, value = line.partition(": ")
            if name.lower() == "set-cookie":
                cookie, _, content = value.partition(";")[0].partition("=")
                self.cookies[cookie] = content.strip('"')
            headers[name.lower()] = value
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        if headers.get("connection") == "close":
            self._close()
        status = int(head[0].split()[1])
        return HttpAnswer(status=status, location=headers.get("location", ""), retry_after=headers.get("retry-after", ""), body=body)

    def _close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None
