"""What a role wants of a broker: to hand a message over and know when it is safe, and to read partitions from a position that it sets.

A partition is read by one worker of a group at a time, in order. Positions are offsets: numbers that grow along a partition.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeAlias

Headers: TypeAlias = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message as it lies in a topic."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    headers: Headers
    value: bytes
    at: datetime
    """When it was handed over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where a group is to go on in a partition; `note` is the worker's own, kept beside it."""

    offset: int
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Polled:
    """What came: first the partitions that are no longer ours, then those that are now, then messages, in order in each partition."""

    lost: tuple[int, ...] = ()
    gained: tuple[int, ...] = ()
    messages: tuple[Message, ...] = ()


class Delivery(Protocol):
    """What is known of a message that was handed over."""

    @property
    def safe(self) -> bool | None:
        """True: the broker has it. False: it will not get it from us. None: not known yet."""
        ...


class Publisher(Protocol):
    """Messages out. Safe to use from several threads."""

    def publish(
        self, topic: str, value: bytes, *, key: bytes, headers: Sequence[tuple[str, bytes]] = (), partition: int | None = None
    ) -> Delivery:
        """Hands a message over, and waits while too many bytes are on their way. Messages of one key stay in order.

        Raises BrokerUnavailable; BrokerRefused if there is no such topic, or the message is too large for it.
        """
        ...

    def flush(self) -> None:
        """All that was handed over is safe. Raises BrokerUnavailable or BrokerRefused if something since the last flush is not."""
        ...


class Subscriber(Protocol):
    """One topic's messages in, for one worker of a group. For one thread. All of it raises BrokerUnavailable."""

    def poll(self, timeout_s: float, most: int) -> Polled:
        """At most that many messages, at most that long. A gained partition gives nothing before `seek` was called for it."""
        ...

    def seek(self, partition: int, offset: int) -> None:
        """The next message from that partition is the one at `offset`, or the first behind it that still exists."""
        ...

    def committed(self, partition: int) -> Position | None:
        """Where the group is to go on; None if it never was there."""
        ...

    def first(self, partition: int) -> int:
        """The oldest offset that still exists."""
        ...

    def end(self, partition: int) -> int:
        """The offset that the next message will have; asks the broker."""
        ...

    def commit(self, positions: Mapping[int, Position]) -> bool:
        """False, and nothing done, if a partition is another worker's by now."""
        ...

    def pause(self) -> None:
        """`poll` gives no messages until `resume`, and keeps our place in the group."""
        ...

    def resume(self) -> None: ...


class CompactedTopicReader(Protocol):
    """A compacted topic as a table."""

    def latest(self, topic: str, partition: int) -> Mapping[bytes, bytes]:
        """The last value of each key in that partition, up to its present end. Raises BrokerUnavailable."""
        ...
