"""Two detect workers share eight cameras on a real Kafka; one is killed; the other takes over, and nothing is lost or doubled."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "pipeline"))

from drawn import stage, through
from workers import STREET, WATCHED, of_camera

from etle.kafka.admin import KafkaTopicAdmin
from etle.kafka.client import KafkaCompactedTopicReader, KafkaPublisher
from etle.kafka.security import BrokerConnection
from etle.kafka.topic_plan import create_topics, planned
from etle.kafka.topics import TopicNames
from etle.types import CameraId, ViolationId
from etle.wire import frame_to_wire, parcel_from_wire

CAMERAS = [f"cam-{number}" for number in range(1, 9)]
WAIT_S = 240


class Worker:
    def __init__(self, connection: BrokerConnection) -> None:
        script = Path(__file__).with_name("drawn_worker.py")
        command = [sys.executable, str(script), connection.where, connection.broker.prefix, ",".join(CAMERAS)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.done = 0
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.done = int(line)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self._listener.join(10)
        assert self.process.stdout is not None
        self.process.stdout.close()


def wait_for(what: Callable[[], bool]) -> None:
    ends = time.monotonic() + WAIT_S
    while not what():
        assert time.monotonic() < ends, "it did not come"
        time.sleep(0.2)


def expected() -> set[ViolationId]:
    watched = [WATCHED.model_copy(update={"cameras": (WATCHED.cameras[0].model_copy(update={"id": name}),)}) for name in CAMERAS]
    return {found.id for name, site in zip(CAMERAS, watched, strict=True) for found in through(stage(site), of_camera(name))}


@pytest.fixture
def eight_cameras(connection: BrokerConnection) -> BrokerConnection:
    create_topics(planned(connection.broker), KafkaTopicAdmin(connection))
    return connection


def test_one_is_killed_and_the_other_takes_over(eight_cameras: BrokerConnection):
    names = TopicNames(eight_cameras.broker.prefix)
    publisher, reader = KafkaPublisher(eight_cameras, "test"), KafkaCompactedTopicReader(eight_cameras, "test")

    def send(first: int, last: int) -> None:
        for number in range(first, last):
            for name in CAMERAS:
                headers, value = frame_to_wire(replace(STREET[number], camera=CameraId(name)))
                publisher.publish(names.frames, value, key=name.encode(), headers=headers)
        publisher.flush()

    def found() -> set[ViolationId]:
        messages = [message for number in range(3) for message in reader.messages(names.violations, number)]
        return {parcel_from_wire(message.value).violation.id for message in messages}

    one, two = Worker(eight_cameras), Worker(eight_cameras)
    try:
        send(0, 10)
        wait_for(lambda: one.done > 0 and two.done > 0 and one.done + two.done >= 80)
        send(10, 26)
        wait_for(lambda: one.done + two.done >= 160)
        one.kill()
        send(26, len(STREET))
        alone = expected()
        wait_for(lambda: found() >= alone)
        assert found() == alone
        assert reader.latest(names.dead_letters, 0) == {}
    finally:
        one.kill()
        two.kill()
        publisher.close()
        reader.close()
