"""The protocols on kafka-python; the only module that workers use and that imports the library.

The producer is idempotent and waits for all in-sync replicas (`acks=all`), so that an acknowledged message is durable. The library keeps
unsent messages in memory without a limit, so the bytes in flight are limited here. Rebalancing is cooperative: partitions that stay with
their worker are not interrupted.
"""

import logging
import math
import re
import socket
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from threading import Condition
from typing import TYPE_CHECKING, Any, Final

from etle.errors import BrokerError, BrokerRefused, BrokerUnavailable, MissingExtra
from etle.kafka.protocols import Message, PollResult, Position
from etle.kafka.security import BrokerConnection

try:
    from kafka import ConsumerRebalanceListener, KafkaConsumer, KafkaProducer, TopicPartition
    from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
    from kafka.errors import (
        AuthorizationError,
        CommitFailedError,
        IllegalGenerationError,
        IllegalSaslStateError,
        InvalidTimestampError,
        InvalidTopicError,
        KafkaConfigurationError,
        KafkaError,
        MessageSizeTooLargeError,
        RebalanceInProgressError,
        RecordListTooLargeError,
        SaslAuthenticationFailedError,
        UnknownMemberIdError,
        UnsupportedCodecError,
        UnsupportedSaslMechanismError,
    )
    from kafka.partitioner.default import murmur2
    from kafka.structs import OffsetAndMetadata
except ModuleNotFoundError as absent:
    raise MissingExtra("kafka-python", "detect") from absent

if TYPE_CHECKING:
    from kafka.producer.future import FutureRecordMetadata

log = logging.getLogger(__name__)
MAX_IN_FLIGHT_BYTES: Final = 64_000_000
"""`publish` blocks while more bytes than this are unacknowledged."""
_PROBE_TIMEOUT_S: Final = 5.0
_COUNT_PARTITIONS_S: Final = 5.0
"""How long a topic's number of partitions is believed."""
_BATCH_BYTES: Final = 1_048_576
_LINGER_MS: Final = 5
_METADATA_AGE_MS: Final = 15_000
"""A group that was formed before its leader knew the partitions of the topic, or that gets further ones, is formed anew after so long."""
_FETCH_BYTES: Final = 16_777_216
_REASSIGNED: Final = (CommitFailedError, IllegalGenerationError, RebalanceInProgressError, UnknownMemberIdError)
_AUTH_FAILURES: Final = ("SaslAuthenticationFailed", "CERTIFICATE_VERIFY_FAILED", "CertificateError", "Authentication failed")
_CODEC_PACKAGES: Final = {"zstd": "zstandard", "lz4": "lz4", "snappy": "python-snappy", "gzip": "Python's zlib"}
_SPLIT_BATCH: Final = "Future not done"
"""Raised by the library's `flush` when the broker rejected a batch for its size and the library has split it."""
_DNS_FAILED: Final = re.compile(r"DNS lookup failed for (\S+?),")
_UNRESOLVED_S: Final = 90.0
_REFUSED: Final = (
    AuthorizationError, IllegalSaslStateError, InvalidTopicError, KafkaConfigurationError, MessageSizeTooLargeError,
    RecordListTooLargeError, SaslAuthenticationFailedError, UnsupportedSaslMechanismError,
)  # fmt: skip


def require_reachable(servers: Sequence[str], timeout_s: float = _PROBE_TIMEOUT_S) -> None:
    """Check that at least one of `host:port` accepts a connection. Raises BrokerUnavailable with the error of each of them.

    Call it before a client is created: kafka-python waits for its whole timeout, and leaves sockets open when it fails.
    """
    errors: list[str] = []
    for server in servers:
        host, _, port = server.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), min(timeout_s, _PROBE_TIMEOUT_S)).close()
        except OSError as error:
            errors.append(f"{server}: {error.strerror or error}")
        else:
            return
    raise BrokerUnavailable(f"Kafka cannot be reached at {'; '.join(errors)}")


def broker_error(error: Exception, where: str, connect_error: str = "") -> BrokerError:
    """The library's error as one of etle's, with its remedy. `connect_error` is what the library logged about its last attempt to
    connect."""
    text = (str(error) or type(error).__name__) + (f" ({connect_error})" if connect_error else "")
    if any(failure in connect_error for failure in _AUTH_FAILURES):
        return BrokerRefused(f"Kafka ({where}) refused the login: {connect_error}. See broker.security in the site file")
    if isinstance(error, UnsupportedCodecError):
        codec = next((name for name in _CODEC_PACKAGES if name in str(error)), "")
        install = f"install {_CODEC_PACKAGES[codec]} on this host" if codec else "install the package of that codec on this host"
        return BrokerRefused(
            f"Kafka ({where}): messages of a topic are compressed with {codec or 'a codec'}, which this host cannot read:"
            f" {install} (pip), and run `etle topics create`, which lets the broker keep messages as they are sent"
        )
    if isinstance(error, InvalidTimestampError):
        return BrokerRefused(
            f"Kafka ({where}) rejected a message for its time: the clock of this host is wrong, or that of the broker. Synchronise them;"
            f" with `etle topics create` the broker's clock is used. {text}"
        )
    if _SPLIT_BATCH in text:
        return BrokerRefused(
            f"Kafka ({where}) rejected several messages together for their size: the topic takes less than one batch. Raise its"
            " max.message.bytes: `etle topics create` sets it to largest_mb of the site file"
        )
    if isinstance(error, MessageSizeTooLargeError | RecordListTooLargeError):
        return BrokerRefused(f"Kafka ({where}) rejected a message for its size; raise largest_mb of the topic in the site file. {text}")
    if isinstance(error, _REFUSED):
        return BrokerRefused(f"Kafka ({where}) refused the request: {text}. See broker.security in the site file")
    if advice := _unresolved.advice:
        return BrokerUnavailable(f"Kafka ({where}): {advice}")
    return BrokerUnavailable(f"Kafka cannot be reached at {where}: {text}")


class _ConnectErrors(logging.Handler):
    """Collects the reasons of failed connections: the library only logs them, and then raises a timeout."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.last = ""

    def emit(self, record: logging.LogRecord) -> None:
        _, failed, reason = record.getMessage().partition(" failed: ")
        # After a failed login the broker closes later connections without a reason: keep the first one.
        keep = any(failure in self.last for failure in _AUTH_FAILURES)
        if failed and "Unable to bootstrap" not in reason and not keep:
            self.last = reason.split(" (backoff")[0]


class _UnresolvedNames(logging.Handler):
    """Remembers the last name that could not be resolved: the library only logs it, even long after it has connected, and times out."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._name = ""
        self._at = -math.inf

    def emit(self, record: logging.LogRecord) -> None:
        if unresolved := _DNS_FAILED.search(record.getMessage()):
            self._name, self._at = unresolved[1], time.monotonic()

    @property
    def advice(self) -> str:
        """Empty if every name could be resolved lately."""
        if time.monotonic() - self._at > _UNRESOLVED_S:
            return ""
        return (
            f"the broker advertises the name {self._name}, which this host cannot resolve: correct advertised.listeners of the broker,"
            " or the name service of this host"
        )


_unresolved = _UnresolvedNames()


@contextmanager
def translate_connect_errors(where: str) -> Iterator[None]:
    """Use around the creation of a client. Raises BrokerUnavailable, BrokerRefused."""
    errors, logger = _ConnectErrors(), logging.getLogger("kafka")
    logger.addHandler(errors)
    logger.addHandler(_unresolved)  # stays; a handler is added once
    try:
        yield
    except KafkaError as error:
        raise broker_error(error, where, errors.last) from error
    finally:
        logger.removeHandler(errors)


@contextmanager
def translate_errors(where: str) -> Iterator[None]:
    """Use around calls of a client. Raises BrokerUnavailable, BrokerRefused."""
    try:
        yield
    except KafkaError as error:
        raise broker_error(error, where) from error


class KafkaDelivery:
    def __init__(self, future: "FutureRecordMetadata") -> None:
        self._future = future

    @property
    def acked(self) -> bool | None:
        return bool(self._future.succeeded()) if self._future.is_done else None


class KafkaPublisher:
    """A Publisher. A message that could not be delivered within the broker's timeout is not retried; the caller publishes it again."""

    def __init__(self, connection: BrokerConnection, client: str) -> None:
        self._where = connection.where
        self._timeout_s = connection.broker.timeout_s
        self._capacity = Condition()
        self._in_flight_bytes = 0
        self._failures: deque[Exception] = deque(maxlen=10)
        settings = connection.settings() | {"request_timeout_ms": round(self._timeout_s * 500)}
        with translate_connect_errors(self._where):
            self._producer = KafkaProducer(
                **settings,
                metrics_enabled=False,
                client_id=client,
                acks="all",
                enable_idempotence=True,
                delivery_timeout_ms=round(self._timeout_s * 1000),
                max_block_ms=round(self._timeout_s * 1000),
                max_request_size=connection.max_message_bytes,
                batch_size=_BATCH_BYTES,
                linger_ms=_LINGER_MS,
                allow_auto_create_topics=False,
            )

    def publish(
        self, topic: str, value: bytes, *, key: bytes, headers: Sequence[tuple[str, bytes]] = (), partition: int | None = None
    ) -> KafkaDelivery:
        size = len(value) + len(key) + sum(len(name) + len(content) for name, content in headers)
        self._wait_for_capacity(size)
        try:
            with translate_errors(self._where):
                future = self._producer.send(topic, value=value, key=key, headers=list(headers), partition=partition)
        except BaseException:
            self._release(size)
            raise
        future.add_callback(lambda _: self._release(size))
        future.add_errback(lambda error: self._fail(size, error))
        return KafkaDelivery(future)

    def flush(self) -> None:
        with translate_errors(self._where):
            self._producer.flush(timeout=self._timeout_s + 5)
        if self._failures:
            error = self._failures[0]
            self._failures.clear()
            raise broker_error(error, self._where) from error

    def close(self) -> None:
        """Waits up to 5 seconds for unacknowledged messages."""
        try:
            self._producer.close(timeout=5)
        except KafkaError as error:
            log.warning("%s", broker_error(error, self._where))

    def _wait_for_capacity(self, size: int) -> None:
        with self._capacity:
            if not self._capacity.wait_for(lambda: self._fits(size), self._timeout_s):
                raise BrokerUnavailable(f"Kafka ({self._where}) has acknowledged no message for {self._timeout_s:g} s")
            self._in_flight_bytes += size

    def _fits(self, size: int) -> bool:
        """A message that is larger than the limit is sent alone."""
        return self._in_flight_bytes + size <= MAX_IN_FLIGHT_BYTES or not self._in_flight_bytes

    def _release(self, size: int) -> None:
        with self._capacity:
            self._in_flight_bytes -= size
            self._capacity.notify_all()

    def _fail(self, size: int, error: Exception) -> None:
        self._failures.append(error)
        self._release(size)


class _RebalanceListener(ConsumerRebalanceListener):  # type: ignore[misc]  # the library has no types
    """Collects the partitions that were revoked and assigned. The library calls it inside `poll`, so it must not block."""

    def __init__(self) -> None:
        self.revoked: set[int] = set()
        self.assigned: set[int] = set()

    def on_partitions_revoked(self, revoked: Any) -> None:
        numbers = {partition.partition for partition in revoked}
        self.revoked |= numbers
        self.assigned -= numbers

    def on_partitions_assigned(self, assigned: Any) -> None:
        self.assigned |= {partition.partition for partition in assigned}

    def drain(self) -> tuple[set[int], set[int]]:
        """Partitions revoked and assigned since the last call."""
        changes = self.revoked, self.assigned
        self.revoked, self.assigned = set(), set()
        return changes


class KafkaSubscriber:
    """A Subscriber."""

    def __init__(self, connection: BrokerConnection, client: str, topic: str, group: str) -> None:
        self._where = connection.where
        self._topic = topic
        self._timeout_ms = round(connection.broker.timeout_s * 1000)
        session_ms = round(connection.broker.session_s * 1000)
        self._listener = _RebalanceListener()
        self._not_sought: set[int] = set()
        """Assigned partitions for which `seek` was not called yet."""
        self._paused = False
        self._counted_at = -math.inf
        with translate_connect_errors(self._where):
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
                metadata_max_age_ms=_METADATA_AGE_MS,
                max_partition_fetch_bytes=_FETCH_BYTES,
                fetch_max_bytes=_FETCH_BYTES * 2,
                allow_auto_create_topics=False,
            )
            self._consumer.subscribe([topic], listener=self._listener)

    def poll(self, timeout_s: float, max_records: int) -> PollResult:
        with translate_errors(self._where):
            batches = self._consumer.poll(timeout_ms=round(timeout_s * 1000), max_records=max_records)
        revoked, assigned = self._listener.drain()
        self._not_sought = (self._not_sought - revoked) | assigned
        if self._paused and assigned:
            self.pause()
        messages = tuple(
            _message(record) for partition, records in batches.items() if partition.partition not in self._not_sought for record in records
        )
        return PollResult(revoked=tuple(sorted(revoked)), assigned=tuple(sorted(assigned)), messages=messages)

    def seek(self, partition: int, offset: int) -> None:
        with translate_errors(self._where):
            self._consumer.seek(self._topic_partition(partition), offset)
        self._not_sought.discard(partition)

    def committed(self, partition: int) -> Position | None:
        with translate_errors(self._where):
            found = self._consumer.committed(self._topic_partition(partition), metadata=True, timeout_ms=self._timeout_ms)
        return None if found is None else Position(offset=found.offset, metadata=found.metadata or "")

    def first(self, partition: int) -> int:
        topic_partition = self._topic_partition(partition)
        with translate_errors(self._where):
            return int(self._consumer.beginning_offsets([topic_partition], timeout_ms=self._timeout_ms)[topic_partition])

    def partition_of(self, key: bytes) -> int:
        """As every producer with the usual partitioner. The number of partitions is asked for again after a while: more may be added."""
        with translate_errors(self._where):
            if time.monotonic() - self._counted_at > _COUNT_PARTITIONS_S:
                self._consumer.topics()
                self._counted_at = time.monotonic()
            partitions = sorted(self._consumer.partitions_for_topic(self._topic) or {0})
        return _partition_of(key, partitions)

    def end(self, partition: int) -> int:
        topic_partition = self._topic_partition(partition)
        with translate_errors(self._where):
            return int(self._consumer.end_offsets([topic_partition], timeout_ms=self._timeout_ms)[topic_partition])

    def commit(self, positions: Mapping[int, Position]) -> bool:
        offsets = {
            self._topic_partition(number): OffsetAndMetadata(position.offset, position.metadata, -1)
            for number, position in positions.items()
        }
        try:
            with translate_errors(self._where):
                self._consumer.commit(offsets, timeout_ms=self._timeout_ms)
        except BrokerError as error:
            if isinstance(error.__cause__, _REASSIGNED):
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
        """Leaves the group at once, so that its partitions are reassigned without waiting for the session timeout."""
        try:
            self._consumer.close(autocommit=False, timeout_ms=5000)
        except KafkaError as error:
            log.warning("%s", broker_error(error, self._where))

    def _topic_partition(self, partition: int) -> TopicPartition:
        return TopicPartition(self._topic, partition)


class KafkaTopicTail:
    """Reads what is written to a topic from now on, from all its partitions, without a consumer group (a TopicTail)."""

    def __init__(self, connection: BrokerConnection, client: str, topic: str) -> None:
        """Raises BrokerUnavailable; BrokerRefused if the topic does not exist."""
        self._where = connection.where
        with translate_connect_errors(self._where):
            self._consumer = KafkaConsumer(
                **connection.settings(), metrics_enabled=False, client_id=client, enable_auto_commit=False, allow_auto_create_topics=False
            )
        with translate_errors(self._where):
            partitions = [TopicPartition(topic, number) for number in self._consumer.partitions_for_topic(topic) or ()]
            if not partitions:
                self.close()
                raise BrokerRefused(f"Kafka ({self._where}) has no topic {topic}: its writer has to create it")
            self._consumer.assign(partitions)
            for partition, end in self._consumer.end_offsets(partitions).items():
                self._consumer.seek(partition, end)

    def poll(self, timeout_s: float) -> tuple[Message, ...]:
        """Messages in the order of each partition. Raises BrokerUnavailable, BrokerRefused."""
        with translate_errors(self._where):
            batches = self._consumer.poll(timeout_ms=round(timeout_s * 1000))
        return tuple(_message(record) for records in batches.values() for record in records)

    def close(self) -> None:
        with suppress(KafkaError):
            self._consumer.close(autocommit=False, timeout_ms=5000)


class KafkaTopicReader:
    """Reads partitions without a consumer group: compacted topics (CompactedTopicReader), dead letters, past frames (TopicHistory)."""

    def __init__(self, connection: BrokerConnection, client: str) -> None:
        self._where = connection.where
        self._timeout_ms = round(connection.broker.timeout_s * 1000)
        with translate_connect_errors(self._where):
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
        """Messages from offset `since` (None: the first) up to the present end. Raises BrokerUnavailable."""
        topic_partition = TopicPartition(topic, partition)
        with translate_errors(self._where):
            self._consumer.assign([topic_partition])
            first = self._consumer.beginning_offsets([topic_partition], timeout_ms=self._timeout_ms)[topic_partition]
            end = self._consumer.end_offsets([topic_partition], timeout_ms=self._timeout_ms)[topic_partition]
            self._consumer.seek(topic_partition, max(first, since or 0))
        yield from self._until(topic_partition, end)

    def offset_at(self, topic: str, partition: int, at: datetime) -> int | None:
        topic_partition = TopicPartition(topic, partition)
        with translate_errors(self._where):
            found = self._consumer.offsets_for_times({topic_partition: round(at.timestamp() * 1000)}, timeout_ms=self._timeout_ms)
        return int(found[topic_partition].offset) if found.get(topic_partition) else None

    def partition_of(self, topic: str, key: bytes) -> int:
        with translate_errors(self._where):
            partitions = sorted(self._consumer.partitions_for_topic(topic) or {0})
        return _partition_of(key, partitions)

    def partitions(self, topic: str) -> int:
        """Number of partitions; 0 if the topic does not exist."""
        with translate_errors(self._where):
            return len(self._consumer.partitions_for_topic(topic) or ())

    def close(self) -> None:
        with suppress(KafkaError):
            self._consumer.close(autocommit=False, timeout_ms=5000)

    def _until(self, partition: TopicPartition, end: int) -> Iterator[Message]:
        idle_ms = 0
        while (position := self._position(partition)) < end:
            with translate_errors(self._where):
                batches = self._consumer.poll(timeout_ms=500)
            idle_ms = 0 if batches or self._position(partition) > position else idle_ms + 500
            if idle_ms > self._timeout_ms:
                raise BrokerUnavailable(
                    f"Kafka ({self._where}) returned no messages of {partition.topic} [{partition.partition}] for {idle_ms / 1000:g} s,"
                    " although its end was not reached"
                )
            for record in batches.get(partition, ()):
                if record.offset < end:
                    yield _message(record)

    def _position(self, partition: TopicPartition) -> int:
        with translate_errors(self._where):
            return int(self._consumer.position(partition, timeout_ms=self._timeout_ms) or 0)


def _partition_of(key: bytes, partitions: Sequence[int]) -> int:
    return int(partitions[(murmur2(key) & 0x7FFFFFFF) % len(partitions)])


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
