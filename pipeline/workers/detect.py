"""The detect worker: frames of many cameras in, violations out.

One step: some messages -> each camera's next frame half through its stage -> the detector on all of them at once -> the other half ->
violations handed over. Every few seconds what was done is made to count, in this order: violations safe on the broker, then checkpoints,
then the group's position. A kill between any two of them costs time, and nothing else.

A message that cannot be processed is set aside with its reason. A model that fails is raised: it stops the worker, before a broken model
turns a busy road into an empty one.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest

from etle.errors import FrameBroken, WireError
from etle.kafka.dead_letters import DeadLetterQueue
from etle.kafka.protocols import CompactedTopicReader, Message, Publisher, Subscriber
from etle.kafka.topics import TopicNames
from etle.observability.metrics import FrameOutcome, Metrics, ViolationOutcome
from etle.protocols import Clock
from etle.types import CameraId, Detection, Frame, ViolationMessage
from etle.wire import Verify, frame_from_wire, parcel_to_wire
from pipeline.detect.stage import DecodedFrame
from pipeline.scene.scene import seconds
from pipeline.workers.checkpoint import Checkpoint, checkpoint_from_wire, checkpoint_to_wire, first_memory, memory_of
from pipeline.workers.partition import PartitionState, handled_by
from pipeline.workers.session import CameraSession, FrameStatus, StageFactory

log = logging.getLogger(__name__)
STAGE = "detect"
MOST_MESSAGES = 32
"""A step: about a second of work, so that the group hears of us, and a stop is obeyed."""
SAVE_EVERY_S = 2.0
LOOK_EVERY_S = 5.0
"""At the ends of our partitions: how much waits, which cameras have fallen silent, and whether the broker is there at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectSettings:
    names: TopicNames
    verify: Verify | None
    """Whose signatures count; None: frames need none."""
    silence_s: float
    """A camera of which nothing comes for so long, and nothing waits in the broker, has ended: what is pending is completed."""


@dataclass(frozen=True, slots=True)
class _Half:
    """A frame half way through."""

    work: CameraSession
    seen: DecodedFrame


class DetectWorker:
    """One worker's work from its start, or from the broker's return, on. For one thread."""

    def __init__(
        self, subscriber: Subscriber, publisher: Publisher, history: CompactedTopicReader, stages: StageFactory, settings: DetectSettings,
        clock: Clock, metrics: Metrics,
    ) -> None:  # fmt: skip
        self._subscriber = subscriber
        self._publisher = publisher
        self._history = history
        self._stages = stages
        self._settings = settings
        self._clock = clock
        self._metrics = metrics
        self._letters = DeadLetterQueue(publisher, settings.names.dead_letters, STAGE)
        self._partitions: dict[int, PartitionState] = {}
        self._saved_at = self._looked_at = clock.now()

    def step(self, timeout_s: float) -> int:
        """Waits at most that long for messages; how many came. Raises BrokerUnavailable, InferenceError."""
        polled = self._subscriber.poll(timeout_s, MOST_MESSAGES)
        for number in polled.lost:
            self._partitions.pop(number, None)
        for number in polled.gained:
            self._partitions[number] = self._resumed(number)
        self._handle(polled.messages)
        now = self._clock.now()
        if seconds(self._looked_at, now) >= LOOK_EVERY_S:
            self._looked_at = now
            self._look_around(now)
        if seconds(self._saved_at, now) >= SAVE_EVERY_S:
            self.save()
        return len(polled.messages)

    def save(self) -> None:
        """Makes what was done count. Raises BrokerUnavailable."""
        self._publisher.flush()
        for partition in self._partitions.values():
            for work in partition.cameras.values():
                if work.dirty:
                    self._publish_checkpoint(partition, work)
        self._publisher.flush()
        positions = {number: partition.next_position for number, partition in self._partitions.items()}
        moved = {number: position for number, position in positions.items() if position != self._partitions[number].saved}
        if moved and self._subscriber.commit(moved):
            for number, position in moved.items():
                self._partitions[number].saved = position
        self._saved_at = self._clock.now()

    def _publish_checkpoint(self, partition: PartitionState, work: CameraSession) -> None:
        value = checkpoint_to_wire(work.checkpoint())
        self._publisher.publish(self._settings.names.checkpoints, value, key=work.camera.encode(), partition=partition.number)
        work.dirty = False

    def _resumed(self, number: int) -> PartitionState:
        """A partition that came to us, from where its last worker got."""
        checkpoints = self._checkpoints(number)
        committed, first = self._subscriber.committed(number), self._subscriber.first(number)
        starts = [committed.offset if committed else first, *(each.needed_offset for each in checkpoints if not each.finished)]
        start = max(first, min(starts))
        handled = handled_by(committed, start)
        if first > handled:
            log.warning("partition %d: %d messages were gone before anybody had looked at them", number, first - handled)
        partition = PartitionState(number, start, handled)
        for checkpoint in checkpoints:
            if checkpoint.finished:
                partition.resting[checkpoint.camera] = checkpoint
            else:
                self._take_up(partition, checkpoint.camera, checkpoint, start)
        self._subscriber.seek(number, start)
        return partition

    def _checkpoints(self, number: int) -> list[Checkpoint]:
        found = []
        for key, value in self._history.latest(self._settings.names.checkpoints, number).items():
            try:
                checkpoint = checkpoint_from_wire(value)
            except WireError as error:
                log.warning("the checkpoint of %s is left out: %s", key.decode(errors="replace"), error)
                continue
            if checkpoint.camera in self._stages.cameras:
                found.append(checkpoint)
        return found

    def _take_up(self, partition: PartitionState, camera: CameraId, checkpoint: Checkpoint | None, offset: int) -> CameraSession:
        made_by, rules = self._stages.made_by(camera), self._stages.rules(camera)
        memory = memory_of(checkpoint, made_by, rules) if checkpoint else first_memory(made_by, camera, offset)
        work = CameraSession(camera, self._stages.build(camera, memory), checkpoint, offset, self._clock.now())
        partition.cameras[camera] = work
        return work

    def _handle(self, messages: Sequence[Message]) -> None:
        batch: list[_Half] = []
        for message in _in_turn(messages):
            partition = self._partitions.get(message.partition)
            if partition is None:
                continue
            frame = self._read(message, partition)
            if frame is not None:
                if any(half.work.camera == frame.camera for half in batch):
                    self._conclude(batch)
                    batch = []
                half = self._begin(message, frame, partition)
                batch += [half] if half else []
            partition.position = message.offset + 1
        self._conclude(batch)

    def _read(self, message: Message, partition: PartitionState) -> Frame | None:
        """None if it was set aside."""
        try:
            frame = frame_from_wire(message.headers, message.value, self._settings.verify)
            if frame.camera not in self._stages.cameras:
                raise WireError(f"the site file has no camera {frame.camera!r}")
        except WireError as error:
            self._set_aside(message, partition, str(error))
            return None
        return frame

    def _set_aside(self, message: Message, partition: PartitionState, reason: str, camera: CameraId | None = None) -> None:
        if message.offset < partition.handled:
            return
        log.warning("%s %d/%d set aside: %s", message.topic, message.partition, message.offset, reason)
        self._letters.put(message, reason, self._clock.now())
        self._metrics.dead_letter(STAGE)
        if camera is not None:
            self._metrics.frame(camera, FrameOutcome.DEAD)

    def _begin(self, message: Message, frame: Frame, partition: PartitionState) -> _Half | None:
        """The first half; None if there is no second."""
        work = partition.cameras.get(frame.camera)
        if work is None:
            work = self._take_up(partition, frame.camera, partition.resting.pop(frame.camera, None), message.offset)
        fate = work.fate(frame, message.offset)
        if fate is FrameStatus.SEEN:
            work.refill(frame, message.offset)
            self._metrics.frame(frame.camera, FrameOutcome.REFILLED)
            return None
        if fate is FrameStatus.REPEATED:
            self._metrics.frame(frame.camera, FrameOutcome.REPEATED)
            return None
        if fate is FrameStatus.RENUMBERED:
            log.warning("%s counts its frames anew from %d", frame.camera, frame.sequence)
            self._publish(work.finish(), work)
            work = self._take_up(partition, frame.camera, None, message.offset)
        elif missing := work.missing_before(frame):
            self._metrics.frame(frame.camera, FrameOutcome.LOST, missing)
        try:
            return _Half(work, work.begin(frame, message.offset, self._clock.now()))
        except FrameBroken as error:
            self._set_aside(message, partition, str(error), frame.camera)
            return None

    def _conclude(self, batch: Sequence[_Half]) -> None:
        found = self._found([half for half in batch if half.seen.moving])
        for half in batch:
            self._publish(half.work.conclude(half.seen, found.get(half.work.camera, ())), half.work)
            self._count(half.seen)

    def _found(self, moving: Sequence[_Half]) -> Mapping[CameraId, tuple[Detection, ...]]:
        if not moving:
            return {}
        detector = self._stages.detector
        with self._metrics.inferring(detector.name):
            answers = detector.detect([half.seen.image for half in moving])
        return {half.work.camera: answer for half, answer in zip(moving, answers, strict=True)}

    def _count(self, seen: DecodedFrame) -> None:
        frame = seen.frame
        self._metrics.frame(frame.camera, FrameOutcome.PROCESSED if seen.moving else FrameOutcome.GATED)
        self._metrics.last_frame(frame.camera, frame.captured_at)
        if frame.clock_error_s is not None:
            self._metrics.clock_skew(frame.camera, frame.clock_error_s)
        self._metrics.lag(self._settings.names.frames, seconds(frame.received_at, self._clock.now()))

    def _publish(self, parcels: Iterable[ViolationMessage], work: CameraSession) -> None:
        for parcel in parcels:
            violation = parcel.violation
            log.info("%s: %s at %s", work.camera, violation.rule, violation.occurred_at.isoformat())
            self._publisher.publish(self._settings.names.violations, parcel_to_wire(parcel), key=str(violation.id).encode())
            self._metrics.violation(violation.rule, ViolationOutcome.FOUND)

    def _look_around(self, now: datetime) -> None:
        waiting = {number: self._subscriber.end(number) - partition.position for number, partition in self._partitions.items()}
        self._metrics.waiting(self._settings.names.frames, sum(waiting.values()))
        for number, partition in self._partitions.items():
            if not waiting[number]:
                self._finish_silent(partition, now)

    def _finish_silent(self, partition: PartitionState, now: datetime) -> None:
        for work in partition.cameras.values():
            if not work.finished and seconds(work.heard_at, now) >= self._settings.silence_s:
                self._publish(work.finish(), work)


def _in_turn(messages: Sequence[Message]) -> Iterator[Message]:
    """One of each partition in turn, so that cameras come together in a batch; each partition stays in order."""
    by_partition: dict[int, list[Message]] = {}
    for message in messages:
        by_partition.setdefault(message.partition, []).append(message)
    for turn in zip_longest(*by_partition.values()):
        yield from (message for message in turn if message is not None)
