"""A whole box: many cameras, each alone in its troubles; films that go on where they were; a process that is killed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest
from footage.cameras import paced, parts
from footage.films import film, jpeg

from etle.clock import SystemClock
from etle.config.deployment import BrokerSettings, TopicSettings
from etle.config.site import CameraSettings, Site
from etle.config.sources import FileSourceSettings, MjpegSourceSettings, RtspSourceSettings, SourceSettings
from etle.kafka.admin import KafkaTopicAdmin
from etle.kafka.client import KafkaTopicReader
from etle.kafka.security import BrokerConnection
from etle.kafka.topics import create_topics, required_topics
from etle.observability.health import Health
from etle.observability.metrics import Metrics
from etle.signing import Signer
from etle.testing import MemoryBroker
from etle.wire import frame_from_wire
from ingest.gateway import EdgeGateway, GatewayDeps

TOPIC = "etle.frames.v1"
ROOT = Path(__file__).parents[2]
LONGEST_S = 180


def a_camera(name: str, source: SourceSettings) -> CameraSettings:
    return CameraSettings(id=name, view="rear", source=source, frame_size=(320, 240))


class Bench:
    """A box on a broker in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.broker = MemoryBroker({TOPIC: 3})
        self.signer = Signer.from_file(folder / "box.pem")
        self.metrics = Metrics()

    def box(self, *cameras: CameraSettings) -> EdgeGateway:
        site = Site(site="simpang", cameras=cameras)
        around = GatewayDeps(
            folder=self.folder,
            connect=lambda: self.broker,
            sign=self.signer.sign,
            clock=SystemClock(),
            metrics=self.metrics,
            health=Health(),
            source_name=lambda camera: camera.source.description,
        )
        return EdgeGateway(site, cameras, around)

    def sequences(self, camera: str) -> list[int]:
        return [int(dict(message.headers)["sequence"]) for message in self.broker.messages(TOPIC) if message.key == camera.encode()]

    def counted(self, camera: str, outcome: str) -> float | None:
        return self.metrics.value("etle_frames_total", camera=camera, outcome=outcome)

    def troubles(self, camera: str, kind: str) -> float:
        return self.metrics.value("etle_camera_troubles_total", camera=camera, kind=kind) or 0


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "box")


@contextmanager
def running(box: EdgeGateway):
    stop = Event()
    thread = Thread(target=box.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + LONGEST_S
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


def test_films_arrive_whole_signed_and_in_order_and_are_not_sent_again(bench, tmp_path):
    cameras = [a_camera(name, FileSourceSettings(file=film(tmp_path / f"{name}.mp4", 25))) for name in ("masuk", "keluar")]
    assert bench.box(*cameras).run(Event()) == []
    for name in ("masuk", "keluar"):
        assert bench.sequences(name) == list(range(25))
        assert bench.counted(name, "sent") == bench.counted(name, "captured") == 25
    for message in bench.broker.messages(TOPIC):
        frame_from_wire(message.headers, message.value, lambda camera, signed, signature: signature == bench.signer.sign(signed))
    assert bench.box(*cameras).run(Event()) == []
    assert len(bench.broker.messages(TOPIC)) == 50


def test_the_next_film_of_a_camera_gets_the_numbers_behind(bench, tmp_path):
    for name in ("monday", "tuesday"):
        assert bench.box(a_camera("masuk", FileSourceSettings(file=film(tmp_path / f"{name}.mp4", 10)))).run(Event()) == []
    assert bench.sequences("masuk") == list(range(20))


def test_a_film_that_breaks_off_is_a_problem_and_the_other_one_arrives(bench, tmp_path):
    whole, broken = film(tmp_path / "a.mp4", 20), film(tmp_path / "b.mkv", 60)
    broken.write_bytes(broken.read_bytes()[: broken.stat().st_size // 2])
    problems = bench.box(a_camera("whole", FileSourceSettings(file=whole)), a_camera("broken", FileSourceSettings(file=broken))).run(
        Event()
    )
    assert len(problems) == 1
    assert "b.mkv" in problems[0]
    assert len(bench.sequences("whole")) == 20
    assert 0 < len(bench.sequences("broken")) < 60


def test_a_camera_in_trouble_disturbs_no_other(bench, serve):
    """One hangs, one sends garbage, one vanishes, one changes its size, one lies about its clock; one is as it should be."""
    never = Event()
    good = serve(paced(jpeg, 400, 0.02))
    cameras = {
        "good": MjpegSourceSettings(mjpeg=good),
        "hangs": MjpegSourceSettings(mjpeg=serve(parts(jpeg(1), then_silent=never)), timeout_s=0.5),
        "garbage": MjpegSourceSettings(mjpeg=serve(parts(*[b"\xff\xd8 no picture"] * 50))),
        "vanishes": MjpegSourceSettings(mjpeg=serve(parts(jpeg(1), jpeg(2)))),
        "resizes": MjpegSourceSettings(mjpeg=serve(paced(lambda number: jpeg(number, 320 if number < 5 else 640), 400, 0.05))),
        "lies": MjpegSourceSettings(
            mjpeg=serve(parts(*[jpeg(number) for number in range(5)], headers={"X-Timestamp": "1000000000"}, then_silent=never))
        ),
        "nobody": MjpegSourceSettings(mjpeg="http://127.0.0.1:9/"),
    }
    box = bench.box(*(a_camera(name, source) for name, source in cameras.items()))
    with running(box):
        wait_for(lambda: len(bench.sequences("good")) >= 100)
        wait_for(lambda: all(bench.sequences(name) for name in ("hangs", "vanishes", "lies")))
        wait_for(lambda: len(bench.sequences("resizes")) >= 10)
        wait_for(lambda: bench.troubles("hangs", "gap") > 0 and bench.troubles("garbage", "undecodable") >= 50)
        wait_for(lambda: bench.troubles("nobody", "reconnect") > 0)
        wait_for(lambda: bench.metrics.value("etle_camera_awaited", camera="nobody") == 1)
    never.set()
    numbers = bench.sequences("good")
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert bench.counted("good", "lost") == bench.troubles("good", "reconnect") == bench.troubles("good", "gap") == 0
    assert bench.sequences("garbage") == []
    widths = {dict(m.headers)["width"] for m in bench.broker.messages(TOPIC) if m.key == b"resizes"}
    assert widths == {b"320", b"640"}
    assert (bench.metrics.value("etle_clock_skew_seconds", camera="lies") or 0) < -1e8
    assert bench.metrics.value("etle_camera_awaited", camera="nobody") == 0


def test_a_live_camera_goes_on_at_a_higher_number_and_what_was_missed_is_a_gap(bench, serve):
    camera = a_camera("masuk", MjpegSourceSettings(mjpeg=serve(paced(jpeg, 100_000, 0.01))))
    ends = []
    for _ in range(3):
        with running(bench.box(camera)):
            had = len(bench.sequences("masuk"))
            wait_for(lambda had=had: len(bench.sequences("masuk")) > had + 5)
        ends.append(len(bench.sequences("masuk")))
    numbers = bench.sequences("masuk")
    assert numbers == sorted(set(numbers))
    assert json.loads((bench.folder / "positions" / "masuk.json").read_text())["losses"]["gap"] >= 2
    assert json.loads((bench.folder / "positions" / "masuk.json").read_text())["sequence"] == numbers[-1]


def test_an_rtsp_camera_that_vanishes_and_comes_back_with_another_size_goes_on(bench, rtsp_camera, tmp_path):
    rtsp_camera.start(film(tmp_path / "a.mp4", 100, fps=25))
    with running(bench.box(a_camera("masuk", RtspSourceSettings(rtsp=rtsp_camera.url, timeout_s=2)))):
        wait_for(lambda: len(bench.sequences("masuk")) > 10)
        rtsp_camera.stop()
        wait_for(lambda: bench.troubles("masuk", "gap") > 0)
        had = len(bench.sequences("masuk"))
        rtsp_camera.start(film(tmp_path / "b.mp4", 100, fps=25, size=(640, 480)))
        wait_for(lambda: len(bench.sequences("masuk")) > had + 10)
    numbers = bench.sequences("masuk")
    assert numbers == sorted(set(numbers))
    widths = [dict(message.headers)["width"] for message in bench.broker.messages(TOPIC)]
    assert (widths[0], widths[-1]) == (b"320", b"640")


def test_while_the_broker_is_away_a_camera_is_spooled_and_a_film_waits(bench, serve, tmp_path):
    bench.broker.down = True
    cameras = (
        a_camera("live", MjpegSourceSettings(mjpeg=serve(paced(jpeg, 100_000, 0.01)))),
        a_camera("film", FileSourceSettings(file=film(tmp_path / "a.mp4", 30))),
    )
    with running(bench.box(*cameras)):
        wait_for(lambda: (bench.counted("live", "spooled") or 0) > 30)
        wait_for(lambda: (bench.metrics.value("etle_spool_frames") or 0) > 30)
        assert bench.broker.messages(TOPIC) == []
        assert bench.metrics.value("etle_paused", target="broker") == 2  # live cameras and films each wait
        bench.broker.down = False
        wait_for(lambda: bench.sequences("film") == list(range(30)))
        wait_for(lambda: bench.metrics.value("etle_spool_frames") == 0 == bench.metrics.value("etle_paused", target="broker"))
    numbers = bench.sequences("live")
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert bench.counted("live", "lost") == 0


@pytest.mark.slow
def test_killed_again_and_again_a_film_is_in_kafka_whole(live_kafka, tmp_path):
    """The process is killed -9 in the middle; what arrives twice is the same twice."""
    path = film(tmp_path / "a.mp4", 300, fps=25)
    camera = {"id": "masuk", "view": "rear", "frame_size": [320, 240], "source": {"file": str(path)}}
    site = {"site": "simpang", "broker": {"prefix": "killed-ingest"}, "cameras": [camera]}
    (tmp_path / "site.yaml").write_text(json.dumps(site))  # which is YAML
    environment = {**os.environ, "ETLE_KAFKA": live_kafka.address, "PYTHONPATH": str(ROOT)}
    etle = [sys.executable, "-m", "etle_cli.main"]
    subprocess.run([*etle, "topics", "create", "site.yaml"], cwd=tmp_path, env=environment, check=True)
    broker = BrokerSettings(prefix="killed-ingest", frames=TopicSettings(partitions=12, retention_hours=24, largest_mb=8))
    connection = BrokerConnection(servers=(live_kafka.address,), broker=broker)
    command = [*etle, "ingest", "site.yaml", "--data", "data"]
    for kills in range(4):
        process = subprocess.Popen(command, cwd=tmp_path, env=environment)
        had = len(_arrived(connection))
        while process.poll() is None and len(_arrived(connection)) < min(had + 40 * (kills + 1), 300):
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, timeout=LONGEST_S)
    frames = [frame_from_wire(message.headers, message.value) for message in _arrived(connection)]
    first_time: dict[int, str] = {}
    for frame in frames:
        assert first_time.setdefault(frame.sequence, frame.sha256) == frame.sha256
    assert list(first_time) == list(range(300))


@pytest.mark.slow
def test_while_a_real_kafka_is_killed_and_comes_back_a_live_camera_loses_nothing(live_kafka, serve, tmp_path):
    broker = BrokerSettings(prefix="killed-kafka", timeout_s=5)
    connection = BrokerConnection(servers=(live_kafka.address,), broker=broker)
    create_topics(required_topics(broker), KafkaTopicAdmin(connection))
    camera = {"id": "masuk", "view": "rear", "frame_size": [320, 240], "source": {"mjpeg": serve(paced(jpeg, 100_000, 0.02))}}
    site = {"site": "simpang", "broker": {"prefix": "killed-kafka", "timeout_s": 5}, "cameras": [camera]}
    (tmp_path / "site.yaml").write_text(json.dumps(site))
    environment = {**os.environ, "ETLE_KAFKA": live_kafka.address, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "etle_cli.main", "ingest", "site.yaml", "--data", "data"]
    spool, position = tmp_path / "data/ingest/spool", tmp_path / "data/ingest/delivery/positions/masuk.json"
    with subprocess.Popen(command, cwd=tmp_path, env=environment) as process:
        wait_for(lambda: len(_arrived(connection)) > 50)
        for _ in range(2):
            live_kafka.kill()
            wait_for(lambda: sum(path.stat().st_size for path in spool.glob("*.spool")) > 50 * len(jpeg(1)))
            live_kafka.start()
            wait_for(lambda: not any(spool.glob("*.spool")))
        process.send_signal(signal.SIGTERM)
    numbers = list(dict.fromkeys(int(dict(message.headers)["sequence"]) for message in _arrived(connection)))
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert json.loads(position.read_text())["losses"] == {}
    assert json.loads(position.read_text())["sequence"] == numbers[-1]


def _arrived(connection: BrokerConnection) -> list:
    reader = KafkaTopicReader(connection, "test")
    try:
        topic = f"{connection.broker.prefix}.frames.v1"
        return [message for partition in range(reader.partitions(topic)) for message in reader.messages(topic, partition)]
    finally:
        reader.close()
