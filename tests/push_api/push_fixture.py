"""The push API in this process, called through ASGI as its web server calls it."""

import asyncio
import json
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from etle.config.deployment import IngestSettings, VendorSettings
from etle.config.site import CameraSettings, Site
from etle.config.sources import PushSourceSettings
from etle.observability.health import Health
from etle.observability.metrics import Metrics
from etle.signing import Signer
from etle.testing import ManualClock, MemoryBroker
from etle_cli.options.law import open_law
from ingest.push_api.api import PushApi
from ingest.push_api.build import ServiceDeps, open_push_service
from ingest.push_api.client import PushReply, PushRequest
from ingest.push_api.samples import RequestSamples

FRAMES = "etle.frames.v1"
EVENTS = "etle.events.v1"
VIOLATIONS = "etle.violations.v1"
SECRET = "a secret of acme's, long enough"
OTHER_SECRET = "the secret of another vendor"
SIZE = (64, 48)


def a_site(**quota: float) -> Site:
    """Two cameras of the vendor acme, one of umbrella."""
    vendors = (VendorSettings(id="acme", secret=SECRET, **quota), VendorSettings(id="umbrella", secret=OTHER_SECRET))
    cameras = tuple(
        CameraSettings(id=name, view="rear", source=PushSourceSettings(vendor=owner), frame_size=SIZE)
        for name, owner in (("utara", "acme"), ("selatan", "acme"), ("barat", "umbrella"))
    )
    return Site(site="simpang", cameras=cameras, ingest=IngestSettings(vendors=vendors))


class InProcessApi:
    """Can be closed and opened again on the same folder and broker."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.broker = MemoryBroker({FRAMES: 2, EVENTS: 1, VIOLATIONS: 1})
        self.clock = ManualClock()
        self.metrics = Metrics()
        self.signer = Signer.from_file(folder / "gateway.pem")
        self.samples = RequestSamples("utara", SIZE, SECRET, self.clock)
        self._runner = asyncio.Runner()
        self._open = ExitStack()
        self.open(a_site(requests_per_s=1e5, burst=1_000_000))

    def open(self, site: Site, delivery_timeout_s: float = 30) -> None:
        """Close the API, if it is open, and open it for this site."""
        self._open.close()
        deps = ServiceDeps(
            folder=self.folder,
            connect=lambda: self.broker,
            sign=self.signer.sign,
            law=open_law(),
            clock=self.clock,
            metrics=self.metrics,
            health=Health(),
            delivery_timeout_s=delivery_timeout_s,
            broken_pause_s=0,
        )
        self.app: PushApi = self._open.enter_context(open_push_service(site, deps))

    def close(self) -> None:
        self._open.close()
        self._runner.close()

    def send(self, request: PushRequest) -> PushReply:
        """Send the request in one piece, with Content-Length, as an HTTP client does."""
        headers = {"Content-Length": str(len(request.body)), **request.headers}
        raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        return self.send_raw(request.method, request.path, raw, [request.body])

    def send_raw(self, method: str, path: str, headers: list[tuple[bytes, bytes]], body: list[bytes]) -> PushReply:
        """`body`: the chunks in which it arrives."""
        return _reply(self.asgi_messages(method, path, headers, body))

    def asgi_messages(
        self, method: str, path: str, headers: list[tuple[bytes, bytes]], body: list[bytes], *, complete: bool = True
    ) -> list[dict[str, Any]]:
        """What the application sends. `complete=False`: the client disconnects before the end of the body."""
        return self._runner.run(_call(self.app, _scope(method, path, headers), body, complete))

    def send_concurrently(self, requests: list[PushRequest]) -> list[PushReply]:
        async def send_all() -> list[list[dict[str, Any]]]:
            calls = []
            for each in requests:
                headers = [(name.lower().encode(), value.encode()) for name, value in each.headers.items()]
                calls.append(_call(self.app, _scope(each.method, each.path, headers), [each.body], True))
            return await asyncio.gather(*calls)

        return [_reply(messages) for messages in self._runner.run(send_all())]

    def frames(self) -> list[Mapping[str, bytes]]:
        """Headers of the frames in the broker."""
        return [dict(message.headers) for message in self.broker.messages(FRAMES)]


def _scope(method: str, path: str, headers: list[tuple[bytes, bytes]]) -> dict[str, Any]:
    return {"type": "http", "method": method, "path": path, "headers": headers, "query_string": b""}


async def _call(app: PushApi, scope: dict[str, Any], body: list[bytes], complete: bool) -> list[dict[str, Any]]:
    received: list[Mapping[str, Any]] = [
        {"type": "http.request", "body": chunk, "more_body": number < len(body) or not complete} for number, chunk in enumerate(body, 1)
    ]
    received.append({"type": "http.disconnect"})
    sent: list[dict[str, Any]] = []

    async def receive() -> Mapping[str, Any]:
        return received.pop(0) if len(received) > 1 else received[0]

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


def _reply(messages: list[dict[str, Any]]) -> PushReply:
    start, body = messages
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    assert int(headers["content-length"]) == len(body["body"])
    return PushReply(status=start["status"], headers=headers, body=json.loads(body["body"]))
