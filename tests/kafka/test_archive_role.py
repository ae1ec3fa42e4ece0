"""The archive on a real broker: `etle archive record`, killed and started again, and frames that are read again from the topic."""

import json
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from archives import BEGIN, CAMERA, archived, frame
from demo_footage import etle

from etle.kafka.admin import KafkaTopicAdmin
from etle.kafka.client import KafkaPublisher, KafkaTopicReader
from etle.kafka.security import BrokerConnection
from etle.kafka.topics import TopicNames, create_topics, required_topics
from etle.runs.plan import FootageKind, Part, PlannedCamera, ReprocessPlan
from etle.types import Digest
from etle.wire import frame_to_wire
from pipeline.reprocess.footage import TopicFootage

pytestmark = pytest.mark.server
FRAMES = [frame(number) for number in range(3000)]


@pytest.fixture
def site(connection: BrokerConnection, tmp_path: Path) -> Path:
    create_topics(required_topics(connection.broker), KafkaTopicAdmin(connection))
    camera = {"id": CAMERA, "view": "rear", "source": {"rtsp": "rtsp://camera"}, "frame_size": [8, 8]}
    broker = {"servers": list(connection.servers), **json.loads(connection.broker.model_dump_json(exclude={"servers", "security"}))}
    path = tmp_path / "site.yaml"
    path.write_text(json.dumps({"site": "tes", "cameras": [camera], "broker": broker, "archive": {"location": "segments"}}))
    return path


def send(connection: BrokerConnection, numbers: range) -> None:
    publisher = KafkaPublisher(connection, "test")
    for number in numbers:
        headers, value = frame_to_wire(FRAMES[number])
        publisher.publish(TopicNames(connection.broker.prefix).frames, value, key=CAMERA.encode(), headers=headers)
    publisher.flush()
    publisher.close()


def recorder(site: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-m", "etle_cli.main", "archive", "record", str(site)])


def wait_for_frames(folder: Path, count: int) -> None:
    deadline = time.monotonic() + 120
    while not (list(folder.rglob("*.mkv")) and len(archived(folder)) >= count):
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.3)


def test_a_killed_recorder_continues_and_every_frame_is_archived_once(connection: BrokerConnection, site: Path, tmp_path: Path):
    segments = tmp_path / "segments"
    send(connection, range(1500))
    with recorder(site) as first:
        wait_for_frames(segments, 1)
        first.kill()
    send(connection, range(1500, 3000))
    with recorder(site) as second:
        wait_for_frames(segments, 3000)
        second.terminate()
        assert second.wait(60) == 0
    assert archived(segments) == FRAMES
    listed = [json.loads(line) for line in etle("archive", "list", site, "--json").stdout.splitlines()]
    assert [(each["camera"], each["frames"]) for each in listed] == [(CAMERA, 3000)]
    assert "3000 frames were checked. All are present, unchanged." in etle("archive", "verify", site).stdout
    period = ("--camera", CAMERA, "--from", "2026-11-23T10:00:20", "--to", "2026-11-23T10:00:21")
    etle("archive", "export", site, *period, "--out", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").glob("*.jpg"))[0] == "20261123_100020_000000_45.jpg"
    assert len(list((tmp_path / "out").glob("*.jpg"))) == 10


def test_a_range_of_time_is_read_from_what_the_topic_still_holds(connection: BrokerConnection, site: Path):
    send(connection, range(600))

    @contextmanager
    def history():
        reader = KafkaTopicReader(connection, "test")
        yield reader
        reader.close()

    names, now = TopicNames(connection.broker.prefix), datetime.now(UTC)
    with history() as reader:
        partition = reader.partition_of(names.frames, CAMERA.encode())
        offsets = [reader.offset_at(names.frames, partition, now + timedelta(hours=hours)) for hours in (-1, 1)]
    assert offsets == [0, None]
    since = BEGIN + timedelta(seconds=20)
    camera = PlannedCamera(camera=CAMERA, fingerprint=Digest("a" * 64))
    plan = ReprocessPlan(
        site="tes", source=FootageKind.KAFKA, part=Part.ALL, since=since, until=since + timedelta(seconds=5), cameras=(camera,)
    )  # fmt: skip
    footage = TopicFootage(history, names.frames, plan, CAMERA, None, lambda: None)
    assert [frame for _, frame in footage.numbered(-1)] == FRAMES[
        :550
    ]  # with 30 s behind the range, and as much of 60 s before as there is
    assert [offset for offset, _ in footage.numbered(499)] == list(range(500, 550))
