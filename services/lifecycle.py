"""Start, stop and inspect all servers from separate processes; running servers are recorded in `running.json` in the folder."""

import json
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from etle.files import write_atomic
from services.kafka import kafka_server
from services.postgres import postgres_server
from services.process import ServiceError, ServiceMissing, ServiceProcess, accepts_connections
from services.rtsp import rtsp_server
from services.s3 import S3Kind, s3_environment, s3_server

NAMES: Final = ("kafka", "postgres", "s3", "rtsp")
STOP_TIMEOUT_S: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRecord:
    """A server that was started. `born` is the start time of its process, which distinguishes it from a later one with the same pid."""

    name: str
    address: str
    port: int
    pid: int
    born: str
    stop_signal: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceStatus:
    name: str
    address: str
    pid: int
    ready: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSet:
    records: tuple[ServiceRecord, ...]
    missing: Mapping[str, str]
    """Servers that could not be started, with the reason."""

    @property
    def environment(self) -> Mapping[str, str]:
        """Environment variables with which every role uses these servers."""
        records = {record.name: record for record in self.records}
        names = {"kafka": "ETLE_KAFKA", "postgres": "ETLE_DATABASE", "s3": "ETLE_EVIDENCE"}
        addresses = {variable: records[name].address for name, variable in names.items() if name in records}
        return {**addresses, **(s3_environment(records["s3"].port) if "s3" in records else {})}

    def write(self, path: Path) -> None:
        keys = {"kafka": "kafka", "postgres": "database", "s3": "evidence", "rtsp": "rtsp"}
        document: dict[str, Any] = {keys[record.name]: record.address for record in self.records}
        document["environment"] = dict(self.environment)
        document["pids"] = {record.name: record.pid for record in self.records}
        document["missing"] = dict(self.missing)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document, indent=2) + "\n")


def start(folder: Path, names: Sequence[str], *, clip: Path, s3_kind: S3Kind = "versitygw", optional: Sequence[str] = ()) -> ServiceSet:
    """Start the servers that are not running, on the ports of the last time. An `optional` one may be missing.

    Raises ServiceError, after it has stopped the servers that this call started.
    """
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    ports = {record.name: record.port for record in _read(folder)}
    factories: Mapping[str, Callable[[int | None], ServiceProcess]] = {
        "kafka": lambda port: kafka_server(folder, port=port),
        "postgres": lambda port: postgres_server(folder, port=port),
        "s3": lambda port: s3_server(folder, port=port, kind=s3_kind),
        "rtsp": lambda port: rtsp_server(folder, clip, port=port),
    }
    missing: dict[str, str] = {}
    started: list[ServiceProcess] = []
    try:
        for name in names:
            if _running(folder, name):
                continue
            try:
                server = factories[name](ports.get(name))
            except ServiceMissing as error:
                if name not in optional:
                    raise
                missing[name] = str(error)
                continue
            started.append(server)
            _record(folder, server.start())
    except BaseException:
        for server in started:
            server.stop()
        raise
    return ServiceSet(records=tuple(record for record in _read(folder) if _is_alive(record)), missing=missing)


def stop(folder: Path) -> tuple[str, ...]:
    """Names of the servers that were running, the last started first. Raises ServiceError if one does not stop."""
    running = [record for record in reversed(_read(folder.absolute())) if _is_alive(record)]
    for record in running:
        with suppress(ProcessLookupError):
            os.kill(record.pid, record.stop_signal)
        _wait_for_exit(record)
    return tuple(record.name for record in running)


def status(folder: Path) -> tuple[ServiceStatus, ...]:
    return tuple(
        ServiceStatus(
            name=record.name, address=record.address, pid=record.pid, ready=_is_alive(record) and accepts_connections(record.port)
        )
        for record in _read(folder.absolute())
    )


def _record(folder: Path, server: ServiceProcess) -> None:
    record = ServiceRecord(
        name=server.name,
        address=server.address,
        port=server.port,
        pid=server.pid,
        born=_born(server.pid),
        stop_signal=int(server.stop_signal),
    )
    others = [other for other in _read(folder) if other.name != record.name]
    document = json.dumps([asdict(each) for each in (*others, record)], indent=2) + "\n"
    write_atomic(folder / "running.json", document.encode())


def _read(folder: Path) -> tuple[ServiceRecord, ...]:
    file = folder / "running.json"
    if not file.exists():
        return ()
    try:
        return tuple(ServiceRecord(**fields) for fields in json.loads(file.read_text()))
    except (ValueError, TypeError) as error:
        raise ServiceError(f"{file} is damaged: {error}. Stop the servers by hand and remove the folder") from error


def _running(folder: Path, name: str) -> bool:
    return any(record.name == name and _is_alive(record) for record in _read(folder))


def _is_alive(record: ServiceRecord) -> bool:
    return _born(record.pid) == record.born != ""


def _born(pid: int) -> str:
    """Start time of the process in clock ticks since boot (proc(5)); empty if there is none, or it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]


def _wait_for_exit(record: ServiceRecord) -> None:
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while _is_alive(record):
        if time.monotonic() > deadline:
            with suppress(ProcessLookupError):
                os.kill(record.pid, signal.SIGKILL)
            raise ServiceError(f"{record.name} did not stop within {STOP_TIMEOUT_S} s and was killed")
        time.sleep(0.05)
