"""Generates valid requests, and requests with one defect, for the conformance checks and the tests."""

import json
from collections.abc import Mapping
from typing import Any, Final
from uuid import uuid4

from etle.protocols import Clock
from etle.types import digest_of
from ingest.push_api.client import PushRequest
from ingest.push_api.contract import CAMERAS_PATH, EVENTS_PATH, FRAMES_PATH, PICTURES_PATH
from ingest.push_api.pictures import grey_jpeg


class RequestSamples:
    """Requests for one camera. Each frame has the next sequence number."""

    def __init__(self, camera: str, size: tuple[int, int], secret: str, clock: Clock) -> None:
        """`size`: width and height in pixels."""
        self.camera: Final = camera
        self.size: Final = size
        self.auth_headers: Final = {"Authorization": f"Bearer {secret}"}
        self.sequence = 0
        """Sequence number of the last frame."""
        self._clock = clock

    def cameras(self) -> PushRequest:
        """The request for the vendor's cameras."""
        return PushRequest(method="GET", path=CAMERAS_PATH, headers=self.auth_headers)

    def frame(self, changed: Mapping[str, str] | None = None, *, without: str | None = None, body: bytes | None = None) -> PushRequest:
        """A frame with the headers of `changed` replaced, and the header `without` left out. `Etle-SHA256` fits the body unless changed."""
        self.sequence += 1
        picture = grey_jpeg(*self.size, comment=str(self.sequence)) if body is None else body
        now = self._clock.now().isoformat()
        headers = {
            **self.auth_headers,
            "Content-Type": "image/jpeg",
            "Etle-Camera": self.camera,
            "Etle-Sequence": str(self.sequence),
            "Etle-Captured-At": now,
            "Etle-Sent-At": now,
            "Etle-SHA256": digest_of(picture),
            **(changed or {}),
        }
        return PushRequest(method="POST", path=FRAMES_PATH, headers={k: v for k, v in headers.items() if k != without}, body=picture)

    def picture(self, changed: Mapping[str, str] | None = None, *, body: bytes | None = None) -> PushRequest:
        """The picture of an event, another one each time, with the headers of `changed` replaced."""
        picture = grey_jpeg(*self.size, comment=str(uuid4())) if body is None else body
        headers = {
            **self.auth_headers,
            "Content-Type": "image/jpeg",
            "Etle-Camera": self.camera,
            "Etle-SHA256": digest_of(picture),
            **(changed or {}),
        }
        return PushRequest(method="POST", path=PICTURES_PATH, headers=headers, body=picture)

    def event(self, **changed: Any) -> dict[str, Any]:
        """The JSON object of a new event, with the keys of `changed` replaced or added."""
        now = self._clock.now().isoformat()
        event = {
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
        return event | changed

    def event_request(self, event: Mapping[str, Any]) -> PushRequest:
        return self.raw_event_request(json.dumps(event).encode())

    def raw_event_request(self, body: bytes) -> PushRequest:
        """A request whose body need not be valid JSON."""
        return PushRequest(method="POST", path=EVENTS_PATH, headers={**self.auth_headers, "Content-Type": "application/json"}, body=body)
