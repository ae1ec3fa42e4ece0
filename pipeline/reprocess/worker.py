"""The worker of distributed runs: work items from Kafka in, results of runs in the database out, at a lower priority than live traffic.

One step processes some frames of one work item, so that the worker stays in its group, notices that a partition was revoked, and yields to
live traffic within a second. When an item is done, in this order: its violations and the camera's checkpoint are in the database, then the
group's position is committed. A worker that is killed in between leaves the item to another one, which continues at the checkpoint and
finds the same ids.

An item that cannot be understood becomes a dead letter with its reason, and so does one at which workers die again and again without
getting further: how often it was begun, and where, is in the metadata of the group's position. While the database, the evidence store or
the archive is unavailable, the worker waits and continues at the checkpoint. A run that this worker would process differently than it was
planned, with other code, models or configuration, stops the worker: results would be mixed.
"""

import logging
import os
import socket
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Final

from etle.backoff import Backoff
from etle.errors import (
    ArchiveUnavailable,
    EvidenceFull,
    EvidenceUnavailable,
    SourceError,
    SourceUnavailable,
    StoreError,
    StoreUnavailable,
    WireError,
)
from etle.kafka.dead_letters import DeadLetterQueue
from etle.kafka.protocols import Message, Position, Publisher, Subscriber
from etle.kafka.topics import TopicNames
from etle.observability.metrics import Dependency, Metrics, WorkItemOutcome
from etle.protocols import Clock
from etle.storage.runs import PostgresRuns, RunCamera
from etle.types import CameraId
from pipeline.reprocess.camera import CameraReprocess, OpenedRun, ReprocessJob, RunResources, checkpoint_name
from pipeline.reprocess.footage import behind_segment, record_at
from pipeline.reprocess.live_priority import LivePriority
from pipeline.reprocess.work_items import WorkItem, work_item_from_wire
from pipeline.workers.embedded import load_checkpoint

if TYPE_CHECKING:
    from etle.kafka.security import BrokerConnection

log = logging.getLogger(__name__)
STAGE = "reprocess"
FRAMES_PER_STEP: Final = 16
"""About half a second of work."""
MAX_ATTEMPTS: Final = 10
"""A worker that dies at an item so often, without getting further in it, is killed by it: by a frame that crashes a decoder, or takes all
memory."""
SAME_PLACE_FRAMES: Final = 50
"""Frames by which a worker has to get further before it dies. A checkpoint is saved with the first frame of each attempt."""
CHECK_EVERY_S: Final = 5.0
"""Interval between two reads of the partitions' ends, for the metrics."""


OpenRun = Callable[[str], AbstractContextManager[OpenedRun]]
"""Raises WireError if the database has no run of that name; ConfigError if this worker would process it differently than planned."""


class RunCache:
    """Keeps the models of one run open: items of a run come one after the other."""

    def __init__(self, open_run: OpenRun) -> None:
        self._open_run = open_run
        self._opened: tuple[str, OpenedRun] | None = None
        self._closing = ExitStack()

    def get(self, run: str) -> OpenedRun:
        if self._opened is None or self._opened[0] != run:
            self.close()
            self._opened = run, self._closing.enter_context(self._open_run(run))
        return self._opened[1]

    def close(self) -> None:
        self._opened = None
        self._closing.close()
        self._closing = ExitStack()


class ReprocessWorker:
    """Lives until the broker becomes unavailable; the next one continues at the committed position. Not thread-safe."""

    def __init__(
        self, subscriber: Subscriber, publisher: Publisher, runs: RunCache, priority: LivePriority, names: TopicNames, clock: Clock,
        metrics: Metrics, on_finished: Callable[[OpenedRun], None], skipped: Collection[str] = (),
    ) -> None:  # fmt: skip
        """`on_finished` is called when the last camera of a run is finished, at least once. `skipped`: runs that are given up; their items
        become dead letters."""
        self._subscriber = subscriber
        self._publisher = publisher
        self._runs = runs
        self._priority = priority
        self._names = names
        self._clock = clock
        self._metrics = metrics
        self._on_finished = on_finished
        self._skipped = frozenset(skipped)
        self._dead_letters = DeadLetterQueue(publisher, names.dead_letters, STAGE)
        self._next: dict[int, int] = {}
        """Offset of the next message of each assigned partition."""
        self._message: Message | None = None
        """The item in hand; further ones stay in the broker."""
        self._work: _ItemWork | None = None
        """None while the item waits for a store, or for another process that has the camera."""
        self._counted = False
        """The item in hand is counted as begun."""
        self._given_up: set[tuple[str, CameraId]] = set()
        """Runs and cameras of which an item kills workers: the next item would do it at the same frame."""
        self._backoff = Backoff()
        self._paused_until: datetime | None = None
        self._pause = ExitStack()
        self._checked_at = clock.now()

    def step(self, timeout_s: float) -> int:
        """Process some frames of the item in hand, or wait up to `timeout_s`. Returns the number of frames, and of items without frames.

        Raises BrokerUnavailable, ConfigError, InferenceError.
        """
        ready = self._message is not None and self._may_work()
        polled = self._subscriber.poll(0 if ready else timeout_s, 1)
        for number in polled.revoked:
            self._revoke(number)
        for number in polled.assigned:
            self._seek_committed(number)
        for message in polled.messages:
            self._take(message)
        self._check_ends(self._clock.now())
        return self._advance() if self._message is not None and self._may_work() else 0

    def save(self) -> None:
        """Save the checkpoint of the item in hand. The position behind it is committed when it is done."""
        self._leave()
        if self._message is not None and self._counted:
            self._subscriber.commit({self._message.partition: Position(offset=self._message.offset)})  # this worker has not died

    def close(self) -> None:
        self._leave()
        self._pause.close()

    def _may_work(self) -> bool:
        if self._paused_until is not None:
            if self._clock.now() < self._paused_until:
                return False
            self._paused_until = None
            self._pause.close()
        return not self._priority.must_wait()

    def _revoke(self, number: int) -> None:
        self._next.pop(number, None)
        if self._message is not None and self._message.partition == number:
            self._leave()
            self._drop()

    def _seek_committed(self, number: int) -> None:
        committed = self._subscriber.committed(number)
        self._next[number] = committed.offset if committed else self._subscriber.first(number)
        self._subscriber.seek(number, self._next[number])

    def _take(self, message: Message) -> None:
        self._message, self._counted = message, False
        self._subscriber.pause()

    def _drop(self) -> None:
        """No item is in hand any more."""
        self._message = None
        self._subscriber.resume()

    def _advance(self) -> int:
        """Process some frames of the item in hand."""
        try:
            if self._work is None:
                self._work = self._begin()
            frames, done = self._work.advance(FRAMES_PER_STEP)
        except (StoreUnavailable, EvidenceFull, SourceUnavailable) as error:
            self._wait(error)
            return 0
        except _CameraTaken as taken:
            self._wait(taken)
            return 0
        except (WireError, StoreError, SourceError) as error:
            self._reject(error)
            return 1
        self._metrics.reprocessed(frames)
        self._backoff.reset()
        if done:
            self._finish(self._work.outcome)
        return max(frames, 1)

    def _begin(self) -> "_ItemWork":
        assert self._message is not None
        item = work_item_from_wire(self._message.value)
        if item.run in self._skipped:
            raise WireError(f"the run {item.run!r} was given up")
        opened = self._runs.get(item.run)
        if not self._counted:
            self._count_attempt(item, opened.resources, self._message)
        return _ItemWork(item, opened, self._on_finished)

    def _count_attempt(self, item: WorkItem, resources: RunResources, message: Message) -> None:
        """Raises WireError if the item has killed too many workers."""
        checkpoint = load_checkpoint(resources.checkpoints, checkpoint_name(item.run, item.camera))
        at = checkpoint.next_offset if checkpoint else 0
        before, at = _attempts(self._subscriber.committed(message.partition), message.offset, at)
        if before >= MAX_ATTEMPTS:
            self._given_up.add((item.run, item.camera))
        if (item.run, item.camera) in self._given_up:
            raise WireError(
                f"work item: {MAX_ATTEMPTS} workers died at camera {item.camera!r} of the run {item.run!r}, at or soon"
                f" behind record {record_at(at)}: a frame there crashes them, or they have too little memory"
            )
        self._subscriber.commit({message.partition: Position(offset=message.offset, metadata=f"{before + 1} {at}")})
        self._counted = True

    def _finish(self, outcome: WorkItemOutcome) -> None:
        """The item is done, or a dead letter: commit the position behind it."""
        message = self._message
        assert message is not None
        self._close_work()
        self._metrics.work_item(outcome)
        self._publisher.flush()
        self._next[message.partition] = message.offset + 1
        self._subscriber.commit({message.partition: Position(offset=message.offset + 1)})
        self._drop()

    def _reject(self, error: WireError | StoreError | SourceError) -> None:
        message = self._message
        assert message is not None
        log.warning("%s %d/%d rejected: %s", message.topic, message.partition, message.offset, error)
        self._dead_letters.put(message, str(error), self._clock.now())
        self._metrics.dead_letter(STAGE)
        self._finish(WorkItemOutcome.REJECTED)

    def _wait(self, error: "StoreError | SourceError | _CameraTaken") -> None:
        """Try the item again later, from its checkpoint."""
        self._close_work()
        delay_s = self._backoff.next_s()
        log.warning("%s Next attempt in %g s.", error, delay_s)
        self._paused_until = self._clock.now() + timedelta(seconds=delay_s)
        self._pause.close()
        if (target := _dependency(error)) is not None:
            self._pause.enter_context(self._metrics.waiting_for(target))

    def _leave(self) -> None:
        """Stop the item in hand at its next frame. Another worker continues it, or this one does."""
        if self._work is not None:
            with suppress(StoreError, SourceError):  # then it is continued at an earlier checkpoint
                self._work.stop()
            self._close_work()

    def _close_work(self) -> None:
        if self._work is not None:
            self._work.close()
            self._work = None

    def _check_ends(self, now: datetime) -> None:
        if (now - self._checked_at).total_seconds() < CHECK_EVERY_S:
            return
        self._checked_at = now
        waiting = sum(self._subscriber.end(number) - offset for number, offset in self._next.items())
        self._metrics.waiting(self._names.reprocess, waiting)


class _CameraTaken(Exception):
    """Another process has the camera of the run: a worker that lost the partition and does not know it yet, or `etle reprocess`."""


class _ItemWork:
    """Processes one item, with the camera locked in the database."""

    outcome = WorkItemOutcome.DONE

    def __init__(self, item: WorkItem, opened: OpenedRun, on_finished: Callable[[OpenedRun], None]) -> None:
        """Raises WireError if the plan of the run has no such segment, StoreUnavailable, _CameraTaken."""
        self._item = item
        self._opened = opened
        self._on_finished = on_finished
        self._locked = ExitStack()
        self._frames = 0
        self._camera: CameraReprocess | None = None
        _check(item, opened.job)
        try:
            self._steps = self._open()
        except BaseException:
            self.close()
            raise

    def advance(self, frames: int) -> tuple[int, bool]:
        """Read at most `frames`. Returns how many of them were new, and whether the item is done."""
        self._frames = 0
        for _ in islice(self._steps, frames):
            pass
        if self._camera is not None and not self._camera.ended:
            return self._frames, False
        self._finish_run()
        return self._frames, True

    def stop(self) -> None:
        """Save where it is."""
        if self._camera is not None:
            self._camera.stop()
            for _ in self._steps:
                pass

    def close(self) -> None:
        self._locked.close()

    def begun(self, camera: CameraId, done: int, count: Callable[[], int | None]) -> None:
        """As a CameraProgress."""
        log.info("run %s: %s up to segment %d, after %d frames", self._item.run, camera, self._item.segment, done)

    def frame(self, camera: CameraId) -> None:
        """As a CameraProgress."""
        self._frames += 1

    def _open(self) -> Iterator[None]:
        item, job, resources = self._item, self._opened.job, self._opened.resources
        if not self._locked.enter_context(resources.runs.camera_lock(item.run, item.camera)):
            raise _CameraTaken(f"Another process has camera {item.camera} of the run {item.run!r}.")
        if _is_done(item, resources):
            self.outcome = WorkItemOutcome.REPEATED
            return iter(())
        self._camera = CameraReprocess(job, resources, item.camera, self, last_segment=item.segment, retries=False)
        return self._camera.steps()

    def _finish_run(self) -> None:
        """Also when the item was done before: the worker that did it may have been killed here."""
        runs, job = self._opened.resources.runs, self._opened.job
        stored = runs.run(job.run)
        assert stored is not None, "runs are never deleted"
        if {each.camera for each in stored.cameras if each.finished_at} >= {each.camera for each in job.plan.cameras}:
            runs.finish(job.run, self._opened.resources.clock.now())
            self._on_finished(self._opened)


def _attempts(position: Position | None, offset: int, at: int) -> tuple[int, int]:
    """How often the item at that offset was begun at about the place `at` of the camera's footage, and where the first time."""
    words = position.metadata.split() if position is not None and position.offset == offset else []
    if len(words) != 2 or not all(word.isascii() and word.isdigit() for word in words):
        return 0, at
    attempts, first = map(int, words)
    return (attempts, first) if 0 <= at - first < SAME_PLACE_FRAMES else (0, at)


def _check(item: WorkItem, job: ReprocessJob) -> None:
    cameras = {each.camera: each for each in job.plan.cameras}
    if item.camera not in cameras:
        raise WireError(f"work item: the run {item.run!r} has no camera {item.camera!r}")
    if item.segment >= max(1, len(cameras[item.camera].segments)):
        raise WireError(f"work item: camera {item.camera!r} of the run {item.run!r} has no segment {item.segment}")


def _is_done(item: WorkItem, resources: RunResources) -> bool:
    stored = _stored(resources.runs, item)
    if stored is not None and stored.finished_at:
        return True
    checkpoint = load_checkpoint(resources.checkpoints, checkpoint_name(item.run, item.camera))
    return checkpoint is not None and checkpoint.next_offset >= behind_segment(item.segment)


def _stored(runs: PostgresRuns, item: WorkItem) -> RunCamera | None:
    run = runs.run(item.run)
    return next((each for each in run.cameras if each.camera == item.camera), None) if run else None


def _dependency(error: Exception) -> Dependency | None:
    if isinstance(error, SourceUnavailable | ArchiveUnavailable):
        return Dependency.ARCHIVE
    if isinstance(error, EvidenceUnavailable | EvidenceFull):
        return Dependency.EVIDENCE
    return Dependency.DATABASE if isinstance(error, StoreUnavailable) else None


@contextmanager
def open_reprocess_worker(
    connection: "BrokerConnection", runs: RunCache, max_live_lag_s: float, clock: Clock, metrics: Metrics,
    on_finished: Callable[[OpenedRun], None], skipped: Collection[str] = (),
) -> Iterator[ReprocessWorker]:  # fmt: skip
    """A worker with its own connections to the broker. Raises BrokerUnavailable, ConfigError if a topic is missing."""
    from etle.kafka.admin import KafkaGroupProgress, KafkaTopicAdmin
    from etle.kafka.client import KafkaPublisher, KafkaSubscriber
    from etle.kafka.topics import require_topics_exist
    from pipeline.reprocess.live_priority import LiveTraffic

    require_topics_exist(connection.broker, KafkaTopicAdmin(connection), reprocess=True)
    client, names = f"reprocess-{socket.gethostname()}-{os.getpid()}", TopicNames(connection.broker.prefix)
    with ExitStack() as opened:
        publisher = KafkaPublisher(connection, client)
        opened.callback(publisher.close)
        progress = KafkaGroupProgress(connection)
        opened.callback(progress.close)
        subscriber = KafkaSubscriber(connection, client, names.reprocess, names.reprocess_group)
        opened.callback(subscriber.close)
        priority = LivePriority(progress, LiveTraffic.of(names), max_live_lag_s, clock, metrics)
        worker = ReprocessWorker(subscriber, publisher, runs, priority, names, clock, metrics, on_finished, skipped)
        opened.callback(worker.close)
        yield worker
