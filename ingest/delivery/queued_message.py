"""A message on its way from the box to the broker, and how it lies in the spool meanwhile."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import msgspec

from etle.kafka.protocols import Headers
from etle.types import CameraId
from ingest.delivery.spool import SpoolRecord

_LENGTH: Final = 4


class DeliveryStatus(StrEnum):
    """What became of a message."""

    SENT = "sent"
    """The broker has it."""
    SPOOLED = "spooled"
    """It is on the disk of this box, and will be sent."""
    LOST = "lost"
    """Nobody has it: there was no room, or the broker does not take it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingMessage:
    topic: str
    key: bytes
    headers: Headers
    value: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedMessage:
    """`kept` is called once, from another thread, when the message is safe or lost. One that is spooled is safe."""

    camera: CameraId
    message: OutgoingMessage
    kept: Callable[[DeliveryStatus], None]

    @property
    def size(self) -> int:
        return len(self.message.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Label:
    topic: str
    key: bytes
    headers: Headers


def to_record(camera: CameraId, message: OutgoingMessage) -> SpoolRecord:
    label = msgspec.msgpack.encode(_Label(topic=message.topic, key=message.key, headers=message.headers))
    return SpoolRecord(camera, (len(label).to_bytes(_LENGTH, "big") + label, message.value))


def from_record(body: bytes) -> OutgoingMessage:
    """Of a body whose sum was right: what `to_record` made."""
    begin = _LENGTH + int.from_bytes(body[:_LENGTH], "big")
    label = msgspec.msgpack.decode(memoryview(body)[_LENGTH:begin], type=_Label)
    return OutgoingMessage(topic=label.topic, key=label.key, headers=label.headers, value=body[begin:])
