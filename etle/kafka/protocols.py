"""What the stages need of a broker: publish messages and learn when they are acknowledged; read partitions from a chosen offset.

At any time a partition is assigned to one worker of a consumer group, and its messages are read in order.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeAlias

Headers: TypeAlias = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message as stored in a topic."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    headers: Headers
    value: bytes
    at: datetime
    """Its timestamp: when it was published."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A committed position: the offset at which the group resumes, and a string of the worker's own that Kafka stores with it."""

    offset: int
    metadata: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PollResult:
    """Result of a poll. Handle it in this order: partitions that were revoked, then those newly assigned, then the messages, which are
    in order within each partition."""

    revoked: tuple[int, ...] = ()
    assigned: tuple[int, ...] = ()
    messages: tuple[Message, ...] = ()


class Delivery(Protocol):
    """The state of a message that was handed to the publisher."""

    @property
    def acked(self) -> bool | None:
        """True: the broker has it. False: delivery failed and is not retried. None: not known yet."""
        ...


class Publisher(Protocol):
    """Publishes messages. Safe to use from several threads."""

    def publish(
        self, topic: str, value: bytes, *, key: bytes, headers: Sequence[tuple[str, bytes]] = (), partition: int | None = None
    ) -> Delivery:
        """Hand over a message; blocks while too many bytes are unacknowledged. Messages with the same key stay in order.

        Raises BrokerUnavailable; BrokerRefused if the topic does not exist or the message is too large for it.
        """
        ...

    def flush(self) -> None:
        """Wait until all messages are acknowledged. Raises BrokerUnavailable or BrokerRefused if one since the last flush failed."""
        ...


class Subscriber(Protocol):
    """Consumes one topic as a worker of a group. Not thread-safe. Every method raises BrokerUnavailable."""

    def poll(self, timeout_s: float, max_records: int) -> PollResult:
        """Wait up to `timeout_s` for messages. A newly assigned partition returns none until `seek` was called for it."""
        ...

    def seek(self, partition: int, offset: int) -> None:
        """Continue that partition at `offset`, or at the first later message that still exists."""
        ...

    def committed(self, partition: int) -> Position | None:
        """The group's committed position; None if it never committed one."""
        ...

    def first(self, partition: int) -> int:
        """The oldest offset that still exists."""
        ...

    def partition_of(self, key: bytes) -> int:
        """The partition to which messages with that key are published, with the present number of partitions."""
        ...

    def end(self, partition: int) -> int:
        """The offset that the next message will have; asks the broker."""
        ...

    def commit(self, positions: Mapping[int, Position]) -> bool:
        """False, with nothing committed, if a partition has been assigned to another worker."""
        ...

    def pause(self) -> None:
        """Let `poll` return no messages until `resume`, while it keeps the membership in the group."""
        ...

    def resume(self) -> None: ...


class TopicHistory(Protocol):
    """Reads what a topic still holds, without a consumer group. Raises BrokerUnavailable."""

    def partition_of(self, topic: str, key: bytes) -> int:
        """The partition to which messages with that key are published, with the present number of partitions."""
        ...

    def offset_at(self, topic: str, partition: int, at: datetime) -> int | None:
        """Offset of the first message that was published at `at` or later; None if there is none."""
        ...

    def messages(self, topic: str, partition: int, since: int | None = None) -> Iterator[Message]:
        """Messages from offset `since` (None: the first) up to the present end."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionProgress:
    """How far a consumer group is in one partition."""

    committed: Position | None
    """None if the group never committed a position."""
    first: int
    """The oldest offset that still exists."""
    recent: int
    """Offset of the first message that was published at a given time or later; `end` if there is none."""
    end: int
    """Offset that the next message will have."""


class GroupProgress(Protocol):
    """Watches a consumer group without being a member of it. Raises BrokerUnavailable."""

    def of(self, topic: str, group: str, since: datetime) -> Mapping[int, PartitionProgress]:
        """Every partition of the topic; `recent` counts from `since`, by the broker's clock."""
        ...


class CompactedTopicReader(Protocol):
    """Reads a compacted topic as a table."""

    def latest(self, topic: str, partition: int) -> Mapping[bytes, bytes]:
        """The last value of each key in that partition, up to its present end. Raises BrokerUnavailable."""
        ...
