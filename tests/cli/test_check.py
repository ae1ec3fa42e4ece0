"""What `etle check` finds at a site where something is wrong, and that it finds nothing where all is well."""

import json
import os
import subprocess
import sys
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import cv2
import psycopg2
import pytest
from footage.cameras import http_camera, parts, plain
from footage.films import film, jpeg, picture

from etle.config.site import load_site
from etle.signing import Signer
from etle_cli.check.result import CheckResult, CheckState
from etle_cli.check.servers import check_broker, check_database, check_evidence
from etle_cli.commands.check import findings_of
from etle_cli.main import main

ROOT = Path(__file__).parents[2]
LINE = {"id": "henti", "points": [[10, 200], [310, 200]], "beyond": [160, 20]}
SIGNAL = {"id": "barat", "head": [10, 10, 20, 40]}
ENTRY = {"id": "masuk", "points": [[10, 150], [310, 150]], "beyond": [160, 20]}
RULE = {"rule": "red_light", "line": "henti", "entry": "masuk", "signal": "barat"}


def a_site(folder: Path, source: dict[str, Any], *, more: dict[str, Any] | None = None, **camera: Any) -> Path:
    one = {"id": "masuk", "view": "rear", "frame_size": [320, 240], "source": source, "lines": [LINE, ENTRY], "signals": [SIGNAL], **camera}
    site = folder / "site.yaml"
    site.write_text(json.dumps({"site": "simpang", "cameras": [one], **(more or {})}))
    return site


def found(site: Path, *roles: str, timeout_s: float = 1.0) -> dict[str, CheckResult]:
    """By what they are about; of several about one thing the last."""
    return {finding.subject: finding for finding in findings_of(site, roles, site.parent / "data", timeout_s)}


def test_a_site_file_that_does_not_load_is_told_line_by_line(tmp_path, capsys):
    site = a_site(tmp_path, {"file": "a.mp4"}, lens="wide", views="rear")
    assert main(["check", str(site), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["problems"] == 2
    assert {each["state"] for each in told["findings"]} == {"problem"}


@pytest.mark.parametrize(
    ("camera", "said"),
    [
        pytest.param({"rules": [{**RULE, "line": "hanti"}]}, "no line 'hanti'; it has: henti, masuk", id="a line that is not drawn"),
        pytest.param({"rules": [{"rule": "red_lamp"}]}, "red_lamp", id="a rule that there is not"),
        pytest.param({"rules": [RULE | {"grace": 1}]}, "grace", id="a setting that it does not know"),
        pytest.param(
            {"rules": [RULE], "ground_points": [{"px": [n * 10, n * 10], "m": [n, n]} for n in range(4)]}, "line", id="points on one line"
        ),
    ],
)
def test_a_rule_that_could_not_be_built_is_a_problem(tmp_path, camera, said):
    finding = found(a_site(tmp_path, {"file": "a.mp4"}, **camera), "detect")["rules of masuk"]
    assert finding.state is CheckState.PROBLEM
    assert said in finding.said


def test_a_rule_is_told_with_its_article(tmp_path):
    finding = found(a_site(tmp_path, {"file": "a.mp4"}, rules=[RULE]), "detect")["rules of masuk"]
    assert (finding.state, "red_light (Pasal 287" in finding.said) == (CheckState.OK, True)


def test_a_film_and_a_folder_give_their_first_picture(tmp_path):
    film(tmp_path / "a.mp4", 5)
    assert found(a_site(tmp_path, {"file": "a.mp4"}), "ingest")["camera masuk"].state is CheckState.OK
    (tmp_path / "pictures").mkdir()
    cv2.imwrite(str(tmp_path / "pictures" / "20261123_100000.png"), picture(1))
    assert found(a_site(tmp_path, {"folder": "pictures"}), "ingest")["camera masuk"].state is CheckState.OK


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        pytest.param(parts(jpeg(1, 640, 480)), "gives 640x480, and frame_size is 320x240", id="another size than is drawn"),
        pytest.param(plain(b"no", "text/plain", 401), "user or password is wrong", id="a wrong password"),
        pytest.param(plain(b"<html>", "text/html"), "multipart", id="no stream at all"),
        pytest.param(parts(then_silent=Event()), "says nothing", id="a stream without pictures"),
        pytest.param(parts(*[b"\xff\xd8 broken"] * 3), "given up", id="broken pictures only"),
    ],
)
def test_a_camera_in_trouble_is_a_problem_that_says_which(tmp_path, answer, said):
    with http_camera(answer) as url:
        finding = found(a_site(tmp_path, {"mjpeg": url}), "ingest")["camera masuk"]
    assert finding.state is CheckState.PROBLEM
    assert said in finding.said


def test_a_camera_whose_clock_lies_is_a_note(tmp_path):
    with http_camera(parts(jpeg(1), headers={"X-Timestamp": "1000000000"}, then_silent=Event())) as url:
        findings = found(a_site(tmp_path, {"mjpeg": url}), "ingest")
    assert findings["camera masuk"].state is CheckState.OK
    assert findings["clock of masuk"].state is CheckState.NOTE


def test_nothing_behind_the_addresses_is_a_problem_each(tmp_path):
    film(tmp_path / "a.mp4", 5)
    nowhere = {
        "broker": {"servers": ["127.0.0.1:9"]},
        "store": {"database": "postgresql://etle@127.0.0.1:9/etle", "evidence": "/proc/no/evidence"},
    }
    told = as_a_command(a_site(tmp_path, {"file": "a.mp4"}, more=nowhere))
    assert {told[name]["state"] for name in ("Kafka", "database", "evidence")} == {"problem"}
    told = as_a_command(a_site(tmp_path, {"file": "a.mp4"}))
    for name, variable in (("Kafka", "ETLE_KAFKA"), ("database", "ETLE_DATABASE"), ("evidence", "ETLE_EVIDENCE")):
        assert variable in told[name]["said"]


def as_a_command(site: Path) -> dict[str, dict[str, str]]:
    """Without whatever addresses this machine's environment names."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ETLE_")} | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "etle_cli.main", "check", site, "--timeout", "1", "--json", "--role", "write"]
    done = subprocess.run(command, env=environment, cwd=site.parent, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    return {finding["subject"]: finding for finding in json.loads(done.stdout)["findings"]}


def test_a_key_that_the_site_does_not_know_is_a_problem_before_every_frame_is_set_aside(tmp_path):
    film(tmp_path / "a.mp4", 5)
    (tmp_path / "other.pub").write_bytes(Signer.from_file(tmp_path / "other.pem").public_pem)
    more = {"ingest": {"boxes": [{"id": "box-1", "public_key": "other.pub", "cameras": ["masuk", "nobody"]}]}}
    site = a_site(tmp_path, {"file": "a.mp4"}, more=more)
    assert found(site, "ingest")["signing key of this box"].state is CheckState.NOTE
    mine = Signer.from_file(tmp_path / "data/keys/ingest.pem")
    assert "none of ingest.boxes" in found(site, "ingest")["signing key of this box"].said
    (tmp_path / "other.pub").write_bytes(mine.public_pem)
    assert found(site, "ingest")["signing key of this box"].state is CheckState.OK
    assert "'nobody'" in found(site, "detect")["box box-1"].said
    (tmp_path / "other.pub").write_text("gone")
    assert found(site, "detect")["signatures"].state is CheckState.PROBLEM


def test_a_vendors_secret_that_is_too_short_is_a_problem(tmp_path):
    (tmp_path / "acme.secret").write_text("short")
    site = a_site(tmp_path, {"vendor": "acme"}, more={"ingest": {"vendors": [{"id": "acme", "secret_file": "acme.secret"}]}})
    assert found(site, "vendor")["vendors"].state is CheckState.PROBLEM


def test_a_disk_that_has_no_room_for_the_spool_is_a_problem(tmp_path):
    film(tmp_path / "a.mp4", 5)
    site = a_site(tmp_path, {"file": "a.mp4"}, more={"ingest": {"keep_free_mb": 10**9}})
    assert found(site, "ingest")["disk for the spool"].state is CheckState.PROBLEM
    site = a_site(tmp_path, {"file": "a.mp4"}, more={"ingest": {"spool_mb": 10**9, "keep_free_mb": 0}})
    assert found(site, "ingest")["disk for the spool"].state is CheckState.NOTE


def test_where_all_is_well_nothing_stands_in_the_way(live_kafka, live_postgres, tmp_path):
    more = {
        "broker": {"prefix": "check", "servers": [live_kafka.address], "frames": {"partitions": 2, "retention_hours": 1, "largest_mb": 8}},
        "store": {"database": (address := _new_database(live_postgres.address)), "evidence": "evidence"},
    }
    site = a_site(tmp_path, {"file": "a.mp4"}, more=more)
    before = [*_servers(site)]
    assert {finding.subject for finding in before if finding.state is CheckState.PROBLEM} == {"topics", "database"}
    for command in (["topics", "create", str(site)], ["database", "migrate", "--database", address]):
        subprocess.run([sys.executable, "-m", "etle_cli.main", *command], check=True, capture_output=True)
    assert {finding.state for finding in _servers(site)} == {CheckState.OK}


def _new_database(address: str) -> str:
    """Beside the one that other tests have filled."""
    connection = psycopg2.connect(address)
    connection.autocommit = True
    name = f"check_{uuid4().hex[:8]}"
    connection.cursor().execute(f"CREATE DATABASE {name}")
    connection.close()
    return urlsplit(address)._replace(path=f"/{name}").geturl()


def _servers(path: Path) -> list[CheckResult]:
    site = load_site(path)
    return [*check_broker(site, 10), *check_database(site, 10), *check_evidence(site, 10)]
