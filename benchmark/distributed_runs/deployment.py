"""A deployment on this machine with an archive: servers, topics, the site file, and roles as processes with their metrics."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any, Final

import yaml

from benchmark.archive import open_writer
from benchmark.distributed_runs.footage import SimulatedCamera
from benchmark.faults.footage import DEMO
from benchmark.faults.roles import ProcessRole
from etle.config.site import Site, load_site
from etle.errors import EtleError
from etle.kafka.admin import KafkaTopicAdmin
from etle.kafka.client import KafkaPublisher
from etle.kafka.security import BrokerConnection
from etle.kafka.topics import TopicNames, create_topics, required_topics
from etle.storage.archive.segment import ArchivedMessage
from etle.storage.database import Database
from etle.storage.runs import PostgresRuns
from etle.types import Frame
from etle.wire import frame_to_wire
from services import free_port, running_kafka, running_postgres

TIMEOUT_S: Final = 7200
_POLL_S: Final = 2.0
"""Each look at the figures of a role takes it some milliseconds of CPU time, on the cores that are measured."""


@dataclass(slots=True)
class RunningRole:
    """A process, and what it counts."""

    process: ProcessRole
    port: int

    def metric(self, name: str, *labels: str) -> float:
        """Sum of the samples that have all these labels; 0 before the process serves them. Raises EtleError if the process has ended."""
        if not self.process.running:
            raise EtleError(f"{self.process.name} has ended: {self.process.log.read_text().strip()[-500:]}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=30) as answer:
                lines = answer.read().decode().splitlines()
        except OSError:
            return 0.0
        found = [line for line in lines if line.startswith(name) and all(label in line for label in labels)]
        return sum(float(line.split()[-1]) for line in found)

    @property
    def cpu_s(self) -> float:
        """CPU time of the process."""
        return self.metric("process_cpu_seconds_total")

    def stop(self) -> None:
        self.process.stop()


@dataclass(slots=True)
class RunsDeployment:
    folder: Path
    path: Path
    """The site file."""
    site: Site
    connection: BrokerConnection
    environment: dict[str, str]
    database: Database
    opened: ExitStack
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(10_000)))

    def start(self, *arguments: str) -> RunningRole:
        """`etle ARGUMENTS`, with the site file behind the words of the command."""
        words = list(takewhile(lambda word: not word.startswith("-"), arguments))
        port = free_port()
        command = [*words, str(self.path), *arguments[len(words) :], "--metrics", str(port)]
        role = ProcessRole(f"{words[0]}-{next(self.numbers)}", command, self.environment, self.folder)
        role.start()
        self.opened.callback(role.stop)
        return RunningRole(role, port)

    def etle(self, *arguments: str) -> str:
        """Standard output of a command that ends. Raises EtleError if it fails."""
        environment = {**os.environ, **self.environment}
        command = [sys.executable, "-m", "etle_cli.main", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        if done.returncode:
            raise EtleError(f"etle {' '.join(arguments)}: {done.stderr.strip()[-500:]}")
        return done.stdout

    def publish(self, frames: Iterable[Frame]) -> int:
        """Returns the number of frames."""
        publisher, topic, number = KafkaPublisher(self.connection, "benchmark"), TopicNames(self.site.broker.prefix).frames, 0
        for frame in frames:
            headers, value = frame_to_wire(frame)
            publisher.publish(topic, value, key=frame.camera.encode(), headers=headers)
            number += 1
        publisher.flush()
        publisher.close()
        return number

    def archive(self, frames: Iterable[Frame]) -> int:
        """Writes them as `etle archive record` does; returns their number."""
        writer, number = open_writer(self.folder / "archive", self.site.site), 0
        for frame in frames:
            headers, jpeg = frame_to_wire(frame)
            writer.append(ArchivedMessage(headers=tuple(headers), jpeg=jpeg), frame)
            number += 1
        writer.close()
        return number

    def distribute(self, run: str, *options: str) -> None:
        self.etle("reprocess", str(self.path), "--run", run, "--distribute", *options)

    def is_finished(self, run: str) -> bool:
        stored = PostgresRuns(self.database).run(run)
        return stored is not None and stored.finished_at is not None


@contextmanager
def running_runs_deployment(folder: Path, cameras: Sequence[SimulatedCamera], threads: int = 1) -> Iterator[RunsDeployment]:
    """Servers and topics; roles are started by the measurement. `threads`: of the models of each process."""
    with ExitStack() as opened:
        kafka, postgres = opened.enter_context(running_kafka()), opened.enter_context(running_postgres())
        path = _site_file(folder, kafka.address, cameras, threads)
        site = load_site(path, {})
        connection = BrokerConnection(servers=(kafka.address,), broker=site.broker)
        create_topics(required_topics(site.broker), KafkaTopicAdmin(connection))
        environment = {
            "ETLE_KAFKA": kafka.address,
            "ETLE_DATABASE": postgres.address,
            "ETLE_DATA": str(folder / "data"),
            "OMP_NUM_THREADS": str(threads),
        }
        database = Database(postgres.address)
        opened.callback(database.close)
        deployment = RunsDeployment(folder, path, site, connection, environment, database, opened)
        deployment.etle("database", "migrate")
        yield deployment


def wait_until(condition: Callable[[], bool], what: str, timeout_s: float = TIMEOUT_S) -> None:
    """Raises EtleError after the timeout."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise EtleError(f"{what} took longer than {timeout_s:g} s")
        time.sleep(_POLL_S)


def _site_file(folder: Path, kafka: str, cameras: Sequence[SimulatedCamera], threads: int) -> Path:
    document: dict[str, Any] = yaml.safe_load(DEMO.read_text())
    drawn = [camera | {"source": {"rtsp": "rtsp://simulated"}} for camera in document["cameras"]]
    document["cameras"] = [drawn[camera.clip] | {"id": str(camera.camera)} for camera in cameras]
    topic = {"partitions": len(cameras), "retention_hours": 24}
    document["broker"] = {"servers": [kafka], "frames": topic | {"largest_mb": 8}, "reprocess": topic | {"largest_mb": 1}}
    document["detect"] = {"threads": threads}
    document["archive"] = {"location": str(folder / "archive"), "keep_days": 10_000, "keep_free_mb": 0}
    path = folder / "site.yaml"
    path.write_text(json.dumps(document))  # JSON is YAML
    return path
