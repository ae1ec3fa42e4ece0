"""The wire format: a frame is its JPEG with headers, a violation with its files is one msgpack message.

The value of a frame's message is its JPEG, byte for byte, so that nothing between camera and evidence has to encode it again.
Every message carries the version of its schema. A message that does not satisfy the schema raises WireError, which names what is wrong.
Besides the types it is checked that times are in UTC, numbers are finite (JSON has no others), digests are SHA-256 in hexadecimal, and
texts have no NUL (PostgreSQL stores none).
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final, Protocol, TypeAlias, TypeVar

import msgspec

from etle.controller import readings_from_json, readings_to_json
from etle.decoded_types import prepare
from etle.errors import WireError
from etle.types import CameraId, Digest, Frame, FrameSignature, Violation, ViolationMessage, digest_of

SCHEMA: Final = 1
DIGEST: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
SUFFIX: Final = re.compile(r"\.[a-z0-9]{1,8}", re.ASCII)
_VIOLATION_MESSAGE: Final = b"etle violation message\0"
"""Signed in front of the message, so that a signature of something else is none of a violation."""
_NUMBER: Final = re.compile(rb"[0-9]{1,18}")
_DECIMAL: Final = re.compile(rb"-?[0-9]{1,18}(\.[0-9]{1,24})?(e-?[0-9]{1,3})?")

Headers: TypeAlias = Sequence[tuple[str, bytes]]
Sign: TypeAlias = Callable[[bytes], bytes]
Verify: TypeAlias = Callable[[CameraId, bytes, bytes], bool]
"""Camera, signed bytes, signature: whether a device that may sign for the camera made the signature."""

T = TypeVar("T")


class Decode(Protocol):
    """msgspec's decode of msgpack or JSON."""

    def __call__(self, buf: bytes | msgspec.Raw, /, *, type: type[T]) -> T: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Envelope:
    """Decoded before the body, so that a message of a later version is reported as such and not by its first unknown field."""

    schema: int
    body: msgspec.Raw


prepare(_Envelope, ViolationMessage, Violation)


@dataclass(frozen=True, slots=True, kw_only=True)
class _ViolationMessageEnvelope:
    schema: int
    body: ViolationMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class _ViolationEnvelope:
    schema: int
    body: Violation


def violation_message_to_wire(message: ViolationMessage) -> bytes:
    """Raises WireError for a value that could not be read back."""
    _check(message)
    return msgspec.msgpack.encode(_ViolationMessageEnvelope(schema=SCHEMA, body=message))


def violation_headers(value: bytes, sign: Sign | None) -> list[tuple[str, bytes]]:
    """Headers of a violation message: the signature of the detect worker that found it; none without a key."""
    return [] if sign is None else [("signature", sign(_VIOLATION_MESSAGE + value))]


def is_violation_signed(headers: Headers, value: bytes, verify: Callable[[bytes, bytes], bool]) -> bool:
    """`verify`: whether a trusted key made this signature of these bytes."""
    return any(name == "signature" and verify(_VIOLATION_MESSAGE + value, signature) for name, signature in headers)


def violation_message_from_wire(data: bytes) -> ViolationMessage:
    """Raises WireError. The files are not hashed here: the writer does it before it stores them."""
    return _read(data, msgspec.msgpack.decode, ViolationMessage, "violation message")


def violation_to_json(violation: Violation) -> str:
    """For the database. Raises WireError for a value that could not be read back."""
    _check(violation)
    return msgspec.json.encode(_ViolationEnvelope(schema=SCHEMA, body=violation)).decode()


def violation_from_json(text: str) -> Violation:
    return _read(text.encode(errors="replace"), msgspec.json.decode, Violation, "violation")


def frame_to_wire(frame: Frame, sign: Sign | None = None) -> tuple[list[tuple[str, bytes]], bytes]:
    """Headers and value of a frame's message. The signature covers all headers, and through the digest also the JPEG."""
    headers = [
        ("schema", str(SCHEMA).encode()),
        ("camera", frame.camera.encode()),
        ("sequence", str(frame.sequence).encode()),
        ("captured_at", _in_utc(frame.captured_at, "captured_at").isoformat().encode()),
        ("received_at", _in_utc(frame.received_at, "received_at").isoformat().encode()),
        ("width", str(frame.width).encode()),
        ("height", str(frame.height).encode()),
        ("sha256", frame.sha256.encode()),
    ]
    if frame.clock_error_s is not None:
        headers.append(("clock_error_s", repr(frame.clock_error_s).encode()))
    if frame.controller:
        headers.append(("controller", readings_to_json(frame.controller)))
    if sign is not None:
        headers.append(("signature", sign(signed_part(headers))))
    return headers, frame.jpeg


def frame_from_wire(headers: Headers, value: bytes, verify: Verify | None = None) -> Frame:
    """Raises WireError, also if the JPEG has another digest. With `verify`, a frame without a valid signature is an error."""
    named = _by_name(headers)
    if _whole_number(named, "schema") != SCHEMA:
        raise WireError(f"frame: schema {_whole_number(named, 'schema')}, but this version of etle reads schema {SCHEMA}")
    frame = Frame(
        camera=CameraId(_text(named, "camera")),
        sequence=_whole_number(named, "sequence"),
        captured_at=_time(named, "captured_at"),
        received_at=_time(named, "received_at"),
        clock_error_s=_number(named, "clock_error_s") if "clock_error_s" in named else None,
        width=_whole_number(named, "width"),
        height=_whole_number(named, "height"),
        sha256=Digest(_text(named, "sha256")),
        jpeg=value,
        controller=readings_from_json(named["controller"]) if "controller" in named else (),
        signature=FrameSignature(signed=signed_part(headers).hex(), signature=named["signature"].hex()) if "signature" in named else None,
    )
    if digest_of(value) != frame.sha256:
        raise WireError(f"frame {frame.sequence} of {frame.camera}: the picture has another digest than its header sha256")
    if verify is not None:
        _check_signature(frame.camera, headers, named, verify)
    return frame


def signed_part(headers: Headers) -> bytes:
    """The bytes that are signed: every header except the signature, sorted, each name and value with its length in front."""
    rest = sorted((name.encode(), value) for name, value in headers if name != "signature")
    return b"".join(len(part).to_bytes(4, "big") + part for header in rest for part in header)


def _check_signature(camera: CameraId, headers: Headers, named: dict[str, bytes], verify: Verify) -> None:
    if "signature" not in named:
        raise WireError(f"frame of {camera}: no signature, and this site requires one")
    if not verify(camera, signed_part(headers), named["signature"]):
        raise WireError(f"frame of {camera}: the signature is not valid for any device that may sign for this camera")


def _by_name(headers: Headers) -> dict[str, bytes]:
    named: dict[str, bytes] = {}
    for name, value in headers:
        if name in named:
            raise WireError(f"frame: header {name!r} is given twice")
        named[name] = value
    return named


def _header(named: dict[str, bytes], name: str) -> bytes:
    try:
        return named[name]
    except KeyError:
        raise WireError(f"frame: header {name} is missing") from None


def _text(named: dict[str, bytes], name: str) -> str:
    value = _header(named, name)
    try:
        text = value.decode()
    except UnicodeDecodeError:
        raise WireError(f"frame: header {name} is not UTF-8: {value[:40]!r}") from None
    if not text or "\0" in text:
        raise WireError(f"frame: header {name} is empty or has a NUL: {value[:40]!r}")
    return text


def _whole_number(named: dict[str, bytes], name: str) -> int:
    value = _header(named, name)
    if not _NUMBER.fullmatch(value):
        raise WireError(f"frame: header {name} is not a whole number: {value[:40]!r}")
    return int(value)


def _number(named: dict[str, bytes], name: str) -> float:
    value = _header(named, name)
    if not _DECIMAL.fullmatch(value) or not math.isfinite(float(value)):
        raise WireError(f"frame: header {name} is not a finite number: {value[:40]!r}")
    return float(value)


def _time(named: dict[str, bytes], name: str) -> datetime:
    text = _text(named, name)
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise WireError(f"frame: header {name} is not an ISO 8601 time: {text[:40]!r}") from None
    return _in_utc(time, f"frame: header {name}")


def _in_utc(time: datetime, name: str) -> datetime:
    if time.utcoffset() != timedelta(0):
        raise WireError(f"{name} is not in UTC: {time.isoformat()}")
    return time.astimezone(UTC)


def _read(data: bytes, decode: "Decode", kind: type[T], name: str) -> T:
    try:
        envelope = decode(data, type=_Envelope)
        if envelope.schema != SCHEMA:
            raise WireError(f"{name}: schema {envelope.schema}, but this version of etle reads schema {SCHEMA}")
        value = decode(envelope.body, type=kind)
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError) as error:
        raise WireError(f"{name}: {error}") from error
    _check(value)
    return value


def _check(value: object) -> None:
    found = _problem_in(value, "")
    if found:
        raise WireError(f"{found[0].lstrip('.')}: {found[1]}")


def _problem_in(value: object, field: str) -> tuple[str, str] | None:
    """The path inside `value` of the first leaf that may not be there, and why. `field`: name of the field that holds the value."""
    if isinstance(value, str):
        problem = _text_problem(field, value)
    elif isinstance(value, float):
        problem = None if math.isfinite(value) else f"{value} is not a finite number"
    elif isinstance(value, tuple):
        return _problem_in_items(value)
    elif isinstance(value, datetime):
        problem = None if value.utcoffset() == timedelta(0) else f"{value.isoformat()} is not in UTC"
    elif is_dataclass(value):
        return _problem_in_fields(value)
    else:
        return None
    return ("", problem) if problem else None


def _problem_in_items(items: tuple[object, ...]) -> tuple[str, str] | None:
    for index, item in enumerate(items):
        if found := _problem_in(item, ""):
            return f"[{index}]{found[0]}", found[1]
    return None


def _problem_in_fields(value: Any) -> tuple[str, str] | None:
    for name in _field_names(value.__class__):
        if found := _problem_in(getattr(value, name), name):
            return f".{name}{found[0]}", found[1]
    return None


@cache
def _field_names(kind: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def _text_problem(field: str, text: str) -> str | None:
    if "\0" in text:
        return f"{text[:40]!r} has a NUL"
    if field in ("sha256", "config_digest") and not DIGEST.fullmatch(text):
        return f"{text[:80]!r} is not a SHA-256 in hexadecimal"
    if field == "suffix" and not SUFFIX.fullmatch(text):
        return f"{text[:40]!r} is not a suffix such as .jpg"
    return None
