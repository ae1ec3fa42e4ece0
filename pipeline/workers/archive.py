"""The archive worker: frames from Kafka in, segments of the archive out. It has a consumer group of its own, beside that of detect.

Frames are written and synced before the group's position is committed. After a kill the same frames are read again; a segment that has them
already ignores them. While the archive is full or cannot be reached, the worker pauses: the frames stay in Kafka for its retention time.
"""

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from etle.backoff import Backoff
from etle.clock import seconds_between
from etle.errors import ArchiveFull, ArchiveUnavailable, WireError
from etle.kafka.protocols import Message, Position, Subscriber
from etle.kafka.topics import TopicNames
from etle.observability.metrics import ArchiveOutcome, Dependency, Metrics
from etle.protocols import Clock
from etle.storage.archive.segment import ArchivedMessage
from etle.storage.archive.writer import ArchiveWriter
from etle.types import CameraId
from etle.wire import Verify, frame_from_wire
from pipeline.workers.origin import check_origin

if TYPE_CHECKING:
    from etle.kafka.security import BrokerConnection

log = logging.getLogger(__name__)
STAGE = "archive"
MAX_RECORDS = 64
SAVE_EVERY_S = 2.0


class ArchiveWorker:
    """Lives until the broker becomes unavailable; the next one continues at the committed position. Not thread-safe."""

    def __init__(
        self, subscriber: Subscriber, writer: ArchiveWriter, cameras: frozenset[CameraId], names: TopicNames, verify: Verify | None,
        clock: Clock, metrics: Metrics,
    ) -> None:  # fmt: skip
        """`cameras`: those of the site; others are not archived. `verify` checks a frame's signature."""
        self._subscriber = subscriber
        self._writer = writer
        self._cameras = cameras
        self._names = names
        self._verify = verify
        self._clock = clock
        self._metrics = metrics
        self._next: dict[int, int] = {}
        """Offset of the next message of each assigned partition."""
        self._committed: dict[int, int] = {}
        self._written: dict[int, set[CameraId]] = {}
        """Cameras of which each partition had frames."""
        self._saved_at = clock.now()
        self._backoff = Backoff()
        self._paused_until: datetime | None = None
        self._pause = ExitStack()

    def step(self, timeout_s: float) -> int:
        """Wait up to `timeout_s` for messages and archive them; returns the number handled. Raises BrokerUnavailable."""
        self._resume_if_due()
        polled = self._subscriber.poll(timeout_s, MAX_RECORDS)
        for number in polled.revoked:
            self._revoke(number)
        for number in polled.assigned:
            self._seek_committed(number)
        handled = 0
        for message in polled.messages:
            if not self._handle(message):
                self._rewind({each.partition for each in polled.messages[handled:]})
                break
            handled += 1
        if seconds_between(self._saved_at, self._clock.now()) >= SAVE_EVERY_S:
            self.save()
        return handled

    def save(self) -> None:
        """Make what was archived durable, then commit the position. Raises BrokerUnavailable."""
        try:
            self._writer.sync()
        except ArchiveUnavailable as error:
            self._wait(error)
            return
        changed = {number: offset for number, offset in self._next.items() if self._committed.get(number) != offset}
        if changed and self._subscriber.commit({number: Position(offset=offset) for number, offset in changed.items()}):
            self._committed |= changed
        waiting = sum(self._subscriber.end(number) - offset for number, offset in self._next.items())
        self._metrics.waiting(self._names.frames, waiting)
        self._saved_at = self._clock.now()

    @property
    def paused(self) -> bool:
        return self._paused_until is not None

    def close(self) -> None:
        self._pause.close()

    def _revoke(self, number: int) -> None:
        self._next.pop(number, None)
        self._committed.pop(number, None)
        self._writer.release(frozenset(self._written.pop(number, ())))

    def _seek_committed(self, number: int) -> None:
        committed = self._subscriber.committed(number)
        self._next[number] = committed.offset if committed else self._subscriber.first(number)
        self._subscriber.seek(number, self._next[number])

    def _handle(self, message: Message) -> bool:
        """False if the message must be tried again later."""
        try:
            outcome = self._archive(message)
        except (ArchiveFull, ArchiveUnavailable) as error:
            self._wait(error)
            return False
        except WireError as error:
            log.warning("%s %d/%d is not archived: %s", message.topic, message.partition, message.offset, error)
            outcome = ArchiveOutcome.INVALID
        self._metrics.archived(outcome)
        self._next[message.partition] = message.offset + 1
        return True

    def _archive(self, message: Message) -> ArchiveOutcome:
        frame = frame_from_wire(message.headers, message.value, self._verify)
        if frame.camera not in self._cameras:
            raise WireError(f"the site file has no camera {frame.camera!r}")
        written = self._written.setdefault(message.partition, set())
        check_origin(frame, message.partition, self._clock.now(), self._subscriber.partition_of, known=frame.camera in written)
        written.add(frame.camera)
        new = self._writer.append(ArchivedMessage(headers=message.headers, jpeg=message.value), frame)
        self._backoff.reset()
        if new:
            self._metrics.archive_written(len(frame.jpeg))
        return ArchiveOutcome.ARCHIVED if new else ArchiveOutcome.REPEATED

    def _wait(self, error: ArchiveFull | ArchiveUnavailable) -> None:
        delay_s = self._backoff.next_s()
        log.warning("%s Next attempt in %g s.", error, delay_s)
        self._paused_until = self._clock.now() + timedelta(seconds=delay_s)
        self._subscriber.pause()
        self._pause.close()
        self._pause.enter_context(self._metrics.waiting_for(Dependency.ARCHIVE))

    def _resume_if_due(self) -> None:
        if self._paused_until is not None and self._clock.now() >= self._paused_until:
            self._paused_until = None
            self._pause.close()
            self._subscriber.resume()

    def _rewind(self, partitions: set[int]) -> None:
        """Read messages again that were polled and not handled."""
        for number in partitions:
            self._subscriber.seek(number, self._next[number])


@contextmanager
def open_archive_worker(
    connection: "BrokerConnection", writer: ArchiveWriter, cameras: frozenset[CameraId], verify: Verify | None, clock: Clock,
    metrics: Metrics,
) -> Iterator[ArchiveWorker]:  # fmt: skip
    """A worker with a connection of its own to the broker. Raises BrokerUnavailable, ConfigError if a topic is missing."""
    from etle.kafka.admin import KafkaTopicAdmin
    from etle.kafka.client import KafkaSubscriber
    from etle.kafka.topics import require_topics_exist

    require_topics_exist(connection.broker, KafkaTopicAdmin(connection))
    client, names = f"archive-{socket.gethostname()}-{os.getpid()}", TopicNames(connection.broker.prefix)
    with ExitStack() as opened:
        subscriber = KafkaSubscriber(connection, client, names.frames, names.archive_group)
        opened.callback(subscriber.close)
        worker = ArchiveWorker(subscriber, writer, cameras, names, verify, clock, metrics)
        opened.callback(worker.close)
        yield worker
