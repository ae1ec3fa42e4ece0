"""A broker in memory, with the seams of Kafka's: topics of partitions, groups with positions, each partition one worker's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import RLock
from zlib import crc32

from etle.errors import BrokerRefused, BrokerUnavailable
from etle.kafka.protocols import Message, Polled, Position
from etle.testing.values import BEGIN


@dataclass(slots=True)
class _Group:
    positions: dict[int, Position] = field(default_factory=dict)
    members: list["MemorySubscriber"] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class MemoryDelivery:
    safe: bool | None = True


class MemoryBroker:
    """Open to be looked into: `topics` is what lies there. `away` makes everything raise BrokerUnavailable, as a broker that is down."""

    def __init__(self, topics: Mapping[str, int], largest_bytes: int = 100_000_000) -> None:
        self.topics: dict[str, list[list[Message]]] = {name: [[] for _ in range(partitions)] for name, partitions in topics.items()}
        self.away = False
        self.groups: dict[tuple[str, str], _Group] = {}
        self.largest_bytes = largest_bytes
        self.lock = RLock()

    def messages(self, topic: str) -> list[Message]:
        return [message for partition in self.topics[topic] for message in partition]

    def subscribe(self, topic: str, group: str) -> "MemorySubscriber":
        with self.lock:
            made = MemorySubscriber(self, topic, self.groups.setdefault((topic, group), _Group()))
            made.join()
            return made

    def publish(
        self, topic: str, value: bytes, *, key: bytes, headers: Sequence[tuple[str, bytes]] = (), partition: int | None = None
    ) -> MemoryDelivery:
        with self.lock:
            self.check()
            if topic not in self.topics or len(value) > self.largest_bytes:
                raise BrokerRefused(f"{topic}: no such topic, or {len(value)} bytes are too many for it")
            number = crc32(key) % len(self.topics[topic]) if partition is None else partition
            lies = self.topics[topic][number]
            lies.append(
                Message(topic=topic, partition=number, offset=len(lies), key=key, headers=tuple(headers), value=bytes(value), at=BEGIN)
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

    def check(self) -> None:
        if self.away:
            raise BrokerUnavailable("Kafka cannot be reached at memory")


class MemorySubscriber:
    """A worker of a group. Partitions are dealt anew when one comes or goes."""

    def __init__(self, broker: MemoryBroker, topic: str, group: _Group) -> None:
        self._broker = broker
        self._topic = topic
        self._group = group
        self._next: dict[int, int | None] = {}
        self._lost: set[int] = set()
        self._gained: set[int] = set()
        self._paused = False

    def join(self) -> None:
        self._group.members.append(self)
        self._deal()

    def poll(self, timeout_s: float, most: int) -> Polled:
        with self._broker.lock:
            self._broker.check()
            lost, gained = tuple(sorted(self._lost)), tuple(sorted(self._gained))
            self._lost, self._gained = set(), set()
            messages: list[Message] = []
            for number, start in self._next.items():
                if start is None or self._paused:
                    continue
                some = self._broker.topics[self._topic][number][start : start + most - len(messages)]
                self._next[number] = start + len(some)
                messages += some
            return Polled(lost=lost, gained=gained, messages=tuple(messages))

    def seek(self, partition: int, offset: int) -> None:
        self._next[partition] = offset

    def committed(self, partition: int) -> Position | None:
        self._broker.check()
        return self._group.positions.get(partition)

    def first(self, partition: int) -> int:
        self._broker.check()
        return 0

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
        """Also what a crash does, as far as the others can see."""
        with self._broker.lock:
            self._group.members.remove(self)
            self._deal()

    def _deal(self) -> None:
        """Each partition to one member, in turn; only those that move stop."""
        members = self._group.members
        for number in range(len(self._broker.topics[self._topic])):
            owner = members[number % len(members)] if members else None
            for member in members:
                if member is not owner and number in member._next:
                    member._lose(number)
            if owner is not None and number not in owner._next:
                owner._gain(number)

    def _lose(self, partition: int) -> None:
        del self._next[partition]
        self._lost.add(partition)
        self._gained.discard(partition)

    def _gain(self, partition: int) -> None:
        self._next[partition] = None
        self._gained.add(partition)
