"""Requests that are as they should be, but for what is asked to be wrong."""

import json
from collections.abc import Mapping
from typing import Any, Final
from uuid import uuid4

from etle.protocols import Clock
from etle.types import digest_of
from ingest.push_api.client import PushRequest
from ingest.push_api.contract import VERSION
from ingest.push_api.pictures import grey_jpeg

FRAMES: Final = f"/{VERSION}/frames"
EVENTS: Final = f"/{VERSION}/events"


class Samples:
    """Of one camera; each frame has the next number."""

    def __init__(self, camera: str, size: tuple[int, int], secret: str, clock: Clock) -> None:
        self.camera: Final = camera
        self.size: Final = size
        self.signed_in: Final = {"Authorization": f"Bearer {secret}"}
        self.sequence = 0
        """Of the last frame."""
        self._clock = clock

    def frame(self, changed: Mapping[str, str] | None = None, *, without: str | None = None, body: bytes | None = None) -> PushRequest:
        """With those headers changed, or one of them left out. The digest is that of the body."""
        self.sequence += 1
        picture = grey_jpeg(*self.size, remark=str(self.sequence)) if body is None else body
        now = self._clock.now().isoformat()
        headers = {
            **self.signed_in,
            "Content-Type": "image/jpeg",
            "Etle-Camera": self.camera,
            "Etle-Sequence": str(self.sequence),
            "Etle-Captured-At": now,
            "Etle-Sent-At": now,
            "Etle-SHA256": digest_of(picture),
            **(changed or {}),
        }
        return PushRequest(method="POST", path=FRAMES, headers={k: v for k, v in headers.items() if k != without}, body=picture)

    def event(self, **changed: Any) -> dict[str, Any]:
        now = self._clock.now().isoformat()
        good = {
            "id": str(uuid4()),
            "camera": self.camera,
            "kind": "red_light",
            "occurred_at": now,
            "sent_at": now,
            "device": {"model": "etle vendor check", "serial": "0", "firmware": "1"},
            "sequences": [self.sequence],
            "vehicle": "car",
            "plate": {"text": "B1234XYZ", "confidence": 0.9},
            "measured": [{"name": "speed", "value": 72.5, "unit": "km/h", "uncertainty": 2.0}],
        }
        return good | changed

    def posted(self, event: Mapping[str, Any]) -> PushRequest:
        return self.raw(json.dumps(event).encode())

    def raw(self, body: bytes) -> PushRequest:
        """That body as an event."""
        return PushRequest(method="POST", path=EVENTS, headers={**self.signed_in, "Content-Type": "application/json"}, body=body)
