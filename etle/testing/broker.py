"""A Kafka broker in memory: topics with partitions, consumer groups with committed positions, and rebalancing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from threading import RLock
from zlib import crc32

from etle.errors import BrokerRefused, BrokerUnavailable
from etle.kafka.protocols import Message, PartitionProgress, PollResult, Position
from etle.testing.values import BEGIN


@dataclass(slots=True)
class _Group:
    positions: dict[int, Position] = field(default_factory=dict)
    members: list["MemorySubscriber"] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class MemoryDelivery:
    acked: bool | None = True


class MemoryBroker:
    """A Publisher, CompactedTopicReader and GroupProgress. Tests may read and change `topics`, the messages by topic and partition.

    While `down` is set, every call raises BrokerUnavailable. `expired` has the first offset that still exists, by topic and partition.
    """

    def __init__(self, topics: Mapping[str, int], max_message_bytes: int = 100_000_000) -> None:
        """`topics`: number of partitions by name."""
        self.topics: dict[str, list[list[Message]]] = {name: [[] for _ in range(partitions)] for name, partitions in topics.items()}
        self.down = False
        self.expired: dict[tuple[str, int], int] = {}
        self.groups: dict[tuple[str, str], _Group] = {}
        self.max_message_bytes = max_message_bytes
        self.now = BEGIN
        """Time at which messages are published."""
        self.lock = RLock()

    def messages(self, topic: str) -> list[Message]:
        return [message for partition in self.topics[topic] for message in partition]

    def subscribe(self, topic: str, group: str) -> "MemorySubscriber":
        with self.lock:
            subscriber = MemorySubscriber(self, topic, self.groups.setdefault((topic, group), _Group()))
            subscriber.join()
            return subscriber

    def publish(
        self, topic: str, value: bytes, *, key: bytes, headers: Sequence[tuple[str, bytes]] = (), partition: int | None = None
    ) -> MemoryDelivery:
        with self.lock:
            self.check()
            if topic not in self.topics or len(value) > self.max_message_bytes:
                raise BrokerRefused(f"{topic}: no such topic, or {len(value)} bytes are too many for it")
            number = self.partition_of(topic, key) if partition is None else partition
            messages = self.topics[topic][number]
            messages.append(
                Message(
                    topic=topic, partition=number, offset=len(messages), key=key, headers=tuple(headers), value=bytes(value), at=self.now
                )
            )
        return MemoryDelivery()

    def flush(self) -> None:
        self.check()

    def close(self) -> None:
        pass

    def latest(self, topic: str, partition: int) -> Mapping[bytes, bytes]:
        with self.lock:
            self.check()
            return {message.key: message.value for message in self.topics[topic][partition] if message.key is not None}

    def of(self, topic: str, group: str, since: datetime) -> Mapping[int, PartitionProgress]:
        with self.lock:
            self.check()
            positions = self.groups[topic, group].positions if (topic, group) in self.groups else {}
            return {
                number: PartitionProgress(
                    committed=positions.get(number),
                    first=self.expired.get((topic, number), 0),
                    recent=sum(message.at < since for message in messages),
                    end=len(messages),
                )
                for number, messages in enumerate(self.topics[topic])
            }

    def partition_of(self, topic: str, key: bytes) -> int:
        return crc32(key) % len(self.topics[topic])

    def check(self) -> None:
        if self.down:
            raise BrokerUnavailable("Kafka cannot be reached at memory")


class MemorySubscriber:
    """A Subscriber. Partitions are reassigned when a member joins or leaves the group."""

    def __init__(self, broker: MemoryBroker, topic: str, group: _Group) -> None:
        self._broker = broker
        self._topic = topic
        self._group = group
        self._next: dict[int, int | None] = {}
        """Next offset of each assigned partition; None until `seek`."""
        self._revoked: set[int] = set()
        self._assigned: set[int] = set()
        self._paused = False

    def join(self) -> None:
        self._group.members.append(self)
        self._rebalance()

    def poll(self, timeout_s: float, max_records: int) -> PollResult:
        with self._broker.lock:
            self._broker.check()
            revoked, assigned = tuple(sorted(self._revoked)), tuple(sorted(self._assigned))
            self._revoked, self._assigned = set(), set()
            messages: list[Message] = []
            for number, start in self._next.items():
                if start is None or self._paused:
                    continue
                present, first = self._broker.topics[self._topic][number], self.first(number)
                start = first if start < first or start > len(present) else start  # out of range: from the first one, as Kafka's client
                batch = present[start : start + max_records - len(messages)]
                self._next[number] = start + len(batch)
                messages += batch
            return PollResult(revoked=revoked, assigned=assigned, messages=tuple(messages))

    def seek(self, partition: int, offset: int) -> None:
        self._next[partition] = offset

    def committed(self, partition: int) -> Position | None:
        self._broker.check()
        return self._group.positions.get(partition)

    def first(self, partition: int) -> int:
        self._broker.check()
        return self._broker.expired.get((self._topic, partition), 0)

    def partition_of(self, key: bytes) -> int:
        return self._broker.partition_of(self._topic, key)

    def end(self, partition: int) -> int:
        self._broker.check()
        return len(self._broker.topics[self._topic][partition])

    def commit(self, positions: Mapping[int, Position]) -> bool:
        with self._broker.lock:
            self._broker.check()
            if self not in self._group.members or not set(positions) <= set(self._next):
                return False
            self._group.positions.update(positions)
            return True

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False

    def close(self) -> None:
        """Leave the group. For the other members a crash looks the same."""
        with self._broker.lock:
            self._group.members.remove(self)
            self._rebalance()

    def _rebalance(self) -> None:
        """Assign the partitions to the members in turn; a partition that keeps its member is not interrupted."""
        members = self._group.members
        for number in range(len(self._broker.topics[self._topic])):
            owner = members[number % len(members)] if members else None
            for member in members:
                if member is not owner and number in member._next:
                    member._revoke(number)
            if owner is not None and number not in owner._next:
                owner._assign(number)

    def _revoke(self, partition: int) -> None:
        del self._next[partition]
        self._revoked.add(partition)
        self._assigned.discard(partition)

    def _assign(self, partition: int) -> None:
        self._next[partition] = None
        self._assigned.add(partition)
