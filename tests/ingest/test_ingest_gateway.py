"""A whole gateway: cameras that fail independently, video files that are continued, and a process that is killed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread

import pytest
from footage.http_cameras import paced, parts
from footage.videos import jpeg, write_video

from etle.clock import SystemClock
from etle.config.deployment import BrokerSettings, TopicSettings
from etle.config.signal_feed import SignalFeed
from etle.config.site import CameraSettings, SignalHead, Site
from etle.config.sources import FileSourceSettings, MjpegSourceSettings, RtspSourceSettings, SourceSettings
from etle.kafka.admin import KafkaTopicAdmin
from etle.kafka.client import KafkaTopicReader
from etle.kafka.security import BrokerConnection
from etle.kafka.topics import create_topics, required_topics
from etle.observability.health import Health
from etle.observability.metrics import Metrics
from etle.signing import Signer
from etle.testing import MemoryBroker
from etle.types import ControllerReading
from etle.wire import frame_from_wire
from ingest.gateway import EdgeGateway, GatewayDeps

TOPIC = "etle.frames.v1"
ROOT = Path(__file__).parents[2]
TIMEOUT_S = 180


def a_camera(name: str, source: SourceSettings) -> CameraSettings:
    return CameraSettings(id=name, view="rear", source=source, frame_size=(320, 240))


class GatewayFixture:
    """Creates gateways on one folder and one broker in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.broker = MemoryBroker({TOPIC: 3})
        self.signer = Signer.from_file(folder / "gateway.pem")
        self.metrics = Metrics()

    def gateway(self, *cameras: CameraSettings) -> EdgeGateway:
        site = Site(site="simpang", cameras=cameras)
        deps = GatewayDeps(
            folder=self.folder,
            connect=lambda: self.broker,
            sign=self.signer.sign,
            clock=SystemClock(),
            metrics=self.metrics,
            health=Health(),
            source_names=lambda camera: (camera.source.description, ()),
        )
        return EdgeGateway(site, cameras, deps)

    def sequences(self, camera: str) -> list[int]:
        return [int(dict(message.headers)["sequence"]) for message in self.broker.messages(TOPIC) if message.key == camera.encode()]

    def frames(self, camera: str, outcome: str) -> float | None:
        return self.metrics.value("etle_frames_total", camera=camera, outcome=outcome)

    def troubles(self, camera: str, kind: str) -> float:
        return self.metrics.value("etle_camera_troubles_total", camera=camera, kind=kind) or 0


@pytest.fixture
def fixture(tmp_path: Path) -> GatewayFixture:
    return GatewayFixture(tmp_path / "gateway")


@contextmanager
def running(gateway: EdgeGateway):
    stop = Event()
    thread = Thread(target=gateway.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < end, "timed out"
        time.sleep(0.02)


def test_video_files_are_delivered_completely_signed_in_order_and_only_once(fixture, tmp_path):
    cameras = [a_camera(name, FileSourceSettings(file=write_video(tmp_path / f"{name}.mp4", 25))) for name in ("masuk", "keluar")]
    assert fixture.gateway(*cameras).run(Event()) == []
    for name in ("masuk", "keluar"):
        assert fixture.sequences(name) == list(range(25))
        assert fixture.frames(name, "sent") == fixture.frames(name, "captured") == 25
    for message in fixture.broker.messages(TOPIC):
        frame_from_wire(message.headers, message.value, lambda camera, signed, signature: signature == fixture.signer.sign(signed))
    assert fixture.gateway(*cameras).run(Event()) == []
    assert len(fixture.broker.messages(TOPIC)) == 50


def test_the_next_video_file_of_a_camera_continues_its_numbers(fixture, tmp_path):
    for name in ("monday", "tuesday"):
        assert fixture.gateway(a_camera("masuk", FileSourceSettings(file=write_video(tmp_path / f"{name}.mp4", 10)))).run(Event()) == []
    assert fixture.sequences("masuk") == list(range(20))


def test_a_truncated_video_file_is_reported_and_the_other_one_is_delivered(fixture, tmp_path):
    whole, broken = write_video(tmp_path / "a.mp4", 20), write_video(tmp_path / "b.mkv", 60)
    broken.write_bytes(broken.read_bytes()[: broken.stat().st_size // 2])
    problems = fixture.gateway(a_camera("whole", FileSourceSettings(file=whole)), a_camera("broken", FileSourceSettings(file=broken))).run(
        Event()
    )
    assert len(problems) == 1
    assert "b.mkv" in problems[0]
    assert len(fixture.sequences("whole")) == 20
    assert 0 < len(fixture.sequences("broken")) < 60


def says_red(*answers: str):
    """A signal's controller: its messages of now, or these bodies in place of the first ones."""
    given = iter(answers)

    def answer(request):
        now = datetime.now(UTC).isoformat()
        good = json.dumps({"signal": "barat", "lamp": "red", "since": "2026-11-23T03:00:00Z", "at": now, "sequence": 7})
        body = next(given, good).encode()
        request.send_response(200)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    return answer


def test_what_a_signals_controller_says_travels_signed_with_the_frames_before_and_after_a_restart(fixture, serve):
    source = MjpegSourceSettings(mjpeg=serve(paced(jpeg, 4000, 0.02)))
    feed = SignalFeed(http=serve(says_red("oops")), interval_s=0.05)
    camera = a_camera("masuk", source).model_copy(update={"signals": (SignalHead(id="barat", feed=feed),)})

    def told() -> list[ControllerReading]:
        verify = lambda camera, signed, signature: signature == fixture.signer.sign(signed)  # noqa: E731 - as frame_from_wire takes it
        return [
            each
            for message in fixture.broker.messages(TOPIC)
            for each in frame_from_wire(message.headers, message.value, verify).controller
        ]

    for _ in range(2):
        before = len(told())
        with running(fixture.gateway(camera)):
            wait_for(lambda before=before: len(told()) >= before + 5)
    assert {(each.signal, each.lamp, each.sequence) for each in told()} == {("barat", "red", 7)}
    times = [each.at for each in told()]
    assert times == sorted(set(times))
    assert fixture.troubles("masuk", "signal_message") == 1


@pytest.mark.slow
def test_a_faulty_camera_does_not_affect_the_others(fixture, serve):
    """One camera hangs, one sends garbage, one disconnects, one changes its size, one has a wrong clock; one works."""
    never = Event()
    working = serve(paced(jpeg, 400, 0.02))
    cameras = {
        "working": MjpegSourceSettings(mjpeg=working),
        "hangs": MjpegSourceSettings(mjpeg=serve(parts(jpeg(1), then_silent=never)), timeout_s=0.5),
        "garbage": MjpegSourceSettings(mjpeg=serve(parts(*[b"\xff\xd8 no picture"] * 50))),
        "disconnects": MjpegSourceSettings(mjpeg=serve(parts(jpeg(1), jpeg(2)))),
        "resizes": MjpegSourceSettings(mjpeg=serve(paced(lambda number: jpeg(number, 320 if number < 5 else 640), 400, 0.05))),
        "wrong-clock": MjpegSourceSettings(
            mjpeg=serve(parts(*[jpeg(number) for number in range(5)], headers={"X-Timestamp": "1000000000"}, then_silent=never))
        ),
        "unreachable": MjpegSourceSettings(mjpeg="http://127.0.0.1:9/"),
    }
    gateway = fixture.gateway(*(a_camera(name, source) for name, source in cameras.items()))
    with running(gateway):
        wait_for(lambda: len(fixture.sequences("working")) >= 100)
        wait_for(lambda: all(fixture.sequences(name) for name in ("hangs", "disconnects", "wrong-clock")))
        wait_for(lambda: len(fixture.sequences("resizes")) >= 10)
        wait_for(lambda: fixture.troubles("hangs", "gap") > 0 and fixture.troubles("garbage", "undecodable") >= 50)
        wait_for(lambda: fixture.troubles("unreachable", "reconnect") > 0)
        wait_for(lambda: fixture.metrics.value("etle_camera_awaited", camera="unreachable") == 1)
    never.set()
    numbers = fixture.sequences("working")
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert fixture.frames("working", "lost") == fixture.troubles("working", "reconnect") == fixture.troubles("working", "gap") == 0
    assert fixture.sequences("garbage") == []
    widths = {dict(m.headers)["width"] for m in fixture.broker.messages(TOPIC) if m.key == b"resizes"}
    assert widths == {b"320", b"640"}
    assert (fixture.metrics.value("etle_clock_skew_seconds", camera="wrong-clock") or 0) < -1e8
    assert fixture.metrics.value("etle_camera_awaited", camera="unreachable") == 0


def test_a_live_camera_continues_at_a_higher_number_and_the_pause_is_counted_as_a_gap(fixture, serve):
    camera = a_camera("masuk", MjpegSourceSettings(mjpeg=serve(paced(jpeg, 100_000, 0.01))))
    ends = []
    for _ in range(3):
        with running(fixture.gateway(camera)):
            had = len(fixture.sequences("masuk"))
            wait_for(lambda had=had: len(fixture.sequences("masuk")) > had + 5)
        ends.append(len(fixture.sequences("masuk")))
    numbers = fixture.sequences("masuk")
    assert numbers == sorted(set(numbers))
    assert json.loads((fixture.folder / "positions" / "masuk.json").read_text())["losses"]["gap"] >= 2
    assert json.loads((fixture.folder / "positions" / "masuk.json").read_text())["sequence"] == numbers[-1]


def test_an_rtsp_camera_that_comes_back_with_another_size_is_continued(fixture, rtsp_camera, tmp_path):
    rtsp_camera.start(write_video(tmp_path / "a.mp4", 100, fps=25))
    with running(fixture.gateway(a_camera("masuk", RtspSourceSettings(rtsp=rtsp_camera.url, timeout_s=2)))):
        wait_for(lambda: len(fixture.sequences("masuk")) > 10)
        rtsp_camera.stop()
        wait_for(lambda: fixture.troubles("masuk", "gap") > 0)
        had = len(fixture.sequences("masuk"))
        rtsp_camera.start(write_video(tmp_path / "b.mp4", 100, fps=25, size=(640, 480)))
        wait_for(lambda: len(fixture.sequences("masuk")) > had + 10)
    numbers = fixture.sequences("masuk")
    assert numbers == sorted(set(numbers))
    widths = [dict(message.headers)["width"] for message in fixture.broker.messages(TOPIC)]
    assert (widths[0], widths[-1]) == (b"320", b"640")


@pytest.mark.slow
def test_while_the_broker_is_down_a_live_camera_is_spooled_and_a_video_file_waits(fixture, serve, tmp_path):
    fixture.broker.down = True
    cameras = (
        a_camera("live", MjpegSourceSettings(mjpeg=serve(paced(jpeg, 100_000, 0.01)))),
        a_camera("file", FileSourceSettings(file=write_video(tmp_path / "a.mp4", 30))),
    )
    with running(fixture.gateway(*cameras)):
        wait_for(lambda: (fixture.frames("live", "spooled") or 0) > 30)
        wait_for(lambda: (fixture.metrics.value("etle_spool_frames") or 0) > 30)
        assert fixture.broker.messages(TOPIC) == []
        assert fixture.metrics.value("etle_paused", target="broker") == 2  # the producers of live cameras and of video files
        fixture.broker.down = False
        wait_for(lambda: fixture.sequences("file") == list(range(30)))
        wait_for(lambda: fixture.metrics.value("etle_spool_frames") == 0 == fixture.metrics.value("etle_paused", target="broker"))
    numbers = fixture.sequences("live")
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert fixture.frames("live", "lost") == 0


@pytest.mark.slow
def test_a_video_file_is_completely_in_kafka_after_several_kills(live_kafka, tmp_path):
    """The process is killed with -9 while it reads; a frame that arrives twice is identical both times."""
    path = write_video(tmp_path / "a.mp4", 300, fps=25)
    camera = {"id": "masuk", "view": "rear", "frame_size": [320, 240], "source": {"file": str(path)}}
    site = {"site": "simpang", "broker": {"prefix": "killed-ingest"}, "cameras": [camera]}
    (tmp_path / "site.yaml").write_text(json.dumps(site))  # JSON is YAML
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
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, timeout=TIMEOUT_S)
    frames = [frame_from_wire(message.headers, message.value) for message in _arrived(connection)]
    first_time: dict[int, str] = {}
    for frame in frames:
        assert first_time.setdefault(frame.sequence, frame.sha256) == frame.sha256
    assert list(first_time) == list(range(300))


@pytest.mark.slow
def test_a_live_camera_loses_nothing_while_a_real_kafka_is_killed_and_restarted(live_kafka, serve, tmp_path):
    broker = BrokerSettings(prefix="killed-kafka", timeout_s=5)
    connection = BrokerConnection(servers=(live_kafka.address,), broker=broker)
    create_topics(required_topics(broker), KafkaTopicAdmin(connection))
    camera = {"id": "masuk", "view": "rear", "frame_size": [320, 240], "source": {"mjpeg": serve(paced(jpeg, 100_000, 0.02))}}
    site = {"site": "simpang", "broker": {"prefix": "killed-kafka", "timeout_s": 5}, "cameras": [camera]}
    (tmp_path / "site.yaml").write_text(json.dumps(site))
    environment = {**os.environ, "ETLE_KAFKA": live_kafka.address, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "etle_cli.main", "ingest", "site.yaml", "--data", "data"]
    spool, position = tmp_path / "data/ingest/spool", tmp_path / "data/ingest/positions/masuk.json"
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
