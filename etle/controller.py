"""The message of a signal controller, as JSON: over HTTP, in a Kafka topic, in a recorded file and in the header of a frame.

One object, or an array of them. `schema` may be missing, further keys are ignored:

    {"schema": 1, "signal": "barat", "lamp": "red", "since": "2026-11-23T03:00:08.1Z", "at": "2026-11-23T03:00:09Z", "sequence": 4711}
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final

import msgspec

from etle.decoded_types import prepare
from etle.errors import WireError
from etle.types import ControllerReading, Lamp, SignalId

SCHEMA: Final = 1
MAX_BYTES: Final = 262_144
"""A larger document is no message of a signal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Message:
    signal: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    lamp: Lamp
    since: datetime
    at: datetime
    sequence: Annotated[int, msgspec.Meta(ge=0, le=2**53)]
    schema: int = SCHEMA


prepare(_Message)


def readings_to_json(readings: Sequence[ControllerReading]) -> bytes:
    return msgspec.json.encode(readings)


def readings_from_json(data: bytes) -> tuple[ControllerReading, ...]:
    """Raises WireError, which names what is wrong."""
    if len(data) > MAX_BYTES:
        raise WireError(f"controller message: {len(data)} bytes; the maximum is {MAX_BYTES}")
    try:
        found = msgspec.json.decode(data, type=_Message | tuple[_Message, ...])
        messages = found if isinstance(found, tuple) else (found,)
        return tuple(_reading(message) for message in messages)
    except (msgspec.MsgspecError, UnicodeDecodeError, OverflowError, RecursionError) as error:
        raise WireError(f"controller message: {error}") from error


def _reading(message: _Message) -> ControllerReading:
    if message.schema != SCHEMA:
        raise WireError(f"controller message: schema {message.schema}, but this version of etle reads schema {SCHEMA}")
    since, at = _in_utc(message.since, "since"), _in_utc(message.at, "at")
    if since > at:
        raise WireError(f"controller message: `since` ({since.isoformat()}) is after `at` ({at.isoformat()})")
    return ControllerReading(signal=SignalId(message.signal), lamp=message.lamp, since=since, at=at, sequence=message.sequence)


def _in_utc(moment: datetime, name: str) -> datetime:
    if moment.utcoffset() is None:
        raise WireError(f"controller message: `{name}` ({moment.isoformat()}) has no UTC offset, such as Z or +07:00")
    return moment.astimezone(UTC)
