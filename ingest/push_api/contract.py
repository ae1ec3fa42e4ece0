"""Version 1 of what a vendor's box says: the headers of a frame, and an event's JSON. What is not understood is refused, and named."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from etle.types import Digest, VehicleClass
from etle.wire import DIGEST
from ingest.push_api.errors import ApiError, ErrorCode

VERSION: Final = "v1"
CAMERA: Final = "etle-camera"
SEQUENCE: Final = "etle-sequence"
CAPTURED_AT: Final = "etle-captured-at"
SENT_AT: Final = "etle-sent-at"
SHA256: Final = "etle-sha256"
AUTHORIZATION: Final = "authorization"
CONTENT_TYPE: Final = "content-type"
CONTENT_LENGTH: Final = "content-length"
OURS: Final = frozenset((CAMERA, SEQUENCE, CAPTURED_AT, SENT_AT, SHA256, AUTHORIZATION, CONTENT_TYPE, CONTENT_LENGTH))
LARGEST_EVENT: Final = 256 * 1024
_NUMBER: Final = re.compile(r"[0-9]{1,18}", re.ASCII)
_MOMENT: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})", re.ASCII)

Word = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]*$")]
Moment = Annotated[datetime, Meta(tz=True)]


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameHeader:
    """What the headers of a pushed frame say."""

    camera: str
    sequence: int
    captured_at: datetime
    sent_at: datetime
    sha256: Digest


class Measured(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A quantity that the box measured, with its standard uncertainty in the same unit."""

    name: Word
    value: float
    unit: Word
    uncertainty: Annotated[float, Meta(ge=0)] | None = None


class ClaimedPlate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """As the box read it."""

    text: Annotated[str, Meta(min_length=1, max_length=20, pattern=r"^[A-Z0-9]+$")]
    confidence: Annotated[float, Meta(ge=0, le=1)] | None = None


class DeviceInfo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which box says so."""

    model: Word
    serial: Word
    firmware: Word
    certificate: Word | None = None
    """Number of its calibration certificate."""


class VendorEvent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a vendor's box claims to have seen. It is kept as it came; a case is made only of what our own stages find in the frames."""

    id: Word
    """Unique for the vendor. The same event sent twice is kept once."""
    camera: Word
    kind: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
    """What was seen: one of our rules' names (red_light, stop_line, wrong_way, ...), or the vendor's own."""
    occurred_at: Moment
    sent_at: Moment
    device: DeviceInfo
    sequences: Annotated[tuple[Annotated[int, Meta(ge=0, lt=10**18)], ...], Meta(max_length=200)] = ()
    """Frames of the camera that show it."""
    vehicle: VehicleClass | None = None
    plate: ClaimedPlate | None = None
    measured: Annotated[tuple[Measured, ...], Meta(max_length=20)] = ()


def headers_of(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Those that we read, each once. Raises ApiError."""
    found: dict[str, str] = {}
    for name, value in raw:
        key = name.decode("latin-1").lower()
        if key not in OURS:
            continue
        if key in found:
            raise ApiError(ErrorCode.BAD_HEADER, f"{shown(key)} is there twice", shown(key))
        found[key] = value.decode("latin-1").strip()
    return found


def frame_head(headers: dict[str, str]) -> FrameHeader:
    """Raises ApiError."""
    return FrameHeader(
        camera=_given(headers, CAMERA),
        sequence=_number(headers, SEQUENCE),
        captured_at=_moment(headers, CAPTURED_AT),
        sent_at=_moment(headers, SENT_AT),
        sha256=_digest(headers, SHA256),
    )


def event_of(body: bytes) -> VendorEvent:
    """Raises ApiError."""
    try:
        return msgspec.json.decode(body, type=VendorEvent)
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at `$")
        field = place.rstrip("`").lstrip(".") or None
        raise ApiError(ErrorCode.BAD_BODY, f"{field or 'the event'}: {message}", field) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError, ValueError) as error:
        raise ApiError(ErrorCode.BAD_BODY, f"the body is not JSON: {error}") from error


def event_schema() -> dict[str, object]:
    """JSON Schema of an event, for vendors."""
    schema = msgspec.json.schema(VendorEvent)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "etle vendor event, version 1", **schema}


def shown(header: str) -> str:
    """As it is written in the documents."""
    return "-".join("SHA256" if part == "sha256" else part.capitalize() for part in header.split("-"))


def _given(headers: dict[str, str], name: str) -> str:
    value = headers.get(name, "")
    if not value:
        raise ApiError(ErrorCode.BAD_HEADER, f"{shown(name)} is missing", shown(name))
    return value


def _number(headers: dict[str, str], name: str) -> int:
    value = _given(headers, name)
    if not _NUMBER.fullmatch(value):
        raise ApiError(ErrorCode.BAD_HEADER, f"{shown(name)} is a whole number of at most 18 digits; here: {value[:40]!r}", shown(name))
    return int(value)


def _moment(headers: dict[str, str], name: str) -> datetime:
    value = _given(headers, name)
    wrong = ApiError(
        ErrorCode.BAD_HEADER, f"{shown(name)} is a moment such as 2026-11-23T10:00:00.250+07:00; here: {value[:40]!r}", shown(name)
    )
    if not _MOMENT.fullmatch(value):
        raise wrong
    try:
        return datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise wrong from error


def _digest(headers: dict[str, str], name: str) -> Digest:
    value = _given(headers, name)
    if not DIGEST.fullmatch(value):
        raise ApiError(ErrorCode.BAD_HEADER, f"{shown(name)} is the body's SHA-256 as 64 small hexadecimal digits", shown(name))
    return Digest(value)
