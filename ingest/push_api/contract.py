"""Version 1 of the push API's contract: the headers of a frame, and the JSON of an event. Unknown or malformed values raise ApiError."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from etle.decoded_types import prepare
from etle.types import Digest, EvidenceRole, VehicleClass
from etle.wire import DIGEST
from ingest.push_api.errors import ApiError, ErrorCode

VERSION: Final = "v1"
FRAMES_PATH: Final = f"/{VERSION}/frames"
EVENTS_PATH: Final = f"/{VERSION}/events"
PICTURES_PATH: Final = f"/{VERSION}/pictures"
CAMERAS_PATH: Final = f"/{VERSION}/cameras"
CAMERA: Final = "etle-camera"
SEQUENCE: Final = "etle-sequence"
CAPTURED_AT: Final = "etle-captured-at"
SENT_AT: Final = "etle-sent-at"
SHA256: Final = "etle-sha256"
SIGNATURE: Final = "etle-signature"
AUTHORIZATION: Final = "authorization"
CONTENT_TYPE: Final = "content-type"
CONTENT_LENGTH: Final = "content-length"
KNOWN_HEADERS: Final = frozenset((CAMERA, SEQUENCE, CAPTURED_AT, SENT_AT, SHA256, SIGNATURE, AUTHORIZATION, CONTENT_TYPE, CONTENT_LENGTH))
MAX_EVENT_BYTES: Final = 256 * 1024
_SEQUENCE: Final = re.compile(r"[0-9]{1,18}", re.ASCII)
_TIMESTAMP: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})", re.ASCII)

MAX_AGE: Final = timedelta(days=31)
"""An older frame or event is of a device whose clock was wrong, not of one that was long offline."""
ShortText = Annotated[
    str,
    Meta(min_length=1, max_length=100, pattern="^[^\x00-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]*$"),
]
"""Without control characters, and without those that change the direction of a text: a reader would see something else than is stored."""
Timestamp = Annotated[datetime, Meta(tz=True)]


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameHeader:
    """The headers of a pushed frame."""

    camera: str
    sequence: int
    captured_at: datetime
    sent_at: datetime
    sha256: Digest


class Measured(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A quantity that the device measured, with its standard uncertainty in the same unit."""

    name: ShortText
    value: float
    unit: ShortText
    uncertainty: Annotated[float, Meta(ge=0)] | None = None


class ClaimedPlate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The plate as the device read it."""

    text: Annotated[str, Meta(min_length=1, max_length=20, pattern=r"^[A-Z0-9]+$")]
    confidence: Annotated[float, Meta(ge=0, le=1)] | None = None


PixelBox = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels of the picture."""


class EventPicture(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A picture of the event, which the device has sent to /v1/pictures."""

    role: EvidenceRole
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    captured_at: Timestamp
    vehicle_box: PixelBox | None = None
    plate_box: PixelBox | None = None


class DeviceInfo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The device that sends the event."""

    model: ShortText
    serial: ShortText
    firmware: ShortText
    certificate: ShortText | None = None
    """Number of its calibration certificate."""


class VendorEvent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A violation that a vendor's device claims to have seen. Its bytes are stored unchanged. It becomes a case if it has pictures and a
    registered device signed it."""

    id: ShortText
    """Unique for the vendor. An event that is sent twice is stored once."""
    camera: ShortText
    kind: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
    """The name of one of our rules (red_light, stop_line, wrong_way, ...), or a name of the vendor's own."""
    occurred_at: Timestamp
    sent_at: Timestamp
    device: DeviceInfo
    sequences: Annotated[tuple[Annotated[int, Meta(ge=0, lt=10**18)], ...], Meta(max_length=200)] = ()
    """Frames of the camera that show it."""
    vehicle: VehicleClass | None = None
    plate: ClaimedPlate | None = None
    measured: Annotated[tuple[Measured, ...], Meta(max_length=20)] = ()
    pictures: Annotated[tuple[EventPicture, ...], Meta(max_length=4)] = ()
    """One of each role at most; `at` is needed."""


prepare(VendorEvent)


def parse_headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """The headers of KNOWN_HEADERS, names in lower case. Raises ApiError if one of them occurs twice."""
    found: dict[str, str] = {}
    for name, value in raw:
        key = name.decode("latin-1").lower()
        if key not in KNOWN_HEADERS:
            continue
        if key in found:
            raise ApiError(ErrorCode.BAD_HEADER, f"{display_name(key)} occurs twice", display_name(key))
        found[key] = value.decode("latin-1").strip()
    return found


def parse_frame_header(headers: dict[str, str]) -> FrameHeader:
    """Raises ApiError."""
    return FrameHeader(
        camera=_required(headers, CAMERA),
        sequence=_sequence(headers, SEQUENCE),
        captured_at=_timestamp(headers, CAPTURED_AT),
        sent_at=_timestamp(headers, SENT_AT),
        sha256=_digest(headers, SHA256),
    )


def parse_picture_header(headers: dict[str, str]) -> tuple[str, Digest]:
    """Camera and digest of a picture of an event. Raises ApiError."""
    return _required(headers, CAMERA), _digest(headers, SHA256)


def parse_sent_at(headers: dict[str, str]) -> datetime | None:
    """When an event is sent, if the request says so beside the event itself. Raises ApiError."""
    return _timestamp(headers, SENT_AT) if SENT_AT in headers else None


def parse_event(body: bytes) -> VendorEvent:
    """Raises ApiError."""
    try:
        return msgspec.json.decode(body, type=VendorEvent)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        field = path.rstrip("`").lstrip(".") or None
        raise ApiError(ErrorCode.BAD_BODY, f"{field or 'the event'}: {message}", field) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError, ValueError) as error:
        raise ApiError(ErrorCode.BAD_BODY, f"the body is not JSON: {error}") from error


def event_schema() -> dict[str, object]:
    """JSON Schema of an event, for vendors."""
    schema = msgspec.json.schema(VendorEvent)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "etle vendor event, version 1", **schema}


def display_name(header: str) -> str:
    """The header's name as the documentation writes it: `etle-sha256` is `Etle-SHA256`."""
    return "-".join("SHA256" if part == "sha256" else part.capitalize() for part in header.split("-"))


def _required(headers: dict[str, str], name: str) -> str:
    value = headers.get(name, "")
    if not value:
        raise ApiError(ErrorCode.BAD_HEADER, f"{display_name(name)} is missing", display_name(name))
    return value


def _sequence(headers: dict[str, str], name: str) -> int:
    value = _required(headers, name)
    if not _SEQUENCE.fullmatch(value):
        raise ApiError(
            ErrorCode.BAD_HEADER,
            f"{display_name(name)} must be a whole number of at most 18 digits; received {value[:40]!r}",
            display_name(name),
        )
    return int(value)


def _timestamp(headers: dict[str, str], name: str) -> datetime:
    value = _required(headers, name)
    invalid = ApiError(
        ErrorCode.BAD_HEADER,
        f"{display_name(name)} must be a timestamp such as 2026-11-23T10:00:00.250+07:00; received {value[:40]!r}",
        display_name(name),
    )
    if not _TIMESTAMP.fullmatch(value):
        raise invalid
    try:
        return datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise invalid from error


def _digest(headers: dict[str, str], name: str) -> Digest:
    value = _required(headers, name)
    if not DIGEST.fullmatch(value):
        raise ApiError(
            ErrorCode.BAD_HEADER, f"{display_name(name)} must be the body's SHA-256 as 64 lower-case hexadecimal digits", display_name(name)
        )
    return Digest(value)
