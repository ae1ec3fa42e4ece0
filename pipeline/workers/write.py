"""The write worker: parcels in, cases and evidence out.

Files, row, position, in that order: a kill between any two of them costs a second look at the same parcel. A database or a store that is
away, or full, is waited for with growing pauses at the parcel that it could not take; what is no parcel is set aside with its reason.
"""

import logging
from contextlib import ExitStack
from datetime import datetime, timedelta

from etle.errors import EvidenceCorrupt, EvidenceFull, EvidenceUnavailable, StoreError, StoreUnavailable, WireError
from etle.kafka.dead_letters import DeadLetterQueue
from etle.kafka.protocols import Message, Position, Publisher, Subscriber
from etle.kafka.topics import TopicNames
from etle.observability.metrics import Dependency, EvidenceError, Metrics, ViolationOutcome
from etle.protocols import Clock, ViolationSink
from etle.wire import parcel_from_wire
from pipeline.workers.supervise import Pauses

log = logging.getLogger(__name__)
STAGE = "write"
MOST_MESSAGES = 8
LOOK_EVERY_S = 5.0
"""At the ends of our partitions: how much waits, and whether the broker is there at all."""


class WriteWorker:
    """One worker's work from its start, or from the broker's return, on. For one thread."""

    def __init__(
        self, subscriber: Subscriber, publisher: Publisher, sink: ViolationSink, names: TopicNames, clock: Clock, metrics: Metrics
    ) -> None:
        self._subscriber = subscriber
        self._publisher = publisher
        self._sink = sink
        self._names = names
        self._clock = clock
        self._metrics = metrics
        self._letters = DeadLetterQueue(publisher, names.dead_letters, STAGE)
        self._next: dict[int, int] = {}
        """Of each partition that is ours, the offset of the next parcel."""
        self._pauses = Pauses()
        self._paused_until: datetime | None = None
        self._looked_at = clock.now()
        self._pause = ExitStack()

    def step(self, timeout_s: float) -> int:
        """Waits at most that long for messages; how many were done with. Raises BrokerUnavailable."""
        self._resume_in_time()
        polled = self._subscriber.poll(timeout_s, MOST_MESSAGES)
        for number in polled.revoked:
            self._next.pop(number, None)
        for number in polled.assigned:
            self._place(number)
        before = dict(self._next)
        for place, message in enumerate(polled.messages):
            if not self._done(message):
                self._go_back(polled.messages[place:])
                break
        self._look_around(self._clock.now())
        self._commit({number: offset for number, offset in self._next.items() if before.get(number) != offset})
        return sum(offset - before.get(number, offset) for number, offset in self._next.items())

    def save(self) -> None:
        """Nothing is left to be done: each step makes its work count."""

    @property
    def paused(self) -> bool:
        return self._paused_until is not None

    def close(self) -> None:
        self._pause.close()

    def _place(self, number: int) -> None:
        committed = self._subscriber.committed(number)
        self._next[number] = committed.offset if committed else self._subscriber.first(number)
        self._subscriber.seek(number, self._next[number])

    def _done(self, message: Message) -> bool:
        """False if it must be tried again later."""
        try:
            self._write(message)
        except (StoreUnavailable, EvidenceFull) as error:
            self._wait(error)
            return False
        except (WireError, StoreError) as error:
            self._set_aside(message, error)
        else:
            self._pauses.reset()
        self._next[message.partition] = message.offset + 1
        return True

    def _write(self, message: Message) -> None:
        parcel = parcel_from_wire(message.value)
        new = self._sink.put(parcel)
        violation = parcel.violation
        self._metrics.violation(violation.rule, ViolationOutcome.WRITTEN if new else ViolationOutcome.REPEATED)
        if new:
            self._metrics.evidence_stored(sum(len(file.data) for file in parcel.files))
        self._metrics.lag(self._names.violations, (self._clock.now() - message.at).total_seconds())

    def _set_aside(self, message: Message, error: WireError | StoreError) -> None:
        log.warning("%s %d/%d set aside: %s", message.topic, message.partition, message.offset, error)
        self._letters.put(message, str(error), self._clock.now())
        self._metrics.dead_letter(STAGE)
        if isinstance(error, EvidenceCorrupt):
            self._metrics.evidence_error(EvidenceError.CORRUPT)

    def _wait(self, error: StoreUnavailable | EvidenceFull) -> None:
        pause_s = self._pauses.next_s()
        log.warning("%s Trying again in %g s.", error, pause_s)
        trouble = _trouble(error)
        if trouble is not None:
            self._metrics.evidence_error(trouble)
        self._paused_until = self._clock.now() + timedelta(seconds=pause_s)
        self._subscriber.pause()
        self._pause.close()
        self._pause.enter_context(self._metrics.waiting_for(Dependency.DATABASE if trouble is None else Dependency.EVIDENCE))

    def _resume_in_time(self) -> None:
        if self._paused_until is not None and self._clock.now() >= self._paused_until:
            self._paused_until = None
            self._pause.close()
            self._subscriber.resume()

    def _go_back(self, messages: tuple[Message, ...]) -> None:
        """What was taken from the broker and not done is taken again."""
        for number in {message.partition for message in messages}:
            self._subscriber.seek(number, self._next[number])

    def _look_around(self, now: datetime) -> None:
        if (now - self._looked_at).total_seconds() < LOOK_EVERY_S:
            return
        self._looked_at = now
        waiting = sum(self._subscriber.end(number) - offset for number, offset in self._next.items())
        self._metrics.waiting(self._names.violations, waiting)

    def _commit(self, offsets: dict[int, int]) -> None:
        if not offsets:
            return
        self._publisher.flush()
        self._subscriber.commit({number: Position(offset=offset) for number, offset in offsets.items()})


def _trouble(error: StoreUnavailable | EvidenceFull) -> EvidenceError | None:
    """None if it is the database that is away."""
    if isinstance(error, EvidenceFull):
        return EvidenceError.FULL
    return EvidenceError.UNAVAILABLE if isinstance(error, EvidenceUnavailable) else None
