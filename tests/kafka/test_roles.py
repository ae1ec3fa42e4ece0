"""`etle write` as a process: it starts, waits for a database that is down, and stops on SIGTERM."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from etle.kafka.admin import KafkaTopicAdmin
from etle.kafka.client import KafkaPublisher
from etle.kafka.security import BrokerConnection
from etle.kafka.topics import TopicNames, create_topics, required_topics
from etle.storage.database import Database
from etle.testing import a_violation_message
from etle.wire import violation_message_to_wire
from services import ServiceProcess, free_port

pytestmark = pytest.mark.server

WAIT_S = 120


@pytest.fixture
def site(connection: BrokerConnection, tmp_path: Path) -> Path:
    create_topics(required_topics(connection.broker), KafkaTopicAdmin(connection))
    camera = {"id": "cam-1", "view": "rear", "source": {"file": "a.mp4"}, "frame_size": [64, 48]}
    broker = {"servers": list(connection.servers), **json.loads(connection.broker.model_dump_json(exclude={"servers", "security"}))}
    path = tmp_path / "site.yaml"
    path.write_text(json.dumps({"site": "tes", "cameras": [camera], "broker": broker}))
    return path


@pytest.fixture
def writer(site: Path, live_postgres: ServiceProcess, tmp_path: Path) -> Iterator[Callable[[str], "subprocess.Popen[str]"]]:
    started: list[subprocess.Popen[str]] = []

    def start(database: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "etle_cli.main", "write", str(site), "--data", str(tmp_path / "data"), "--database", database]
        started.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"}))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.2)


def test_the_writer_writes_and_exits_with_zero_on_sigterm(connection: BrokerConnection, live_postgres: ServiceProcess, writer):
    database = Database(live_postgres.address)
    message = a_violation_message(connection.broker.prefix)
    publisher = KafkaPublisher(connection, "test")
    publisher.publish(TopicNames(connection.broker.prefix).violations, violation_message_to_wire(message), key=b"k")
    publisher.flush()
    publisher.close()

    def written() -> bool:
        with database.transaction() as cursor:
            cursor.execute("SELECT to_regclass('etle.violations') IS NOT NULL")
            if not cursor.fetchone()[0]:
                return False
            cursor.execute("SELECT count(*) FROM etle.violations WHERE id = %s", (str(message.violation.id),))
            return cursor.fetchone()[0] == 1

    process = writer(live_postgres.address)
    wait_for(written)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    database.close()


def test_the_writer_waits_for_a_database_that_is_down_at_the_start(writer):
    process = writer(f"postgresql://etle@127.0.0.1:{free_port()}/etle")
    line = next(line for line in process.stderr if "cannot be reached" in line)
    assert "Next attempt in 1 s" in line
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
