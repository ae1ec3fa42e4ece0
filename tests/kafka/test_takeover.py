"""Two detect workers share eight cameras on a real Kafka; one is killed; the other takes over without losing or repeating a violation."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "pipeline"))

from drawn import process_all, stage
from workers import STREET, WATCHED, of_camera

from etle.kafka.admin import KafkaTopicAdmin
from etle.kafka.client import KafkaPublisher, KafkaTopicReader
from etle.kafka.security import BrokerConnection
from etle.kafka.topics import TopicNames, create_topics, required_topics
from etle.types import CameraId, ViolationId
from etle.wire import frame_to_wire, violation_message_from_wire

pytestmark = pytest.mark.server

CAMERAS = [f"cam-{number}" for number in range(1, 9)]
WAIT_S = 240


class Worker:
    def __init__(self, connection: BrokerConnection) -> None:
        script = Path(__file__).with_name("detect_worker_process.py")
        command = [sys.executable, str(script), connection.where, connection.broker.prefix, ",".join(CAMERAS)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.processed = 0
        self._output_reader = threading.Thread(target=self._read_output, daemon=True)
        self._output_reader.start()

    def _read_output(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.processed = int(line)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self._output_reader.join(10)
        assert self.process.stdout is not None
        self.process.stdout.close()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.2)


def expected() -> set[ViolationId]:
    watched = [WATCHED.model_copy(update={"cameras": (WATCHED.cameras[0].model_copy(update={"id": name}),)}) for name in CAMERAS]
    return {found.id for name, site in zip(CAMERAS, watched, strict=True) for found in process_all(stage(site), of_camera(name))}


@pytest.fixture
def eight_cameras(connection: BrokerConnection) -> BrokerConnection:
    create_topics(required_topics(connection.broker), KafkaTopicAdmin(connection))
    return connection


def test_a_worker_takes_over_the_cameras_of_one_that_is_killed(eight_cameras: BrokerConnection):
    names = TopicNames(eight_cameras.broker.prefix)
    publisher, reader = KafkaPublisher(eight_cameras, "test"), KafkaTopicReader(eight_cameras, "test")

    def send(first: int, last: int) -> None:
        for number in range(first, last):
            for name in CAMERAS:
                headers, value = frame_to_wire(replace(STREET[number], camera=CameraId(name)))
                publisher.publish(names.frames, value, key=name.encode(), headers=headers)
        publisher.flush()

    def found() -> set[ViolationId]:
        messages = [message for number in range(3) for message in reader.messages(names.violations, number)]
        return {violation_message_from_wire(message.value).violation.id for message in messages}

    one, two = Worker(eight_cameras), Worker(eight_cameras)
    try:
        send(0, 10)
        wait_for(lambda: one.processed > 0 and two.processed > 0 and one.processed + two.processed >= 80)
        send(10, 26)
        wait_for(lambda: one.processed + two.processed >= 160)
        one.kill()
        send(26, len(STREET))
        without_kill = expected()
        wait_for(lambda: found() >= without_kill)
        assert found() == without_kill
        assert reader.latest(names.dead_letters, 0) == {}
    finally:
        one.kill()
        two.kill()
        publisher.close()
        reader.close()
