"""`etle check` reports each problem of a site, and none at a site without problems."""

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
from footage.http_cameras import http_camera, parts, plain
from footage.videos import jpeg, picture, write_video

from etle.config.site import load_site
from etle.signing import Signer
from etle_cli.check.result import CheckResult, CheckState
from etle_cli.check.servers import check_broker, check_database, check_evidence
from etle_cli.commands.check import check_results
from etle_cli.main import main

pytestmark = pytest.mark.server

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


def results_of(site: Path, *roles: str, timeout_s: float = 1.0) -> dict[str, CheckResult]:
    """Results by subject; the last one if a subject has several."""
    return {result.subject: result for result in check_results(site, roles, site.parent / "data", timeout_s)}


def test_an_archive_has_a_folder_of_its_own_and_free_space(tmp_path):
    def archive(**keys: Any) -> CheckResult:
        return results_of(a_site(tmp_path, {"file": "a.mp4"}, more={"archive": keys}), "archive")["archive"]

    assert archive().state is CheckState.OK
    assert "folders of their own" in archive(location="data/evidence").message
    assert "counts as full" in archive(keep_free_mb=10**9).message
    assert "archive" not in results_of(a_site(tmp_path, {"file": "a.mp4"}), "archive")


def test_the_polda_is_one_with_deadlines(tmp_path):
    def deadlines(**keys: Any) -> CheckResult:
        return results_of(a_site(tmp_path, {"file": "a.mp4"}, more=keys), "detect")["deadlines"]

    assert "Indonesia: of a violation of today, the last days are letter" in deadlines().message
    assert "Bangka Belitung" in deadlines(polda="kepulauan-bangka-belitung").message
    unknown = deadlines(polda="metro-jay")
    assert unknown.state is CheckState.PROBLEM and "'metro-jay' has no deadlines; there are those of: kepulauan" in unknown.message


def test_each_error_of_a_site_file_that_does_not_load_is_a_problem(tmp_path, capsys):
    site = a_site(tmp_path, {"file": "a.mp4"}, lens="wide", views="rear")
    assert main(["check", str(site), "--json"]) == 1
    printed = json.loads(capsys.readouterr().out)
    assert printed["problems"] == 2
    assert {each["state"] for each in printed["findings"]} == {"problem"}


@pytest.mark.parametrize(
    ("camera", "message"),
    [
        pytest.param({"rules": [{**RULE, "line": "hanti"}]}, "no line 'hanti'; it has: henti, masuk", id="a line that does not exist"),
        pytest.param({"rules": [{"rule": "red_lamp"}]}, "red_lamp", id="a rule that does not exist"),
        pytest.param({"rules": [RULE | {"grace": 1}]}, "grace", id="an unknown setting"),
        pytest.param(
            {"rules": [RULE], "ground_points": [{"px": [n * 10, n * 10], "m": [n, n]} for n in range(4)]}, "line", id="points on one line"
        ),
    ],
)
def test_a_rule_that_cannot_be_built_is_a_problem(tmp_path, camera, message):
    finding = results_of(a_site(tmp_path, {"file": "a.mp4"}, **camera), "detect")["rules of masuk"]
    assert finding.state is CheckState.PROBLEM
    assert message in finding.message


def test_a_rule_is_reported_with_its_article(tmp_path):
    finding = results_of(a_site(tmp_path, {"file": "a.mp4"}, rules=[RULE]), "detect")["rules of masuk"]
    assert (finding.state, "red_light (Pasal 287" in finding.message) == (CheckState.OK, True)


def test_a_video_and_a_folder_deliver_their_first_frame(tmp_path):
    write_video(tmp_path / "a.mp4", 5)
    assert results_of(a_site(tmp_path, {"file": "a.mp4"}), "ingest")["camera masuk"].state is CheckState.OK
    (tmp_path / "pictures").mkdir()
    cv2.imwrite(str(tmp_path / "pictures" / "20261123_100000.png"), picture(1))
    assert results_of(a_site(tmp_path, {"folder": "pictures"}), "ingest")["camera masuk"].state is CheckState.OK


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        pytest.param(parts(jpeg(1, 640, 480)), "delivers 640x480, but frame_size is 320x240", id="another size than frame_size"),
        pytest.param(plain(b"no", "text/plain", 401), "user or password is wrong", id="a wrong password"),
        pytest.param(plain(b"<html>", "text/html"), "multipart", id="not a stream"),
        pytest.param(parts(then_silent=Event()), "no data in time", id="a stream without pictures"),
        pytest.param(parts(*[b"\xff\xd8 broken"] * 3), "given up", id="broken pictures only"),
    ],
)
def test_a_failing_camera_is_a_problem_that_names_the_cause(tmp_path, answer, message):
    with http_camera(answer) as url:
        finding = results_of(a_site(tmp_path, {"mjpeg": url}), "ingest")["camera masuk"]
    assert finding.state is CheckState.PROBLEM
    assert message in finding.message


def test_a_wrong_camera_clock_is_a_note(tmp_path):
    with http_camera(parts(jpeg(1), headers={"X-Timestamp": "1000000000"}, then_silent=Event())) as url:
        findings = results_of(a_site(tmp_path, {"mjpeg": url}), "ingest")
    assert findings["camera masuk"].state is CheckState.OK
    assert findings["clock of masuk"].state is CheckState.NOTE


def test_what_the_embedded_profile_does_not_need_is_not_checked(tmp_path, capsys):
    """`etle run` brings its own database and evidence folder, and needs no Kafka."""
    write_video(tmp_path / "a.mp4", 5)
    site = a_site(tmp_path, {"file": "a.mp4"}, rules=[RULE])
    main(["check", str(site), "--json"])
    subjects = {each["subject"] for each in json.loads(capsys.readouterr().out)["findings"]}
    assert {"site file", "rules of masuk", "camera masuk"} <= subjects
    assert not subjects & {"Kafka", "database", "evidence", "disk for the spool"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(["--footage", "gone.mp4"], "gone.mp4 does not exist", id="a recording that does not exist"),
        pytest.param(["--footage", "gone.mp4", "--camera", "keluar"], "no camera 'keluar'", id="a camera that does not exist"),
    ],
)
def test_a_recording_that_cannot_be_looked_at_is_a_problem(tmp_path, capsys, options, message):
    site = a_site(tmp_path, {"rtsp": "rtsp://127.0.0.1:9/a"}, rules=[RULE])
    assert main(["check", str(site), "--json", *options]) == 1
    assert message in capsys.readouterr().out


def test_each_unreachable_server_is_a_problem(tmp_path):
    write_video(tmp_path / "a.mp4", 5)
    nowhere = {
        "broker": {"servers": ["127.0.0.1:9"]},
        "store": {"database": "postgresql://etle@127.0.0.1:9/etle", "evidence": "/proc/no/evidence"},
    }
    results = results_of_command(a_site(tmp_path, {"file": "a.mp4"}, more=nowhere))
    assert {results[name]["state"] for name in ("Kafka", "database", "evidence")} == {"problem"}
    results = results_of_command(a_site(tmp_path, {"file": "a.mp4"}))
    for name, variable in (("Kafka", "ETLE_KAFKA"), ("database", "ETLE_DATABASE"), ("evidence", "ETLE_EVIDENCE")):
        assert variable in results[name]["said"]


def results_of_command(site: Path) -> dict[str, dict[str, str]]:
    """Runs the command without the ETLE_ variables of this environment."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ETLE_")} | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "etle_cli.main", "check", site, "--timeout", "1", "--json", "--role", "write"]
    done = subprocess.run(command, env=environment, cwd=site.parent, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    return {finding["subject"]: finding for finding in json.loads(done.stdout)["findings"]}


def test_a_device_key_that_the_site_file_does_not_list_is_a_problem(tmp_path):
    write_video(tmp_path / "a.mp4", 5)
    (tmp_path / "other.pub").write_bytes(Signer.from_file(tmp_path / "other.pem").public_pem)
    more = {"ingest": {"devices": [{"id": "device-1", "public_key": "other.pub", "cameras": ["masuk", "nobody"]}]}}
    site = a_site(tmp_path, {"file": "a.mp4"}, more=more)
    assert results_of(site, "ingest")["signing key of this device"].state is CheckState.NOTE
    mine = Signer.from_file(tmp_path / "data/keys/ingest.pem")
    assert "none of ingest.devices" in results_of(site, "ingest")["signing key of this device"].message
    (tmp_path / "other.pub").write_bytes(mine.public_pem)
    assert results_of(site, "ingest")["signing key of this device"].state is CheckState.OK
    assert "'nobody'" in results_of(site, "detect")["device device-1"].message
    (tmp_path / "other.pub").write_text("gone")
    assert results_of(site, "detect")["signatures"].state is CheckState.PROBLEM


def test_a_vendors_secret_that_is_too_short_is_a_problem(tmp_path):
    (tmp_path / "acme.secret").write_text("short")
    site = a_site(tmp_path, {"vendor": "acme"}, more={"ingest": {"vendors": [{"id": "acme", "secret_file": "acme.secret"}]}})
    assert results_of(site, "vendor")["vendors"].state is CheckState.PROBLEM


def test_a_disk_without_space_for_the_spool_is_a_problem(tmp_path):
    write_video(tmp_path / "a.mp4", 5)
    site = a_site(tmp_path, {"file": "a.mp4"}, more={"ingest": {"keep_free_mb": 10**9}})
    assert results_of(site, "ingest")["disk for the spool"].state is CheckState.PROBLEM
    site = a_site(tmp_path, {"file": "a.mp4"}, more={"ingest": {"spool_mb": 10**9, "keep_free_mb": 0}})
    assert results_of(site, "ingest")["disk for the spool"].state is CheckState.NOTE


def test_a_site_with_all_servers_set_up_has_no_problems(live_kafka, live_postgres, tmp_path):
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
    """Separate from the database that other tests use."""
    connection = psycopg2.connect(address)
    connection.autocommit = True
    name = f"check_{uuid4().hex[:8]}"
    connection.cursor().execute(f"CREATE DATABASE {name}")
    connection.close()
    return urlsplit(address)._replace(path=f"/{name}").geturl()


def _servers(path: Path) -> list[CheckResult]:
    site = load_site(path)
    return [*check_broker(site, 10), *check_database(site, 10), *check_evidence(site, 10)]
