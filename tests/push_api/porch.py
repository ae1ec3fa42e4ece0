"""A door in this process, spoken to as its server speaks to it."""

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
from ingest.push_api.api import PushApi
from ingest.push_api.build import ServiceDeps, open_push_service
from ingest.push_api.client import PushReply, PushRequest
from ingest.push_api.samples import Samples

FRAMES = "etle.frames.v1"
EVENTS = "etle.events.v1"
SECRET = "a secret of acme's, long enough"
OTHER = "a secret of another vendor's box"
SIZE = (64, 48)


def a_site(**quota: float) -> Site:
    vendors = (VendorSettings(id="acme", secret=SECRET, **quota), VendorSettings(id="umbrella", secret=OTHER))
    cameras = tuple(
        CameraSettings(id=name, view="rear", source=PushSourceSettings(vendor=owner), frame_size=SIZE)
        for name, owner in (("utara", "acme"), ("selatan", "acme"), ("barat", "umbrella"))
    )
    return Site(site="simpang", cameras=cameras, ingest=IngestSettings(vendors=vendors))


class Porch:
    """Opens the door again and again, and keeps what is behind it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.broker = MemoryBroker({FRAMES: 2, EVENTS: 1})
        self.clock = ManualClock()
        self.metrics = Metrics()
        self.signer = Signer.from_file(folder / "box.pem")
        self.samples = Samples("utara", SIZE, SECRET, self.clock)
        self._runner = asyncio.Runner()
        self._open = ExitStack()
        self.open(a_site(requests_per_s=1e5, burst=1_000_000))

    def open(self, site: Site, safe_within_s: float = 30) -> None:
        self._open.close()
        parts = ServiceDeps(
            folder=self.folder,
            connect=lambda: self.broker,
            sign=self.signer.sign,
            clock=self.clock,
            metrics=self.metrics,
            health=Health(),
            safe_within_s=safe_within_s,
        )
        self.app: PushApi = self._open.enter_context(open_push_service(site, parts))

    def close(self) -> None:
        self._open.close()
        self._runner.close()

    def ask(self, request: PushRequest) -> PushReply:
        """As a client would, in one piece, with its length told."""
        headers = {"Content-Length": str(len(request.body)), **request.headers}
        raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        return self.ask_raw(request.method, request.path, raw, [request.body])

    def ask_raw(self, method: str, path: str, headers: list[tuple[bytes, bytes]], body: list[bytes]) -> PushReply:
        return self._runner.run(_asked(self.app, {"type": "http", "method": method, "path": path, "headers": headers}, body))

    def at_once(self, requests: list[PushRequest]) -> list[PushReply]:
        async def all_of_them() -> list[PushReply]:
            scopes = [
                {
                    "type": "http",
                    "method": each.method,
                    "path": each.path,
                    "headers": [(k.lower().encode(), v.encode()) for k, v in each.headers.items()],
                }
                for each in requests
            ]
            return await asyncio.gather(*(_asked(self.app, scope, [each.body]) for scope, each in zip(scopes, requests, strict=True)))

        return self._runner.run(all_of_them())

    def frames(self) -> list[Mapping[str, bytes]]:
        return [dict(message.headers) for message in self.broker.messages(FRAMES)]


async def _asked(app: PushApi, scope: Mapping[str, Any], body: list[bytes]) -> PushReply:
    parts = [{"type": "http.request", "body": part, "more_body": number < len(body)} for number, part in enumerate(body, 1)]
    parts.append({"type": "http.disconnect"})
    sent: list[dict[str, Any]] = []

    async def receive() -> Mapping[str, Any]:
        return parts.pop(0) if len(parts) > 1 else parts[0]

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    begin, end = sent
    headers = {name.decode(): value.decode() for name, value in begin["headers"]}
    assert int(headers["content-length"]) == len(end["body"])
    return PushReply(status=begin["status"], headers=headers, body=json.loads(end["body"]))
