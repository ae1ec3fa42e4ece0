"""A complete deployment on this machine: servers, topics, roles and their site file."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from benchmark.faults.footage import DEMO, Footage
from benchmark.faults.roles import ProcessRole, ServerTarget
from etle.config.site import Site, load_site
from etle.kafka.admin import KafkaTopicAdmin
from etle.kafka.security import BrokerConnection
from etle.kafka.topics import create_topics, required_topics
from etle.signing import Signer
from services import running_kafka, running_postgres

IDLE_TIMEOUT_S: Final = 12
"""Time without frames after which a camera counts as ended; longer than any fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultDeployment:
    site: Site
    connection: BrokerConnection
    database: str
    data: Path
    roles: tuple[ProcessRole, ...]
    servers: tuple[ServerTarget, ...]

    @property
    def ingest(self) -> ProcessRole:
        return self.roles[0]

    def restart_crashed(self) -> None:
        for role in self.roles:
            role.restart_if_crashed()


@contextmanager
def running_deployment(folder: Path, footage: Footage, detect_workers: int) -> Iterator[FaultDeployment]:
    """Starts the servers and all roles but ingest; stops everything on exit."""
    with ExitStack() as opened:
        kafka = opened.enter_context(running_kafka())
        postgres = opened.enter_context(running_postgres())
        path = _site_file(folder, footage, kafka.address)
        site = load_site(path, {})
        connection = BrokerConnection(servers=(kafka.address,), broker=site.broker)
        create_topics(required_topics(site.broker), KafkaTopicAdmin(connection))
        names = {"ETLE_KAFKA": kafka.address, "ETLE_DATABASE": postgres.address, "ETLE_DATA": str(folder / "data")}
        roles = (
            ProcessRole("ingest", ["ingest", path], names, folder),
            *(
                ProcessRole(f"detect-{number}", ["detect", path, "--idle-timeout", str(IDLE_TIMEOUT_S)], names, folder)
                for number in range(detect_workers)
            ),
            ProcessRole("write", ["write", path], names, folder),
        )
        opened.callback(_stop_all, roles)
        for role in roles[1:]:
            role.start()
        yield FaultDeployment(
            site=site,
            connection=connection,
            database=postgres.address,
            data=folder / "data",
            roles=roles,
            servers=(ServerTarget(kafka), ServerTarget(postgres)),
        )


def _site_file(folder: Path, footage: Footage, kafka: str) -> Path:
    """The demo's site file with folders instead of clips, a broker, and the device's public key."""
    signer = Signer.from_file(folder / "data" / "keys" / "ingest.pem")
    (folder / "box.pem").write_bytes(signer.public_pem)
    document: dict[str, Any] = yaml.safe_load(DEMO.read_text())
    for camera in document["cameras"]:
        camera["source"] = {"folder": str(footage.folder_of(camera["id"]))}
    topic = {"partitions": 4, "retention_hours": 48}
    document["broker"] = {
        "servers": [kafka],
        "frames": topic | {"largest_mb": 8},
        "violations": topic | {"largest_mb": 48},
        "timeout_s": 10,
        "session_s": 3,
    }
    document["ingest"] = {"devices": [{"id": "box", "public_key": str(folder / "box.pem")}]}
    path = folder / "site.yaml"
    path.write_text(json.dumps(document))  # JSON is YAML
    return path


def _stop_all(roles: tuple[ProcessRole, ...]) -> None:
    for role in roles:
        role.recover() if role.running else None
    for role in roles:
        role.stop()


def wait_until(condition: Callable[[], bool], *, timeout_s: float, on_tick: Callable[[], None]) -> bool:
    """False after the timeout."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        on_tick()
        time.sleep(0.5)
    return True
