"""Makes a violation of an event that a registered device reported: who may report what, whether it is beyond limit and tolerance, and
whether a valid certificate makes it proof or a lead.

The pictures are the device's own bytes. The event as it was signed and its signature are files of the evidence, too, so that anyone can
verify them with the device's public key.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, timedelta
from typing import Final
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from etle import __version__
from etle.config.instruments import CertificateState, Instrument, InstrumentCertificate, InstrumentRule
from etle.config.law import Law
from etle.config.site import CameraSettings, Site
from etle.errors import ConfigError
from etle.media import jpeg
from etle.plates import parse, warnings_for
from etle.signing import message_verifier
from etle.types import (
    LEAD_MARK,
    Box,
    Certainty,
    CharacterRead,
    Digest,
    Drawing,
    EvidenceFile,
    EvidencePicture,
    EvidenceRole,
    Measurement,
    Plate,
    PlateColour,
    Provenance,
    RuleName,
    TrackId,
    VehicleClass,
    Violation,
    ViolationId,
    ViolationMessage,
    digest_of,
)
from ingest.push_api.contract import SIGNATURE, EventPicture, Measured, VendorEvent, display_name
from ingest.push_api.errors import ApiError, ErrorCode

EVENT_CONTEXT: Final = b"etle vendor event\0"
"""Signed in front of the event's bytes, so that a signature of something else is none of an event."""
MAX_APART: Final = timedelta(seconds=60)
"""Between the event and each of its pictures."""
_NAMESPACE: Final = UUID("5d0c1f0e-3b6d-5a56-9a0e-6f1d4c7f0b52")
_COVERAGE: Final = 2.0
"""Interval of a measured value: plus and minus so many standard uncertainties, as for the rule `speed`."""
_UNKNOWN_CONFIDENCE: Final = 0.5
"""For the characters of a plate whose device states no confidence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertifiedMeasurement:
    """What was compared with the limit."""

    limit: float
    tolerance: float
    unit: str


class EventCaseBuilder:
    """For the registered devices of a site."""

    def __init__(self, site: Site, law: Law) -> None:
        """Raises ConfigError if a public key cannot be read, or if a device reports a rule that has no offence or for an unknown camera."""
        self._site = site
        self._law = law
        self._devices: dict[tuple[str, str], tuple[Instrument, Callable[[bytes, bytes], bool]]] = {}
        cameras = {camera.id: camera.source.pushed_by for camera in site.cameras}
        for vendor in site.ingest.vendors:
            for device in vendor.instruments:
                _check_names(device, vendor.id, cameras, law)
                verify = message_verifier([device.public_key])
                assert verify is not None, "there is one key"
                self._devices[vendor.id, device.serial] = device, verify

    def is_case(self, vendor: str, event: VendorEvent) -> bool:
        """Whether the event is to become a case. Others are only stored, for comparison."""
        device, _ = self._devices.get((vendor, event.device.serial), (None, None))
        return bool(event.pictures) or (device is not None and device.rule(event.kind) is not None)

    def message(
        self,
        vendor: str,
        camera: CameraSettings,
        event: VendorEvent,
        body: bytes,
        signature: str,
        picture: Callable[[Digest], bytes | None],
    ) -> ViolationMessage:
        """`signature`: of the device, in hexadecimal. `picture`: its bytes by digest. Raises ApiError if the event cannot be a case."""
        device = self._device(vendor, camera, event, body, signature)
        rule = device.rule(event.kind)
        if rule is None:
            raise ApiError(
                ErrorCode.BAD_BODY,
                f"the device {device.serial!r} is not registered for {event.kind!r}; it is for: {', '.join(r.rule for r in device.rules)}",
                "kind",
            )
        if event.vehicle is None:
            raise ApiError(ErrorCode.BAD_BODY, "an event that becomes a case needs the class of the vehicle", "vehicle")
        day = event.occurred_at.astimezone(ZoneInfo(self._site.timezone)).date()
        certificate, state = device.certificate(day, event.device.certificate)
        valid = certificate if state is CertificateState.VALID else None
        measured = _beyond_limit(event, rule, valid)
        shown = _pictures(event.pictures, event, picture)
        files = (*shown.values(), _file(body, ".json"), _file(signature.encode(), ".sig"))
        violation = self._violation(vendor, camera, event, event.vehicle, tuple(shown))
        facts = (*_device_facts(vendor, event), *_certificate_facts(certificate, state), *_limit_facts(measured))
        return ViolationMessage(
            violation=replace(violation, facts=facts, marks=() if valid else (LEAD_MARK,)),
            files=tuple({f.sha256: f for f in files}.values()),
        )

    def _device(self, vendor: str, camera: CameraSettings, event: VendorEvent, body: bytes, signature: str) -> Instrument:
        serial = event.device.serial
        if (vendor, serial) not in self._devices:
            raise ApiError(ErrorCode.UNKNOWN_DEVICE, f"no device {serial!r} of this vendor is registered at this site", "device.serial")
        device, verify = self._devices[vendor, serial]
        if not _is_signed(verify, body, signature):
            raise ApiError(
                ErrorCode.WRONG_SIGNATURE,
                f"{display_name(SIGNATURE)} is not the signature of these bytes by the registered key of the device {serial!r}",
                display_name(SIGNATURE),
            )
        if camera.id not in device.cameras:
            raise ApiError(ErrorCode.UNKNOWN_CAMERA, f"the device {serial!r} is not registered for the camera {camera.id!r}", "camera")
        return device

    def _violation(
        self, vendor: str, camera: CameraSettings, event: VendorEvent, vehicle: VehicleClass, pictures: Sequence[EvidencePicture]
    ) -> Violation:
        site, occurred_at = self._site, event.occurred_at.astimezone(UTC)
        return Violation(
            id=ViolationId(uuid5(_NAMESPACE, f"{site.site}/{vendor}/{event.id}")),
            site=site.site,
            camera=camera.camera_id,
            camera_name=camera.name or camera.id,
            rule=RuleName(event.kind),
            article=self._law.article(RuleName(event.kind), occurred_at, site.timezone),
            occurred_at=occurred_at,
            timezone=site.timezone,
            vehicle=vehicle,
            track=TrackId(event.id),
            measured=tuple(
                Measurement(name=each.name, value=each.value, unit=each.unit, uncertainty=each.uncertainty) for each in event.measured
            ),
            signal=(),
            path=(),
            plate=_plate(event, vehicle),
            pictures=tuple(pictures),
            clip=None,
            drawing=Drawing(lines=(), areas=(), signals=()),
            provenance=Provenance(code_version=__version__, models=(), config_digest=site.digest, run=f"vendor {vendor}"),
            polda=site.polda,
        )


def _check_names(device: Instrument, vendor: str, cameras: Mapping[str, str | None], law: Law) -> None:
    for camera in device.cameras:
        if cameras.get(camera) != vendor:
            raise ConfigError(f"instrument {device.serial!r}: {camera!r} is no camera that the vendor {vendor!r} pushes")
    for rule in device.rules:
        if RuleName(rule.rule) not in law.offences:
            raise ConfigError(f"instrument {device.serial!r}: there is no rule {rule.rule!r}; there are: {', '.join(law.offences)}")


def _is_signed(verify: Callable[[bytes, bytes], bool], body: bytes, signature: str) -> bool:
    try:
        return verify(EVENT_CONTEXT + body, bytes.fromhex(signature))
    except ValueError:
        return False


def _beyond_limit(event: VendorEvent, rule: InstrumentRule, certificate: InstrumentCertificate | None) -> CertifiedMeasurement | None:
    """None for a rule that pictures alone show. Raises ApiError unless the measurement is certainly beyond limit and tolerance."""
    if rule.quantity is None:
        return None
    assert rule.unit is not None
    measured = _value(event, rule.quantity, rule.unit)
    limit = rule.limit if rule.limit is not None else _value(event, rule.limit_from or "", rule.unit).value
    tolerance = max(rule.tolerance, certificate.tolerance if certificate else 0.0)
    least = measured.value - _COVERAGE * (measured.uncertainty or 0.0)
    if not least > limit + tolerance:
        raise ApiError(
            ErrorCode.BELOW_LIMIT,
            f"{rule.quantity} is {measured.value:g} {rule.unit}, certainly {least:g}: not beyond the limit of {limit:g} and the tolerance "
            f"of {tolerance:g}. Do not send it again",
            "measured",
        )
    return CertifiedMeasurement(limit=limit, tolerance=tolerance, unit=rule.unit)


def _value(event: VendorEvent, name: str, unit: str) -> Measured:
    found = next((each for each in event.measured if each.name == name), None)
    if found is None or found.unit != unit or not math.isfinite(found.value) or not math.isfinite(found.uncertainty or 0.0):
        raise ApiError(ErrorCode.NOT_MEASURED, f"an event of this kind needs the measured value {name!r} in {unit}", "measured")
    return found


def _pictures(
    named: Sequence[EventPicture], event: VendorEvent, picture: Callable[[Digest], bytes | None]
) -> dict[EvidencePicture, EvidenceFile]:
    """In the order of their times. Raises ApiError."""
    roles = [each.role for each in named]
    if EvidenceRole.AT not in roles:
        raise ApiError(ErrorCode.MISSING_PICTURE, f"the event names no picture of the role {EvidenceRole.AT.value!r}", "pictures")
    if len(set(roles)) < len(roles):
        raise ApiError(ErrorCode.BAD_BODY, "two pictures have the same role", "pictures")
    found: dict[EvidencePicture, EvidenceFile] = {}
    for number, each in enumerate(sorted(named, key=lambda each: each.captured_at)):
        data = picture(Digest(each.sha256))
        if data is None:
            raise ApiError(ErrorCode.MISSING_PICTURE, f"send the picture {each.sha256} first, to /v1/pictures", "pictures")
        if abs(each.captured_at - event.occurred_at) > MAX_APART:
            raise ApiError(ErrorCode.BAD_BODY, f"the picture {each.role.value!r} is more than a minute from the event", "pictures")
        found[_picture(number, each, data)] = _file(data, ".jpg")
    return found


def _picture(number: int, named: EventPicture, data: bytes) -> EvidencePicture:
    size = jpeg.size_of(data)
    return EvidencePicture(
        role=named.role,
        sequence=number,
        captured_at=named.captured_at.astimezone(UTC),
        width=size.width,
        height=size.height,
        sha256=digest_of(data),
        vehicle_box=_box(named.vehicle_box, size),
        plate_box=_box(named.plate_box, size),
    )


def _box(given: tuple[float, float, float, float] | None, size: jpeg.JpegSize) -> Box | None:
    """Raises ApiError if it is not inside of the picture."""
    if given is None:
        return None
    box = Box(*given)
    if not (0 <= box.x1 < box.x2 <= size.width and 0 <= box.y1 < box.y2 <= size.height):
        raise ApiError(ErrorCode.BAD_BODY, f"a box is x1, y1, x2, y2 in pixels of a picture of {size.width}x{size.height}", "pictures")
    return box


def _plate(event: VendorEvent, vehicle: VehicleClass) -> Plate:
    """As the device read it, always to be checked: its confidence is not that of our readers."""
    claimed = event.plate
    text = claimed.text if claimed else None
    confidence = _UNKNOWN_CONFIDENCE if claimed is None or claimed.confidence is None else claimed.confidence
    return Plate(
        text=text,
        characters=tuple(CharacterRead(character=each, probability=confidence) for each in text or ""),
        probability=confidence if text else 0.0,
        certainty=Certainty.CHECK if text else Certainty.UNREADABLE,
        colour=PlateColour.UNKNOWN,
        expiry=None,
        alternatives=(),
        notes=tuple(each.value for each in warnings_for(parse(text), vehicle, event.occurred_at)) if text else (),
        sightings=(),
    )


def _device_facts(vendor: str, event: VendorEvent) -> tuple[tuple[str, str], ...]:
    device = event.device
    return (("device", f"{device.model}, {device.serial}, {device.firmware}"), ("vendor", vendor))


def _certificate_facts(certificate: InstrumentCertificate | None, state: CertificateState) -> tuple[tuple[str, str], ...]:
    found: tuple[tuple[str, str], ...] = (("certificate_state", state.value),)
    if certificate is None:
        return found
    return (
        ("certificate", certificate.number),
        ("certificate_authority", certificate.authority),
        ("certificate_valid", f"{certificate.valid_from} – {certificate.valid_to}"),
        *found,
    )


def _limit_facts(measured: CertifiedMeasurement | None) -> tuple[tuple[str, str], ...]:
    if measured is None:
        return ()
    return (("device_limit", f"{measured.limit:g} {measured.unit}"), ("tolerance", f"{measured.tolerance:g} {measured.unit}"))


def _file(data: bytes, suffix: str) -> EvidenceFile:
    return EvidenceFile(sha256=digest_of(data), suffix=suffix, data=data)
