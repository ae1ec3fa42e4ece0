"""The detect worker: frames of many cameras from Kafka in, violations out.

One step: poll messages -> process each frame in its camera's session -> publish the violations. Every few seconds the work is committed,
in this order: flush violations, publish and flush checkpoints, commit the group's position. A kill between any two of them costs time
only.

A message that cannot be processed becomes a dead letter with its reason. An error of a model stops the worker: a broken model would
otherwise turn a busy road into an empty one.
"""

import logging
import os
import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from etle.clock import seconds_between
from etle.errors import WireError
from etle.kafka.dead_letters import DeadLetterQueue
from etle.kafka.protocols import CompactedTopicReader, Message, Position, Publisher, Subscriber
from etle.kafka.topics import TopicNames
from etle.observability.metrics import FrameOutcome, Metrics, ViolationOutcome
from etle.protocols import Clock
from etle.types import CameraId, Frame, Lamp, ViolationMessage
from etle.wire import Sign, Verify, frame_from_wire, violation_headers, violation_message_to_wire
from pipeline.detect.view_check import ViewFault
from pipeline.detect.visibility import FrameObservation
from pipeline.workers.checkpoint import Checkpoint, checkpoint_from_wire, checkpoint_to_wire
from pipeline.workers.origin import check_origin
from pipeline.workers.partition import PartitionState, handled_offset
from pipeline.workers.partition_range import PartitionRange, count_expired
from pipeline.workers.session import CameraSession, FrameResult, FrameStatus, StageFactory

if TYPE_CHECKING:
    from etle.kafka.security import BrokerConnection

log = logging.getLogger(__name__)
STAGE = "detect"
MAX_RECORDS = 32
"""Messages of one step: about a second of work, so that the worker stays in its group and stops within seconds."""
SAVE_EVERY_S = 2.0
CHECK_EVERY_S = 5.0
"""Interval between two reads of the partitions' ends: for the metrics, to find idle cameras, and to notice an unavailable broker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectSettings:
    names: TopicNames
    verify: Verify | None
    """Checks a frame's signature; None: frames need none."""
    sign: Sign | None = None
    """Signs violation messages."""
    idle_timeout_s: float
    """A camera without frames for this long, while no message waits in the broker, has ended: its pending findings are completed."""


class DetectWorker:
    """Lives until the broker becomes unavailable; the next one continues from the checkpoints. Not thread-safe."""

    def __init__(
        self, subscriber: Subscriber, publisher: Publisher, checkpoints: CompactedTopicReader, stages: StageFactory,
        settings: DetectSettings, clock: Clock, metrics: Metrics,
    ) -> None:  # fmt: skip
        self._subscriber = subscriber
        self._publisher = publisher
        self._checkpoints = checkpoints
        self._stages = stages
        self._settings = settings
        self._clock = clock
        self._metrics = metrics
        self._dead_letters = DeadLetterQueue(publisher, settings.names.dead_letters, STAGE)
        self._partitions: dict[int, PartitionState] = {}
        self._saved_at = self._checked_at = clock.now()
        metrics.expired(settings.names.frames, 0)

    def step(self, timeout_s: float) -> int:
        """Wait up to `timeout_s` for messages and handle them; returns their number. Raises BrokerUnavailable, InferenceError."""
        polled = self._subscriber.poll(timeout_s, MAX_RECORDS)
        for number in polled.revoked:
            left = self._partitions.pop(number, None)
            for camera in left.sessions if left is not None else ():
                self._metrics.camera_left(camera)
        for number in polled.assigned:
            self._partitions[number] = self._resume(number)
        for message in polled.messages:
            self._handle(message)
        now = self._clock.now()
        if seconds_between(self._checked_at, now) >= CHECK_EVERY_S:
            self._checked_at = now
            self._check_ends(now)
        if seconds_between(self._saved_at, now) >= SAVE_EVERY_S:
            self.save()
        return len(polled.messages)

    def save(self) -> None:
        """Flush violations, then checkpoints, then commit the position. Raises BrokerUnavailable."""
        self._publisher.flush()
        for partition in self._partitions.values():
            for session in partition.sessions.values():
                if session.dirty:
                    self._publish_checkpoint(partition, session)
        self._publisher.flush()
        positions = {number: partition.next_position for number, partition in self._partitions.items()}
        changed = {number: position for number, position in positions.items() if position != self._partitions[number].committed}
        if changed and self._subscriber.commit(changed):
            for number, position in changed.items():
                self._partitions[number].committed = position
        self._saved_at = self._clock.now()

    def _publish_checkpoint(self, partition: PartitionState, session: CameraSession) -> None:
        value = checkpoint_to_wire(session.checkpoint())
        self._publisher.publish(self._settings.names.checkpoints, value, key=session.camera.encode(), partition=partition.number)
        session.dirty = False

    def _resume(self, number: int) -> PartitionState:
        """A newly assigned partition, from the oldest offset that its checkpoints need."""
        checkpoints, committed = self._read_checkpoints(number), self._subscriber.committed(number)
        present = PartitionRange.of(self._subscriber, self._settings.names.frames, number)
        if _belongs_to_another_log(present, checkpoints, committed):
            present.warn_of_another_log()
            self._discard(checkpoints, number)
            checkpoints, committed = [], None
        first = present.first
        needed = [committed.offset if committed else first, *(each.needed_offset for each in checkpoints if not each.finished)]
        start = max(first, min(needed))
        handled = handled_offset(committed, start)
        present.count_expired(handled, self._metrics)
        partition = PartitionState(number, start, handled)
        for checkpoint in checkpoints:
            if checkpoint.finished:
                partition.finished[checkpoint.camera] = checkpoint
            else:
                self._open_session(partition, checkpoint.camera, checkpoint, start)
        self._subscriber.seek(number, start)
        return partition

    def _discard(self, checkpoints: Sequence[Checkpoint], number: int) -> None:
        """Otherwise the next start would find them again."""
        for checkpoint in checkpoints:
            self._publisher.publish(self._settings.names.checkpoints, b"", key=checkpoint.camera.encode(), partition=number)

    def _read_checkpoints(self, number: int) -> list[Checkpoint]:
        found = []
        for key, value in self._checkpoints.latest(self._settings.names.checkpoints, number).items():
            if not value:  # discarded
                continue
            try:
                checkpoint = checkpoint_from_wire(value)
            except WireError as error:
                log.warning("the checkpoint of %s is ignored: %s", key.decode(errors="replace"), error)
                continue
            if checkpoint.camera in self._stages.cameras:
                found.append(checkpoint)
        return found

    def _open_session(self, partition: PartitionState, camera: CameraId, checkpoint: Checkpoint | None, offset: int) -> CameraSession:
        session = CameraSession(self._stages, camera, checkpoint, offset, self._clock.now())
        partition.sessions[camera] = session
        return session

    def _handle(self, message: Message) -> None:
        partition = self._partitions.get(message.partition)
        if partition is None:
            return
        if message.offset < partition.position:
            log.warning(
                "%s, partition %d: its offsets went back from %d to %d: it is another log. All of its messages are processed",
                message.topic, message.partition, partition.position, message.offset,
            )  # fmt: skip
            partition = self._partitions[message.partition] = PartitionState(message.partition, message.offset, message.offset)
        count_expired(message.topic, message.partition, message.offset - max(partition.position, partition.handled), self._metrics)
        frame = self._read_frame(message, partition)
        if frame is not None:
            self._process(message, frame, partition)
        partition.position = message.offset + 1

    def _read_frame(self, message: Message, partition: PartitionState) -> Frame | None:
        """None if it became a dead letter."""
        try:
            frame = frame_from_wire(message.headers, message.value, self._settings.verify)
            if frame.camera not in self._stages.cameras:
                raise WireError(f"the site file has no camera {frame.camera!r}")
            self._check_origin(message, frame, partition)
        except WireError as error:
            self._reject(message, partition, str(error))
            return None
        return frame

    def _check_origin(self, message: Message, frame: Frame, partition: PartitionState) -> None:
        known = frame.camera in partition.sessions or frame.camera in partition.finished
        check_origin(frame, message.partition, self._clock.now(), self._subscriber.partition_of, known=known)

    def _reject(self, message: Message, partition: PartitionState, reason: str, camera: CameraId | None = None) -> None:
        if message.offset < partition.handled:
            return
        log.warning("%s %d/%d rejected: %s", message.topic, message.partition, message.offset, reason)
        self._dead_letters.put(message, reason, self._clock.now())
        self._metrics.dead_letter(STAGE)
        if camera is not None:
            self._metrics.frame(camera, FrameOutcome.DEAD)

    def _process(self, message: Message, frame: Frame, partition: PartitionState) -> None:
        session = partition.sessions.get(frame.camera)
        if session is None:
            session = self._open_session(partition, frame.camera, partition.finished.pop(frame.camera, None), message.offset)
        result = session.process(frame, message.offset, self._clock.now())
        if result.status is FrameStatus.SEQUENCE_RESET:
            log.warning("%s: sequence numbers restarted at %d", frame.camera, frame.sequence)
        self._publish(result.completed, frame.camera)
        if result.missing:
            self._metrics.frame(frame.camera, FrameOutcome.LOST, result.missing)
        if result.rejected is not None:
            self._reject(message, partition, result.rejected, frame.camera)
        else:
            self._count(frame, result)

    def _count(self, frame: Frame, result: FrameResult) -> None:
        self._metrics.frame(frame.camera, _outcome(result))
        if result.status in (FrameStatus.REPLAYED, FrameStatus.DUPLICATE):
            return
        self._metrics.last_frame(frame.camera, frame.captured_at)
        if result.observed is not None:
            count_observation(self._metrics, frame.camera, result.observed)
        if frame.clock_error_s is not None:
            self._metrics.clock_skew(frame.camera, frame.clock_error_s)
        self._metrics.lag(self._settings.names.frames, seconds_between(frame.received_at, self._clock.now()))

    def _publish(self, completed: Iterable[ViolationMessage], camera: CameraId) -> None:
        for message in completed:
            violation = message.violation
            log.info("%s: %s at %s", camera, violation.rule, violation.occurred_at.isoformat())
            value = violation_message_to_wire(message)
            headers = violation_headers(value, self._settings.sign)
            self._publisher.publish(self._settings.names.violations, value, key=str(violation.id).encode(), headers=headers)
            self._metrics.violation(violation.rule, ViolationOutcome.FOUND)

    def _check_ends(self, now: datetime) -> None:
        waiting = {number: self._subscriber.end(number) - partition.position for number, partition in self._partitions.items()}
        self._metrics.waiting(self._settings.names.frames, sum(waiting.values()))
        self._finish_idle([partition for number, partition in self._partitions.items() if not waiting[number]], now)

    def _finish_idle(self, partitions: Sequence[PartitionState], now: datetime) -> None:
        for session in [session for partition in partitions for session in partition.sessions.values()]:
            if not session.finished and seconds_between(session.last_frame_at, now) >= self._settings.idle_timeout_s:
                self._publish(session.finish(), session.camera)


def _belongs_to_another_log(present: PartitionRange, checkpoints: Sequence[Checkpoint], committed: Position | None) -> bool:
    """Whether the positions were counted in an earlier topic of this name.

    Kafka deletes the positions of a topic with the topic. Checkpoints without a position are therefore of another log; or of a worker that
    was killed before its first commit, whose frames are then processed once more.
    """
    offsets = [checkpoint.next_offset for checkpoint in checkpoints]
    if committed is None:
        return any(offset > present.first for offset in offsets)
    return present.is_beyond(committed.offset, *offsets)


@contextmanager
def open_detect_worker(
    connection: "BrokerConnection", stages: StageFactory, settings: DetectSettings, clock: Clock, metrics: Metrics
) -> Iterator[DetectWorker]:
    """A worker with its own connections to the broker. Raises BrokerUnavailable, ConfigError if a topic is missing."""
    from etle.kafka.admin import KafkaTopicAdmin
    from etle.kafka.client import KafkaPublisher, KafkaSubscriber, KafkaTopicReader
    from etle.kafka.topics import require_topics_exist

    require_topics_exist(connection.broker, KafkaTopicAdmin(connection))
    client = f"detect-{socket.gethostname()}-{os.getpid()}"
    with ExitStack() as opened:
        publisher = KafkaPublisher(connection, client)
        opened.callback(publisher.close)
        checkpoints = KafkaTopicReader(connection, client)
        opened.callback(checkpoints.close)
        subscriber = KafkaSubscriber(connection, client, settings.names.frames, settings.names.detect_group)
        opened.callback(subscriber.close)
        yield DetectWorker(subscriber, publisher, checkpoints, stages, settings, clock, metrics)


def count_observation(metrics: Metrics, camera: CameraId, seen: FrameObservation) -> None:
    """Counts what one frame showed, and what it did not."""
    for signal, lamp in seen.signals:
        metrics.signal_reading(camera, signal, known=lamp is not Lamp.UNKNOWN)
    for rule, reason in seen.settled:
        metrics.judged(camera, rule, reason.value)
    if seen.view is not None:
        metrics.view_checked(camera, {fault.value: fault in seen.view for fault in ViewFault}, paused=bool(seen.paused))


def _outcome(result: FrameResult) -> FrameOutcome:
    if result.status is FrameStatus.REPLAYED:
        return FrameOutcome.REFILLED
    if result.status is FrameStatus.DUPLICATE:
        return FrameOutcome.REPEATED
    return FrameOutcome.GATED if result.gated else FrameOutcome.PROCESSED
