"""All servers together, started by one process and stopped by another: what runs is written down in the folder."""

import json
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from services.kafka import kafka_server
from services.postgres import postgres_server
from services.process import ServiceError, ServiceMissing, ServiceProcess, connects
from services.rtsp import rtsp_server
from services.s3 import Kind, s3_environment, s3_server

NAMES: Final = ("kafka", "postgres", "s3", "rtsp")
STOP_S: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRecord:
    """A server that was started; `born` tells its process from another that was given the same number later."""

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
    answers: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSet:
    entries: tuple[ServiceRecord, ...]
    missing: Mapping[str, str]
    """Why one is not there, by its name."""

    @property
    def variables(self) -> Mapping[str, str]:
        """The environment in which every role finds these servers."""
        at = {entry.name: entry for entry in self.entries}
        named = {"kafka": "ETLE_KAFKA", "postgres": "ETLE_DATABASE", "s3": "ETLE_EVIDENCE"}
        found = {variable: at[name].address for name, variable in named.items() if name in at}
        return {**found, **(s3_environment(at["s3"].port) if "s3" in at else {})}

    def write(self, file: Path) -> None:
        keys = {"kafka": "kafka", "postgres": "database", "s3": "evidence", "rtsp": "rtsp"}
        document: dict[str, Any] = {keys[entry.name]: entry.address for entry in self.entries}
        document["environment"] = dict(self.variables)
        document["pids"] = {entry.name: entry.pid for entry in self.entries}
        document["missing"] = dict(self.missing)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(document, indent=2) + "\n")


def start(folder: Path, names: Sequence[str], *, clip: Path, s3_kind: Kind = "versitygw", optional: Sequence[str] = ()) -> ServiceSet:
    """Starts what does not run yet, on the ports of last time. Those that are optional may be missing. Raises ServiceError, and stops
    again what this call started."""
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    ports = {entry.name: entry.port for entry in _read(folder)}
    makers: Mapping[str, Callable[[int | None], ServiceProcess]] = {
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
                server = makers[name](ports.get(name))
            except ServiceMissing as error:
                if name not in optional:
                    raise
                missing[name] = str(error)
                continue
            started.append(server)
            _note(folder, server.start())
    except BaseException:
        for server in started:
            server.stop()
        raise
    return ServiceSet(entries=tuple(entry for entry in _read(folder) if _alive(entry)), missing=missing)


def stop(folder: Path) -> tuple[str, ...]:
    """The names of those that were running, the last started first. Raises ServiceError if one will not go."""
    running = [entry for entry in reversed(_read(folder.absolute())) if _alive(entry)]
    for entry in running:
        with suppress(ProcessLookupError):
            os.kill(entry.pid, entry.stop_signal)
        _wait_gone(entry)
    return tuple(entry.name for entry in running)


def status(folder: Path) -> tuple[ServiceStatus, ...]:
    return tuple(
        ServiceStatus(name=entry.name, address=entry.address, pid=entry.pid, answers=_alive(entry) and connects(entry.port))
        for entry in _read(folder.absolute())
    )


def _note(folder: Path, server: ServiceProcess) -> None:
    entry = ServiceRecord(
        name=server.name,
        address=server.address,
        port=server.port,
        pid=server.pid,
        born=_born(server.pid),
        stop_signal=int(server.stop_signal),
    )
    others = [other for other in _read(folder) if other.name != entry.name]
    unfinished = folder / "running.json.new"
    unfinished.write_text(json.dumps([asdict(one) for one in (*others, entry)], indent=2) + "\n")
    unfinished.rename(folder / "running.json")


def _read(folder: Path) -> tuple[ServiceRecord, ...]:
    file = folder / "running.json"
    if not file.exists():
        return ()
    try:
        return tuple(ServiceRecord(**entry) for entry in json.loads(file.read_text()))
    except (ValueError, TypeError) as error:
        raise ServiceError(f"{file} is not what was written there: {error}. Stop the servers by hand and remove the folder") from error


def _running(folder: Path, name: str) -> bool:
    return any(entry.name == name and _alive(entry) for entry in _read(folder))


def _alive(entry: ServiceRecord) -> bool:
    return _born(entry.pid) == entry.born != ""


def _born(pid: int) -> str:
    """When the process began, in the kernel's own count; empty if there is none, or it has ended."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if words[0] == "Z" else words[19]


def _wait_gone(entry: ServiceRecord) -> None:
    deadline = time.monotonic() + STOP_S
    while _alive(entry):
        if time.monotonic() > deadline:
            with suppress(ProcessLookupError):
                os.kill(entry.pid, signal.SIGKILL)
            raise ServiceError(f"{entry.name} did not stop within {STOP_S} s and was killed")
        time.sleep(0.05)
