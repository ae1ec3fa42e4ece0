"""How frames and violations travel: a frame as its JPEG with headers, a violation with its files as one msgpack message.

A frame's picture is the message itself, byte for byte, so that nothing between camera and evidence ever has to encode it again.
Every message says which version of the contract it keeps. What does not keep it is told as WireError that names what is wrong;
beyond types this means: moments are aware and in UTC, numbers are finite (JSON knows no other), a digest is one, a text has no NUL
(PostgreSQL keeps none).
"""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol, TypeAlias, TypeVar

import msgspec

from etle.errors import WireError
from etle.types import CameraId, Digest, Frame, Violation, ViolationMessage, digest_of

SCHEMA: Final = 1
DIGEST: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
SUFFIX: Final = re.compile(r"\.[a-z0-9]{1,8}", re.ASCII)
_NUMBER: Final = re.compile(rb"[0-9]{1,18}")
_DECIMAL: Final = re.compile(rb"-?[0-9]{1,18}(\.[0-9]{1,18})?(e-?[0-9]{1,3})?")

Headers: TypeAlias = Sequence[tuple[str, bytes]]
Sign: TypeAlias = Callable[[bytes], bytes]
Verify: TypeAlias = Callable[[CameraId, bytes, bytes], bool]
"""Camera, what was signed, signature: is it that camera's box's?"""


T = TypeVar("T")


class Decode(Protocol):
    """msgspec's decode of msgpack or JSON."""

    def __call__(self, buf: bytes | msgspec.Raw, /, *, type: type[T]) -> T: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Envelope:
    """Read before the body, so that a message of a later version is told as such and not by its first strange field."""

    schema: int
    body: msgspec.Raw


@dataclass(frozen=True, slots=True, kw_only=True)
class _SealedParcel:
    schema: int
    body: ViolationMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class _SealedViolation:
    schema: int
    body: Violation


def violation_message_to_wire(parcel: ViolationMessage) -> bytes:
    _check(parcel)
    return msgspec.msgpack.encode(_SealedParcel(schema=SCHEMA, body=parcel))


def violation_message_from_wire(data: bytes) -> ViolationMessage:
    """Raises WireError. The files' bytes are not hashed here: the writer does, before it keeps them."""
    return _read(data, msgspec.msgpack.decode, ViolationMessage, "parcel")


def violation_to_json(violation: Violation) -> str:
    """For the database. Raises WireError for what would not come back as it was."""
    _check(violation)
    return msgspec.json.encode(_SealedViolation(schema=SCHEMA, body=violation)).decode()


def violation_from_json(text: str) -> Violation:
    return _read(text.encode(errors="replace"), msgspec.json.decode, Violation, "violation")


def frame_to_wire(frame: Frame, sign: Sign | None = None) -> tuple[list[tuple[str, bytes]], bytes]:
    """Headers and value of a frame's message. `sign` is the ingest box's key: it covers all headers, and by the digest the picture."""
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
    if sign is not None:
        headers.append(("signature", sign(signed_part(headers))))
    return headers, frame.jpeg


def frame_from_wire(headers: Headers, value: bytes, verify: Verify | None = None) -> Frame:
    """Raises WireError, also where the picture has another digest. With `verify` a frame must be signed, and rightly."""
    named = _by_name(headers)
    if _whole_number(named, "schema") != SCHEMA:
        raise WireError(f"frame: schema {_whole_number(named, 'schema')}, and this etle reads schema {SCHEMA}")
    frame = Frame(
        camera=CameraId(_text(named, "camera")),
        sequence=_whole_number(named, "sequence"),
        captured_at=_moment(named, "captured_at"),
        received_at=_moment(named, "received_at"),
        clock_error_s=_number(named, "clock_error_s") if "clock_error_s" in named else None,
        width=_whole_number(named, "width"),
        height=_whole_number(named, "height"),
        sha256=Digest(_text(named, "sha256")),
        jpeg=value,
    )
    if digest_of(value) != frame.sha256:
        raise WireError(f"frame {frame.sequence} of {frame.camera}: the picture has another digest than header sha256 says")
    if verify is not None:
        _check_signature(frame.camera, headers, named, verify)
    return frame


def signed_part(headers: Headers) -> bytes:
    """What the signature of a frame covers: every header but itself, in any order, each with its lengths."""
    rest = sorted((name.encode(), value) for name, value in headers if name != "signature")
    return b"".join(len(part).to_bytes(4, "big") + part for header in rest for part in header)


def _check_signature(camera: CameraId, headers: Headers, named: dict[str, bytes], verify: Verify) -> None:
    if "signature" not in named:
        raise WireError(f"frame of {camera}: no signature, and this deployment wants one")
    if not verify(camera, signed_part(headers), named["signature"]):
        raise WireError(f"frame of {camera}: the signature is not that of its ingest box")


def _by_name(headers: Headers) -> dict[str, bytes]:
    named: dict[str, bytes] = {}
    for name, value in headers:
        if name in named:
            raise WireError(f"frame: header {name!r} is there twice")
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


def _moment(named: dict[str, bytes], name: str) -> datetime:
    text = _text(named, name)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise WireError(f"frame: header {name} is not an ISO moment: {text[:40]!r}") from None
    return _in_utc(moment, f"frame: header {name}")


def _in_utc(moment: datetime, name: str) -> datetime:
    if moment.utcoffset() != timedelta(0):
        raise WireError(f"{name} is not in UTC: {moment.isoformat()}")
    return moment.astimezone(UTC)


def _read(data: bytes, decode: "Decode", kind: type[T], name: str) -> T:
    try:
        envelope = decode(data, type=_Envelope)
        if envelope.schema != SCHEMA:
            raise WireError(f"{name}: schema {envelope.schema}, and this etle reads schema {SCHEMA}")
        value = decode(envelope.body, type=kind)
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError) as error:
        raise WireError(f"{name}: {error}") from error
    _check(value)
    return value


def _check(value: object) -> None:
    for path, leaf in _leaves(value, ""):
        fault = _fault(path, leaf)
        if fault:
            raise WireError(f"{path.lstrip('.')}: {fault}")


def _leaves(value: object, path: str) -> Iterator[tuple[str, object]]:
    """Everything inside that is not a container, with where it is."""
    if is_dataclass(value):
        for field in fields(value):
            yield from _leaves(getattr(value, field.name), f"{path}.{field.name}")
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{path}[{index}]")
    else:
        yield path, value


def _fault(path: str, leaf: object) -> str | None:
    if isinstance(leaf, float) and not math.isfinite(leaf):
        return f"{leaf} is not a finite number"
    if isinstance(leaf, datetime) and leaf.utcoffset() != timedelta(0):
        return f"{leaf.isoformat()} is not in UTC"
    if isinstance(leaf, str):
        return _text_fault(path, leaf)
    return None


def _text_fault(path: str, text: str) -> str | None:
    if "\0" in text:
        return f"{text[:40]!r} has a NUL"
    if path.endswith((".sha256", ".config_digest")) and not DIGEST.fullmatch(text):
        return f"{text[:80]!r} is not a SHA-256 in hexadecimal"
    if path.endswith(".suffix") and not SUFFIX.fullmatch(text):
        return f"{text[:40]!r} is not a suffix such as .jpg"
    return None
