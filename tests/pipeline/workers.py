"""Detect workers on an in-memory broker, with drawn footage."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from drawn import FINGERPRINT, RED_LIGHT, STOP_LINE, ColourDetector, driving, frames, site, stage

from etle.config import site as config
from etle.kafka.protocols import Position
from etle.kafka.topics import TopicNames
from etle.observability.metrics import Metrics
from etle.testing import ManualClock, MemoryBroker, MemorySubscriber
from etle.types import CameraId, Digest, Frame, ViolationId, ViolationMessage
from etle.wire import Sign, Verify, frame_to_wire, violation_message_from_wire
from pipeline.detect.stage import CameraStage
from pipeline.detect.state import StageState
from pipeline.workers.detect import DetectSettings, DetectWorker

NAMES = TopicNames("t")
CAMERA = CameraId("cam-1")
STREET = frames([driving(3, 23, 40, 60), driving(16, 36, 40, 64)], 44, fps=5)
WATCHED = site(RED_LIGHT, STOP_LINE)


class Killed(BaseException):
    """Stands for `kill -9` of the process."""


def of_camera(name: str, given: Sequence[Frame] = STREET) -> list[Frame]:
    return [replace(frame, camera=CameraId(name)) for frame in given]


class DrawnStages:
    """A StageFactory whose cameras all see the drawn road."""

    def __init__(self, *cameras: str, fingerprint: Digest = FINGERPRINT, detector: Any = None, watched: config.Site = WATCHED) -> None:
        self.cameras = frozenset(CameraId(name) for name in cameras or (CAMERA,))
        self.detector = detector or ColourDetector()
        self._fingerprint = fingerprint
        self._watched = watched

    def fingerprint(self, camera: CameraId) -> Digest:
        return self._fingerprint

    def build(self, camera: CameraId, state: StageState) -> CameraStage:
        settings: config.CameraSettings = self._watched.cameras[0].model_copy(update={"id": camera})
        return stage(self._watched.model_copy(update={"cameras": (settings,)}), state, self.detector)


@dataclass(slots=True)
class Countdown:
    """Raises Killed before the n-th operation of a worker on the broker."""

    dies_at: int | None = None
    done: int = 0

    def tick(self) -> None:
        if self.done == self.dies_at:
            raise Killed
        self.done += 1


class DyingPublisher:
    def __init__(self, broker: MemoryBroker, countdown: Countdown) -> None:
        self._broker = broker
        self._countdown = countdown

    def publish(self, *given: Any, **named: Any) -> Any:
        self._countdown.tick()
        return self._broker.publish(*given, **named)

    def flush(self) -> None:
        self._countdown.tick()
        self._broker.flush()


class DyingSubscriber(MemorySubscriber):
    countdown = Countdown()

    def commit(self, positions: Mapping[int, Position]) -> bool:
        self.countdown.tick()
        return super().commit(positions)


@dataclass(slots=True)
class Rig:
    """A broker with its topics, and the workers on it."""

    partitions: int = 1
    stages: Any = field(default_factory=DrawnStages)
    verify: Verify | None = None
    sign: Sign | None = None
    clock: ManualClock = field(default_factory=ManualClock)
    metrics: Metrics = field(default_factory=Metrics)
    broker: MemoryBroker = field(init=False)

    def __post_init__(self) -> None:
        topics = {NAMES.frames: self.partitions, NAMES.checkpoints: self.partitions, NAMES.violations: 2, NAMES.dead_letters: 1}
        self.broker = MemoryBroker(topics)

    def send(self, given: Sequence[Frame], sign: Callable[[bytes], bytes] | None = None) -> None:
        for frame in given:
            headers, value = frame_to_wire(frame, sign)
            self.broker.publish(NAMES.frames, value, key=frame.camera.encode(), headers=headers)

    def worker(self, countdown: Countdown | None = None) -> "Running":
        subscriber = self.broker.subscribe(NAMES.frames, NAMES.detect_group)
        publisher: Any = self.broker
        if countdown is not None:
            subscriber.__class__ = DyingSubscriber
            subscriber.countdown = countdown  # type: ignore[attr-defined]
            publisher = DyingPublisher(self.broker, countdown)
        settings = DetectSettings(names=NAMES, verify=self.verify, sign=self.sign, idle_timeout_s=60)
        return Running(DetectWorker(subscriber, publisher, self.broker, self.stages, settings, self.clock, self.metrics), subscriber, self)

    @property
    def violations(self) -> dict[ViolationId, ViolationMessage]:
        """The first message of each id, which the writer would store."""
        found: dict[ViolationId, ViolationMessage] = {}
        for message in self.broker.messages(NAMES.violations):
            violation_message = violation_message_from_wire(message.value)
            found.setdefault(violation_message.violation.id, violation_message)
        return found

    @property
    def reasons(self) -> list[str]:
        return [dict(message.headers)["dead-reason"].decode() for message in self.broker.messages(NAMES.dead_letters)]


@dataclass(slots=True)
class Running:
    worker: DetectWorker
    subscriber: MemorySubscriber
    rig: Rig

    def step(self) -> int:
        self.rig.clock.advance(1.0)
        return self.worker.step(0)

    def drain(self) -> "Running":
        """Step until no more messages come."""
        idle = 0
        while idle < 2:
            idle = 0 if self.step() else idle + 1
        return self

    def exceed_idle_timeout(self) -> None:
        self.rig.clock.advance(100)
        self.step()
        self.worker.save()

    def stop(self) -> None:
        self.worker.save()
        self.subscriber.close()

    def die(self) -> None:
        """Leave the group without saving."""
        self.subscriber.close()
