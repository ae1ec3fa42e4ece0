"""The write worker: violations from Kafka in, cases and evidence out.

Written in this order: files, database row, the group's position. After a kill between any two of them the same message is handled again.
While the database or the evidence store is unavailable or full, the worker pauses with growing delays at the message that could not be
stored. A message that cannot be stored at all becomes a dead letter with its reason.
"""

import logging
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal

from etle.backoff import Backoff
from etle.errors import EvidenceCorrupt, EvidenceFull, EvidenceUnavailable, StoreError, StoreUnavailable, WireError
from etle.kafka.dead_letters import DeadLetterQueue
from etle.kafka.protocols import Message, Position, Publisher, Subscriber
from etle.kafka.topics import TopicNames
from etle.observability.metrics import Dependency, EvidenceError, Metrics, ViolationOutcome
from etle.protocols import Clock, ViolationSink
from etle.types import ViolationMessage
from etle.wire import is_violation_signed, violation_message_from_wire
from pipeline.workers.partition_range import PartitionRange, count_expired

if TYPE_CHECKING:
    from etle.kafka.security import BrokerConnection

log = logging.getLogger(__name__)
STAGE = "write"
MAX_RECORDS = 8
UNSIGNED_MARK: Final = "unsigned"
"""Mark of a case whose violation no detect worker signed; the texts are `mark.unsigned` in `review/texts/`."""
CHECK_EVERY_S = 5.0
"""Interval between two reads of the partitions' ends: for the metrics, and to notice an unavailable broker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignaturePolicy:
    """Which violation messages the writer believes."""

    verify: Callable[[bytes, bytes], bool] | None = None
    """Whether a detect worker of the site made this signature of these bytes; None: no keys are configured, and everything is believed."""
    unsigned: Literal["refuse", "mark"] = "refuse"

    def checked(self, message: Message) -> ViolationMessage:
        """The violation, marked if it is not signed and may be stored all the same. Raises WireError."""
        found = violation_message_from_wire(message.value)
        if self.verify is None or is_violation_signed(message.headers, message.value, self.verify):
            return found
        if self.unsigned == "refuse":
            raise WireError(f"violation {found.violation.id} has no signature of a detect worker of this site (`custody.detect_keys`)")
        return replace(found, violation=replace(found.violation, marks=(*found.violation.marks, UNSIGNED_MARK)))


class WriteWorker:
    """Lives until the broker becomes unavailable; the next one continues at the committed position. Not thread-safe."""

    def __init__(
        self, subscriber: Subscriber, publisher: Publisher, sink: ViolationSink, names: TopicNames, clock: Clock, metrics: Metrics,
        policy: SignaturePolicy | None = None,
    ) -> None:  # fmt: skip
        self._subscriber = subscriber
        self._publisher = publisher
        self._sink = sink
        self._names = names
        self._clock = clock
        self._metrics = metrics
        self._policy = policy or SignaturePolicy()
        self._dead_letters = DeadLetterQueue(publisher, names.dead_letters, STAGE)
        self._next: dict[int, int] = {}
        """Offset of the next message of each assigned partition."""
        self._backoff = Backoff()
        self._paused_until: datetime | None = None
        self._checked_at = clock.now()
        metrics.expired(names.violations, 0)
        self._pause = ExitStack()

    def step(self, timeout_s: float) -> int:
        """Wait up to `timeout_s` for messages and store them; returns the number handled. Raises BrokerUnavailable."""
        self._resume_if_due()
        polled = self._subscriber.poll(timeout_s, MAX_RECORDS)
        for number in polled.revoked:
            self._next.pop(number, None)
        for number in polled.assigned:
            self._seek_committed(number)
        before = dict(self._next)
        for index, message in enumerate(polled.messages):
            if not self._handle(message):
                self._rewind(polled.messages[index:])
                break
        self._check_ends(self._clock.now())
        self._commit({number: offset for number, offset in self._next.items() if before.get(number) != offset})
        return sum(offset - before.get(number, offset) for number, offset in self._next.items())

    def save(self) -> None:
        """Nothing to do: each step commits its work."""

    @property
    def paused(self) -> bool:
        return self._paused_until is not None

    def close(self) -> None:
        self._pause.close()

    def _seek_committed(self, number: int) -> None:
        committed = self._subscriber.committed(number)
        present = PartitionRange.of(self._subscriber, self._names.violations, number)
        if committed is not None and present.is_beyond(committed.offset):
            present.warn_of_another_log()
            committed = Position(offset=present.first)
        handled = committed.offset if committed else 0
        present.count_expired(handled, self._metrics)
        self._next[number] = max(handled, present.first)
        self._subscriber.seek(number, self._next[number])

    def _handle(self, message: Message) -> bool:
        """False if the message must be tried again later."""
        self._check_offset(message)
        try:
            self._write(message)
        except (StoreUnavailable, EvidenceFull) as error:
            self._wait(error)
            return False
        except (WireError, StoreError) as error:
            self._reject(message, error)
        else:
            self._backoff.reset()
        self._next[message.partition] = message.offset + 1
        return True

    def _check_offset(self, message: Message) -> None:
        expected = self._next.get(message.partition, message.offset)
        if message.offset < expected:
            log.warning(
                "%s, partition %d: its offsets went back from %d to %d: it is another log. All of its messages are stored",
                message.topic, message.partition, expected, message.offset,
            )  # fmt: skip
        count_expired(message.topic, message.partition, message.offset - expected, self._metrics)
        self._next[message.partition] = message.offset

    def _write(self, message: Message) -> None:
        found = self._policy.checked(message)
        new = self._sink.put(found)
        violation = found.violation
        self._metrics.violation(violation.rule, ViolationOutcome.WRITTEN if new else ViolationOutcome.REPEATED)
        if new:
            self._metrics.evidence_stored(sum(len(file.data) for file in found.files))
        self._metrics.lag(self._names.violations, (self._clock.now() - message.at).total_seconds())

    def _reject(self, message: Message, error: WireError | StoreError) -> None:
        log.warning("%s %d/%d rejected: %s", message.topic, message.partition, message.offset, error)
        self._dead_letters.put(message, str(error), self._clock.now())
        self._metrics.dead_letter(STAGE)
        if isinstance(error, EvidenceCorrupt):
            self._metrics.evidence_error(EvidenceError.CORRUPT)

    def _wait(self, error: StoreUnavailable | EvidenceFull) -> None:
        delay_s = self._backoff.next_s()
        log.warning("%s Next attempt in %g s.", error, delay_s)
        kind = _evidence_error(error)
        if kind is not None:
            self._metrics.evidence_error(kind)
        self._paused_until = self._clock.now() + timedelta(seconds=delay_s)
        self._subscriber.pause()
        self._pause.close()
        self._pause.enter_context(self._metrics.waiting_for(Dependency.DATABASE if kind is None else Dependency.EVIDENCE))

    def _resume_if_due(self) -> None:
        if self._paused_until is not None and self._clock.now() >= self._paused_until:
            self._paused_until = None
            self._pause.close()
            self._subscriber.resume()

    def _rewind(self, messages: tuple[Message, ...]) -> None:
        """Read these messages again, which were polled and not handled."""
        for number in {message.partition for message in messages}:
            self._subscriber.seek(number, self._next[number])

    def _check_ends(self, now: datetime) -> None:
        if (now - self._checked_at).total_seconds() < CHECK_EVERY_S:
            return
        self._checked_at = now
        waiting = sum(self._subscriber.end(number) - offset for number, offset in self._next.items())
        self._metrics.waiting(self._names.violations, waiting)

    def _commit(self, offsets: dict[int, int]) -> None:
        if not offsets:
            return
        self._publisher.flush()
        self._subscriber.commit({number: Position(offset=offset) for number, offset in offsets.items()})


def _evidence_error(error: StoreUnavailable | EvidenceFull) -> EvidenceError | None:
    """None if the database is unavailable."""
    if isinstance(error, EvidenceFull):
        return EvidenceError.FULL
    return EvidenceError.UNAVAILABLE if isinstance(error, EvidenceUnavailable) else None


@contextmanager
def open_write_worker(
    connection: "BrokerConnection", sink: ViolationSink, clock: Clock, metrics: Metrics, policy: SignaturePolicy
) -> Iterator[WriteWorker]:
    """A worker with its own connections to the broker. Raises BrokerUnavailable, ConfigError if a topic is missing."""
    from etle.kafka.admin import KafkaTopicAdmin
    from etle.kafka.client import KafkaPublisher, KafkaSubscriber
    from etle.kafka.topics import require_topics_exist

    require_topics_exist(connection.broker, KafkaTopicAdmin(connection))
    client, names = f"write-{socket.gethostname()}-{os.getpid()}", TopicNames(connection.broker.prefix)
    with ExitStack() as opened:
        publisher = KafkaPublisher(connection, client)
        opened.callback(publisher.close)
        subscriber = KafkaSubscriber(connection, client, names.violations, names.write_group)
        opened.callback(subscriber.close)
        worker = WriteWorker(subscriber, publisher, sink, names, clock, metrics, policy)
        opened.callback(worker.close)
        yield worker
