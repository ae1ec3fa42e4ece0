"""Kafka behind the seam; the one file of the workers that imports its client.

The producer is idempotent and waits for every replica in sync (`acks=all`): what is said to be safe is. The client keeps whatever it is
given in memory until it is sent, so what is on its way is bounded here. Partitions move between workers cooperatively: only those that
move stop.
"""

import logging
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from threading import Condition
from typing import TYPE_CHECKING, Any, Final

from etle.errors import BrokerError, BrokerRefused, BrokerUnavailable, MissingExtra
from etle.kafka.protocols import Message, Polled, Position
from etle.kafka.security import BrokerConnection

try:
    from kafka import ConsumerRebalanceListener, KafkaConsumer, KafkaProducer, TopicPartition
    from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
    from kafka.errors import (
        AuthorizationError,
        CommitFailedError,
        IllegalGenerationError,
        IllegalSaslStateError,
        InvalidTopicError,
        KafkaConfigurationError,
        KafkaError,
        MessageSizeTooLargeError,
        RebalanceInProgressError,
        RecordListTooLargeError,
        SaslAuthenticationFailedError,
        UnknownMemberIdError,
        UnsupportedSaslMechanismError,
    )
    from kafka.structs import OffsetAndMetadata
except ModuleNotFoundError as absent:
    raise MissingExtra("kafka-python", "detect") from absent

if TYPE_CHECKING:
    from kafka.producer.future import FutureRecordMetadata

log = logging.getLogger(__name__)
ON_ITS_WAY_BYTES: Final = 64_000_000
"""More than that is not handed over before some of it is safe."""
_BATCH_BYTES: Final = 1_048_576
_LINGER_MS: Final = 5
_FETCH_BYTES: Final = 16_777_216
_NOT_OURS: Final = (CommitFailedError, IllegalGenerationError, RebalanceInProgressError, UnknownMemberIdError)
_NOT_LET_IN: Final = ("SaslAuthenticationFailed", "CERTIFICATE_VERIFY_FAILED", "CertificateError", "Authentication failed")
_REFUSED: Final = (
    AuthorizationError, IllegalSaslStateError, InvalidTopicError, KafkaConfigurationError, MessageSizeTooLargeError,
    RecordListTooLargeError, SaslAuthenticationFailedError, UnsupportedSaslMechanismError,
)  # fmt: skip


def broker_error(error: Exception, where: str, heard: str = "") -> BrokerError:
    """What the client says, as ours, with the way out. `heard` is what it said of its last attempt to connect."""
    said = (str(error) or type(error).__name__) + (f" ({heard})" if heard else "")
    if any(sign in heard for sign in _NOT_LET_IN):
        return BrokerRefused(f"Kafka ({where}) does not let us in: {heard}. See broker.security in the site file")
    if isinstance(error, MessageSizeTooLargeError | RecordListTooLargeError):
        return BrokerRefused(f"Kafka ({where}) takes no message of that size; raise largest_mb of the topic in the site file. {said}")
    if isinstance(error, _REFUSED):
        return BrokerRefused(f"Kafka ({where}) refuses: {said}. See broker.security in the site file")
    return BrokerUnavailable(f"Kafka cannot be reached at {where}: {said}")


class _Attempts(logging.Handler):
    """Hears why attempts to connect fail: the client logs it, and then raises that time is up."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.last = ""

    def emit(self, record: logging.LogRecord) -> None:
        _, failed, reason = record.getMessage().partition(" failed: ")
        known = any(sign in self.last for sign in _NOT_LET_IN)  # a broker that refuses hangs up on whoever tries again
        if failed and "Unable to bootstrap" not in reason and not known:
            self.last = reason.split(" (backoff")[0]


@contextmanager
def connecting(where: str) -> Iterator[None]:
    """Around the making of a client. Raises BrokerUnavailable, BrokerRefused."""
    attempts, client = _Attempts(), logging.getLogger("kafka")
    client.addHandler(attempts)
    try:
        yield
    except KafkaError as error:
        raise broker_error(error, where, attempts.last) from error
    finally:
        client.removeHandler(attempts)


@contextmanager
def translate_errors(where: str) -> Iterator[None]:
    try:
        yield
    except KafkaError as error:
        raise broker_error(error, where) from error


class KafkaDelivery:
    def __init__(self, future: "FutureRecordMetadata") -> None:
        self._future = future

    @property
    def safe(self) -> bool | None:
        return bool(self._future.succeeded()) if self._future.is_done else None


class KafkaPublisher:
    """A Publisher. What could not be delivered within the broker's timeout is not tried again by it: whoever published it does."""

    def __init__(self, connection: BrokerConnection, client: str) -> None:
        self._where = connection.where
        self._timeout_s = connection.broker.timeout_s
        self._room = Condition()
        self._on_its_way = 0
        self._failures: deque[Exception] = deque(maxlen=10)
        settings = connection.settings() | {"request_timeout_ms": round(self._timeout_s * 500)}
        with connecting(self._where):
            self._producer = KafkaProducer(
                **settings,
                metrics_enabled=False,
                client_id=client,
                acks="all",
                enable_idempotence=True,
                delivery_timeout_ms=round(self._timeout_s * 1000),
                max_block_ms=round(self._timeout_s * 1000),
                max_request_size=connection.largest_bytes,
                batch_size=_BATCH_BYTES,
                linger_ms=_LINGER_MS,
                allow_auto_create_topics=False,
            )

    def publish(
        self, topic: str, value: bytes, *, key: bytes, headers: Sequence[tuple[str, bytes]] = (), partition: int | None = None
    ) -> KafkaDelivery:
        size = len(value) + len(key) + sum(len(name) + len(content) for name, content in headers)
        self._wait_for_room(size)
        try:
            with translate_errors(self._where):
                future = self._producer.send(topic, value=value, key=key, headers=list(headers), partition=partition)
        except BaseException:
            self._settled(size)
            raise
        future.add_callback(lambda _: self._settled(size))
        future.add_errback(lambda error: self._failed(size, error))
        return KafkaDelivery(future)

    def flush(self) -> None:
        with translate_errors(self._where):
            self._producer.flush(timeout=self._timeout_s + 5)
        if self._failures:
            error = self._failures[0]
            self._failures.clear()
            raise broker_error(error, self._where) from error

    def close(self) -> None:
        """What is on its way gets a few seconds."""
        try:
            self._producer.close(timeout=5)
        except KafkaError as error:
            log.warning("%s", broker_error(error, self._where))

    def _wait_for_room(self, size: int) -> None:
        with self._room:
            if not self._room.wait_for(lambda: self._on_its_way + size <= ON_ITS_WAY_BYTES or not self._on_its_way, self._timeout_s):
                raise BrokerUnavailable(f"Kafka ({self._where}) has taken nothing for {self._timeout_s:g} s")
            self._on_its_way += size

    def _settled(self, size: int) -> None:
        with self._room:
            self._on_its_way -= size
            self._room.notify_all()

    def _failed(self, size: int, error: Exception) -> None:
        self._failures.append(error)
        self._settled(size)


class _Moves(ConsumerRebalanceListener):  # type: ignore[misc]  # the client has no types
    """Notes which partitions went and came. It is called inside `poll`, where nothing may block."""

    def __init__(self) -> None:
        self.lost: set[int] = set()
        self.gained: set[int] = set()

    def on_partitions_revoked(self, revoked: Any) -> None:
        numbers = {each.partition for each in revoked}
        self.lost |= numbers
        self.gained -= numbers

    def on_partitions_assigned(self, assigned: Any) -> None:
        self.gained |= {each.partition for each in assigned}

    def taken(self) -> tuple[set[int], set[int]]:
        moves = self.lost, self.gained
        self.lost, self.gained = set(), set()
        return moves


class KafkaSubscriber:
    """A Subscriber."""

    def __init__(self, connection: BrokerConnection, client: str, topic: str, group: str) -> None:
        self._where = connection.where
        self._topic = topic
        self._timeout_ms = round(connection.broker.timeout_s * 1000)
        session_ms = round(connection.broker.session_s * 1000)
        self._moves = _Moves()
        self._unplaced: set[int] = set()
        self._paused = False
        with connecting(self._where):
            self._consumer = KafkaConsumer(
                **connection.settings(),
                metrics_enabled=False,
                client_id=client,
                group_id=group,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                partition_assignment_strategy=(CooperativeStickyAssignor,),
                session_timeout_ms=session_ms,
                heartbeat_interval_ms=session_ms // 5,
                max_partition_fetch_bytes=_FETCH_BYTES,
                fetch_max_bytes=_FETCH_BYTES * 2,
                allow_auto_create_topics=False,
            )
            self._consumer.subscribe([topic], listener=self._moves)

    def poll(self, timeout_s: float, most: int) -> Polled:
        with translate_errors(self._where):
            batches = self._consumer.poll(timeout_ms=round(timeout_s * 1000), max_records=most)
        lost, gained = self._moves.taken()
        self._unplaced = (self._unplaced - lost) | gained
        if self._paused and gained:
            self.pause()
        messages = tuple(
            _message(record) for place, records in batches.items() if place.partition not in self._unplaced for record in records
        )
        return Polled(lost=tuple(sorted(lost)), gained=tuple(sorted(gained)), messages=messages)

    def seek(self, partition: int, offset: int) -> None:
        with translate_errors(self._where):
            self._consumer.seek(self._place(partition), offset)
        self._unplaced.discard(partition)

    def committed(self, partition: int) -> Position | None:
        with translate_errors(self._where):
            found = self._consumer.committed(self._place(partition), metadata=True, timeout_ms=self._timeout_ms)
        return None if found is None else Position(offset=found.offset, note=found.metadata or "")

    def first(self, partition: int) -> int:
        place = self._place(partition)
        with translate_errors(self._where):
            return int(self._consumer.beginning_offsets([place], timeout_ms=self._timeout_ms)[place])

    def end(self, partition: int) -> int:
        place = self._place(partition)
        with translate_errors(self._where):
            return int(self._consumer.end_offsets([place], timeout_ms=self._timeout_ms)[place])

    def commit(self, positions: Mapping[int, Position]) -> bool:
        offsets = {self._place(number): OffsetAndMetadata(each.offset, each.note, -1) for number, each in positions.items()}
        try:
            with translate_errors(self._where):
                self._consumer.commit(offsets, timeout_ms=self._timeout_ms)
        except BrokerError as error:
            if isinstance(error.__cause__, _NOT_OURS):
                return False
            raise
        return True

    def pause(self) -> None:
        self._paused = True
        self._consumer.pause(*self._consumer.assignment())

    def resume(self) -> None:
        self._paused = False
        self._consumer.resume(*self._consumer.paused())

    def close(self) -> None:
        """Leaves the group, so that the others need not wait for us."""
        try:
            self._consumer.close(autocommit=False, timeout_ms=5000)
        except KafkaError as error:
            log.warning("%s", broker_error(error, self._where))

    def _place(self, partition: int) -> TopicPartition:
        return TopicPartition(self._topic, partition)


class KafkaCompactedTopicReader:
    """Reads topics without a group: whole partitions of compacted ones (a History), and dead letters."""

    def __init__(self, connection: BrokerConnection, client: str) -> None:
        self._where = connection.where
        self._timeout_ms = round(connection.broker.timeout_s * 1000)
        with connecting(self._where):
            self._consumer = KafkaConsumer(
                **connection.settings(),
                metrics_enabled=False,
                client_id=client,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                max_partition_fetch_bytes=_FETCH_BYTES,
                allow_auto_create_topics=False,
            )

    def latest(self, topic: str, partition: int) -> Mapping[bytes, bytes]:
        return {message.key: message.value for message in self.messages(topic, partition) if message.key is not None}

    def messages(self, topic: str, partition: int, since: int | None = None) -> Iterator[Message]:
        """Oldest first, up to the partition's present end. Raises BrokerUnavailable."""
        place = TopicPartition(topic, partition)
        with translate_errors(self._where):
            self._consumer.assign([place])
            first = self._consumer.beginning_offsets([place], timeout_ms=self._timeout_ms)[place]
            end = self._consumer.end_offsets([place], timeout_ms=self._timeout_ms)[place]
            self._consumer.seek(place, max(first, since or 0))
        yield from self._until(place, end)

    def partitions(self, topic: str) -> int:
        """How many it has; 0 if there is no such topic."""
        with translate_errors(self._where):
            return len(self._consumer.partitions_for_topic(topic) or ())

    def close(self) -> None:
        with suppress(KafkaError):
            self._consumer.close(autocommit=False, timeout_ms=5000)

    def _until(self, place: TopicPartition, end: int) -> Iterator[Message]:
        silent_ms = 0
        while (position := self._position(place)) < end:
            with translate_errors(self._where):
                batches = self._consumer.poll(timeout_ms=500)
            silent_ms = 0 if batches or self._position(place) > position else silent_ms + 500
            if silent_ms > self._timeout_ms:
                raise BrokerUnavailable(f"Kafka ({self._where}) gives nothing of {place.topic} [{place.partition}] before its end")
            for record in batches.get(place, ()):
                if record.offset < end:
                    yield _message(record)

    def _position(self, place: TopicPartition) -> int:
        with translate_errors(self._where):
            return int(self._consumer.position(place, timeout_ms=self._timeout_ms) or 0)


def _message(record: Any) -> Message:
    return Message(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        key=record.key,
        headers=tuple((name, value or b"") for name, value in record.headers),
        value=record.value or b"",
        at=datetime.fromtimestamp(record.timestamp / 1000, UTC),
    )
