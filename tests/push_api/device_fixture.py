"""Registered devices of the vendor acme, and what they push: pictures, and events that they sign."""

import json
from datetime import date
from pathlib import Path
from typing import Any

from push_fixture import SECRET, InProcessApi, a_site

from etle.config.deployment import VendorSettings
from etle.config.instruments import Instrument, InstrumentCertificate, InstrumentRule
from etle.config.site import Site
from etle.signing import Signer, public_file
from etle.types import digest_of
from ingest.push_api.client import PushReply, PushRequest
from ingest.push_api.event_case import EVENT_CONTEXT
from ingest.push_api.pictures import grey_jpeg

RADAR, SCALE, CAMERA = "RS-0017", "WIM-3", "BELT-1"
CERTIFICATE = InstrumentCertificate(
    number="KAL-2026-118", authority="Direktorat Metrologi", valid_from=date(2026, 1, 1), valid_to=date(2026, 12, 31), tolerance=3
)


def devices(key: Path, **radar: Any) -> tuple[Instrument, ...]:
    """A radar with a limit of 60 km/h, a scale whose limit is in the event, and a camera that sees belts; all with the same key."""
    common: dict[str, Any] = {"public_key": key, "cameras": ("utara",)}
    speed = InstrumentRule(rule="speed", quantity="speed", unit="km/h", limit=60, tolerance=2)
    weight = InstrumentRule(rule="overload", quantity="gross_weight", unit="kg", limit_from="allowed_weight", tolerance=500)
    seat_belt = (InstrumentRule(rule="seat_belt"), InstrumentRule(rule="phone"))
    return (
        Instrument(serial=RADAR, rules=(speed,), **(common | {"certificates": (CERTIFICATE,)} | radar)),
        Instrument(serial=SCALE, rules=(weight,), certificates=(CERTIFICATE.model_copy(update={"tolerance": 200}),), **common),
        Instrument(serial=CAMERA, rules=seat_belt, certificates=(CERTIFICATE,), **common),
    )


def with_devices(site: Site, instruments: tuple[Instrument, ...], **custody: Any) -> Site:
    acme, *others = site.ingest.vendors
    vendors = (VendorSettings(**(acme.model_dump() | {"instruments": instruments})), *others)
    return site.model_copy(update={"ingest": site.ingest.model_copy(update={"vendors": vendors}), **custody})


class Device:
    """Pushes what its key signs to an API that is open for a site with it."""

    def __init__(self, api: InProcessApi, **radar: Any) -> None:
        self.api = api
        self.signer = Signer.from_file(api.folder / "device.pem")
        self.site = with_devices(a_site(requests_per_s=1e5, burst=1_000_000), devices(public_file(api.folder / "device.pem"), **radar))
        api.open(self.site)

    def picture(self, name: str, camera: str = "utara", **changed: str) -> PushReply:
        return self.api.send(self.picture_request(self.jpeg(name), camera, **changed))

    def picture_request(self, data: bytes, camera: str = "utara", **changed: str) -> PushRequest:
        headers = {
            "Authorization": f"Bearer {SECRET}",
            "Content-Type": "image/jpeg",
            "Etle-Camera": camera,
            "Etle-SHA256": digest_of(data),
            **changed,
        }
        return PushRequest(method="POST", path="/v1/pictures", headers=headers, body=data)

    @staticmethod
    def jpeg(name: str) -> bytes:
        return grey_jpeg(640, 360, comment=name)

    def shown(self, name: str, role: str = "at", **changed: Any) -> dict[str, Any]:
        """As an event names the picture."""
        return {"role": role, "sha256": digest_of(self.jpeg(name)), "captured_at": self.api.clock.now().isoformat(), **changed}

    def event(self, id_: str, **changed: Any) -> dict[str, Any]:
        """83 km/h where 60 are allowed, with a picture of the event's own name."""
        return self.api.samples.event(
            **{
                "id": id_,
                "kind": "speed",
                "device": {"model": "Acme Radar 9", "serial": RADAR, "firmware": "2.4", "certificate": CERTIFICATE.number},
                "measured": [{"name": "speed", "value": 83.0, "unit": "km/h", "uncertainty": 0.5}],
                "pictures": [self.shown(id_, vehicle_box=[100, 50, 400, 300], plate_box=[200, 250, 300, 280])],
                **changed,
            }
        )

    def push(self, event: dict[str, Any], *, signature: str | None = None, sent_at: str | None = None) -> PushReply:
        """Signed by the device, unless another signature is given."""
        body = json.dumps(event).encode()
        signed = self.signer.sign(EVENT_CONTEXT + body).hex() if signature is None else signature
        request = self.api.samples.raw_event_request(body)
        headers = {**request.headers, "Etle-Signature": signed, **({"Etle-Sent-At": sent_at} if sent_at else {})}
        return self.api.send(PushRequest(method="POST", path=request.path, headers=headers, body=body))

    def device(self, serial: str, **changed: str) -> dict[str, Any]:
        return {"model": "Acme", "serial": serial, "firmware": "1", **changed}
