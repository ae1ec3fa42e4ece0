"""Apache Kafka as one combined broker and controller (KRaft), from Maven Central or from `KAFKA_HOME`."""

import os
import shutil
import socket
import struct
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from etle.files import FileLock
from services.process import ServiceError, ServiceMissing, ServiceProcess, cache_folder, data_folder, free_port, running

VERSION: Final = "4.3.1"
_JARS: Final = (
    ("org.apache.kafka", "kafka_2.13", VERSION),
    ("org.apache.kafka", "kafka-tools", VERSION),
    ("org.slf4j", "slf4j-simple", "1.7.36"),
)
_POM: Final = """<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>etle</groupId><artifactId>kafka</artifactId><version>1</version>
  <dependencies>
{dependencies}
  </dependencies>
</project>
"""
_DEPENDENCY: Final = "    <dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>"
_PROPERTIES: Final = """process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
controller.listener.names=CONTROLLER
log.dirs={data}
num.partitions=4
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
message.max.bytes=8388608
auto.create.topics.enable=false
"""


def java() -> Path:
    found = shutil.which("java")
    if found is None:
        raise ServiceMissing("Kafka needs Java 17 or newer: apt-get install default-jre-headless")
    return Path(found)


def kafka_jars() -> Path:
    """The folder of Kafka's jars, downloaded once with Maven. Raises ServiceMissing if there is no Maven."""
    if home := os.environ.get("KAFKA_HOME"):
        jars = Path(home) / "libs"
        if not any(jars.glob("kafka_*.jar")):
            raise ServiceMissing(f"KAFKA_HOME is {home}, but {jars} contains no Kafka")
        return jars
    folder = cache_folder() / f"kafka-{VERSION}"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "lock"):
        if not (folder / "libs").is_dir() or _pom() != _downloaded_pom(folder):
            _download(folder)
    return folder / "libs"


def kafka_server(folder: Path, *, port: int | None = None, heap_mb: int = 512) -> ServiceProcess:
    """Not started yet. Its data is in `folder` and is formatted at the first use. Raises ServiceMissing, ServiceError."""
    port = port or free_port()
    java_binary, classes = java(), f"{kafka_jars()}/*"
    settings, data = folder / "server.properties", folder / "kafka-data"
    settings.write_text(_PROPERTIES.format(port=port, controller=free_port(), data=data))
    if not (data / "meta.properties").exists():
        tool: list[str | Path] = [java_binary, "-Xmx128m", "-cp", classes, "kafka.tools.StorageTool"]
        cluster_id = _run([*tool, "random-uuid"]).split()[-1]
        _run([*tool, "format", "--standalone", "-t", cluster_id, "-c", settings])
    log_level = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
    return ServiceProcess(
        name="kafka",
        address=f"127.0.0.1:{port}",
        port=port,
        command=[java_binary, f"-Xmx{heap_mb}m", "-XX:+ExitOnOutOfMemoryError", log_level, "-cp", classes, "kafka.Kafka", settings],
        folder=folder,
        is_ready=lambda: is_ready(port),
    )


@contextmanager
def running_kafka(folder: Path | None = None, *, port: int | None = None, heap_mb: int = 512) -> Iterator[ServiceProcess]:
    """`address` is host:port. Without `folder` its data is deleted at the end."""
    with data_folder(folder) as path, running(kafka_server(path, port=port, heap_mb=heap_mb)) as server:
        yield server


def is_ready(port: int) -> bool:
    """True if the broker is in its own response to a Metadata request; clients cannot use it before."""
    request = struct.pack(">hhih4si", 3, 1, 1, 4, b"etle", 0)  # Metadata, version 1, correlation 1, of the client "etle", no topics
    with suppress(OSError, struct.error), socket.create_connection(("127.0.0.1", port), timeout=2) as broker:
        broker.sendall(struct.pack(">i", len(request)) + request)
        with broker.makefile("rb") as response:
            _size, _correlation, brokers = struct.unpack(">iii", response.read(12))
            return int(brokers) > 0
    return False


def _pom() -> str:
    return _POM.format(dependencies="\n".join(_DEPENDENCY.format(*jar) for jar in _JARS))


def _downloaded_pom(folder: Path) -> str:
    """The pom.xml of the jars in the folder; empty if the download is missing or incomplete."""
    pom = folder / "libs" / "pom.xml"
    return pom.read_text() if pom.exists() else ""


def _download(folder: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise ServiceMissing("Kafka is downloaded with Maven (apt-get install maven); or unpack Kafka and set KAFKA_HOME to its folder")
    (folder / "pom.xml").write_text(_pom())
    temp = folder / "libs.new"
    shutil.rmtree(temp, ignore_errors=True)
    _run([maven, "-B", "-q", "-f", folder / "pom.xml", "dependency:copy-dependencies", f"-DoutputDirectory={temp}"])
    (temp / "pom.xml").write_text(_pom())
    shutil.rmtree(folder / "libs", ignore_errors=True)
    temp.rename(folder / "libs")


def _run(command: Sequence[str | Path]) -> str:
    result = subprocess.run([str(argument) for argument in command], check=False, capture_output=True, text=True)
    if result.returncode != 0:
        raise ServiceError(f"{Path(command[0]).name} failed: {(result.stdout + result.stderr).strip()[-1500:]}")
    return result.stdout
