"""A message on its way from the gateway to the broker, and its encoding in the spool."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import msgspec

from etle.decoded_types import prepare
from etle.kafka.protocols import Headers
from etle.types import CameraId
from ingest.delivery.spool import SpoolRecord

_LENGTH_BYTES: Final = 4


class DeliveryStatus(StrEnum):
    SENT = "sent"
    """Acknowledged by the broker."""
    SPOOLED = "spooled"
    """On the gateway's disk; it will be sent later."""
    LOST = "lost"
    """Dropped because there was no room, or rejected by the broker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingMessage:
    topic: str
    key: bytes
    headers: Headers
    value: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedMessage:
    """`on_status` is called once, from another thread, when the message is safe (sent or spooled) or lost."""

    camera: CameraId
    message: OutgoingMessage
    on_status: Callable[[DeliveryStatus], None]

    @property
    def size(self) -> int:
        """Bytes of the value."""
        return len(self.message.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Envelope:
    """All of a message but its value; the field names are those on the disk."""

    topic: str
    key: bytes
    headers: Headers


prepare(_Envelope)


def to_record(camera: CameraId, message: OutgoingMessage) -> SpoolRecord:
    envelope = msgspec.msgpack.encode(_Envelope(topic=message.topic, key=message.key, headers=message.headers))
    return SpoolRecord(camera, (len(envelope).to_bytes(_LENGTH_BYTES, "big") + envelope, message.value))


def from_record(body: bytes) -> OutgoingMessage:
    """The message that `to_record` encoded. The spool has verified the checksum of `body`."""
    value_offset = _LENGTH_BYTES + int.from_bytes(body[:_LENGTH_BYTES], "big")
    envelope = msgspec.msgpack.decode(memoryview(body)[_LENGTH_BYTES:value_offset], type=_Envelope)
    return OutgoingMessage(topic=envelope.topic, key=envelope.key, headers=envelope.headers, value=body[value_offset:])
