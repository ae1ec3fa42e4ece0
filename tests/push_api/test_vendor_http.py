"""The door and its kit as programs, over a true line: what a client hears that sends too much, and what is left after a kill."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from porch import SECRET

from etle.clock import SystemClock
from etle.errors import SourceUnavailable
from ingest.push_api.client import PushClient, PushRequest
from ingest.push_api.samples import Samples

ROOT = Path(__file__).parents[2]
SITE = {
    "site": "simpang",
    "cameras": [{"id": "utara", "view": "rear", "frame_size": [640, 360], "source": {"vendor": "acme"}}],
    "ingest": {"vendors": [{"id": "acme", "secret": "${ACME_SECRET}"}]},
}
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "ACME_SECRET": SECRET, "ETLE_VENDOR_KEY": SECRET}


@contextmanager
def a_door(folder: Path, *more: str, kafka: str = "127.0.0.1:9") -> Iterator[tuple[str, subprocess.Popen[str]]]:
    (folder / "site.yaml").write_text(json.dumps(SITE))
    command = [
        sys.executable,
        "-m",
        "etle_cli.main",
        "vendor",
        "serve",
        "site.yaml",
        "--host",
        "127.0.0.1",
        "--port",
        "0",
        "--data",
        "data",
    ]
    environment = {**ENVIRONMENT, "ETLE_KAFKA": kafka}
    with subprocess.Popen([*command, *more], cwd=folder, env=environment, stderr=subprocess.PIPE, text=True) as door:
        try:
            assert door.stderr is not None
            line = next(line for line in door.stderr if "push API on port" in line)
            port = re.search(r"port (\d+)", line)
            assert port
            yield f"http://127.0.0.1:{port[1]}", door
        finally:
            door.send_signal(signal.SIGTERM)


@pytest.fixture(scope="module")
def dry_door(tmp_path_factory) -> Iterator[str]:
    with a_door(tmp_path_factory.mktemp("door"), "--dry-run") as (url, _):
        yield url


def test_the_kit_says_that_our_door_keeps_the_contract(dry_door, tmp_path):
    command = [sys.executable, "-m", "etle_cli.main", "vendor", "check", dry_door, "--camera", "utara", "--size", "640x360", "--quota"]
    done = subprocess.run([*command, "--json", tmp_path / "kit.json"], env=ENVIRONMENT, capture_output=True, text=True, timeout=120)
    assert " 0 failed" in done.stdout, done.stdout
    assert done.returncode == 0
    told = json.loads((tmp_path / "kit.json").read_text())
    assert (told["failed"], told["checks"]) == (0, len(told["results"]))


def test_the_kit_fails_on_a_wrong_size_and_says_what_came(dry_door):
    command = [sys.executable, "-m", "etle_cli.main", "vendor", "check", dry_door, "--camera", "utara", "--size", "320x200"]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "FAIL  takes a frame: expected 201; received 422, wrong_size" in done.stdout


def test_a_client_that_is_refused_hears_why_even_when_it_sends_a_lot(dry_door):
    samples = Samples("utara", (640, 360), "this is not the right secret", SystemClock())
    reply = PushClient(dry_door).ask(samples.frame(body=bytes(4_000_000)))
    assert (reply.status, reply.code) == (401, "not_signed_in")


def test_nobody_behind_an_address_is_said_in_one_line():
    with pytest.raises(SourceUnavailable, match="refused"):
        PushClient("http://127.0.0.1:9").ask(PushRequest(method="GET", path="/v1/cameras", headers={}))
    with pytest.raises(SourceUnavailable, match="begins with http"):
        PushClient("127.0.0.1:9")


def test_a_frame_that_was_answered_for_is_there_after_a_kill(tmp_path):
    """There is no Kafka at all: the answer means the disk."""
    clock = SystemClock()
    samples = Samples("utara", (640, 360), SECRET, clock)
    samples.sequence = round(clock.now().timestamp() * 1000)
    with a_door(tmp_path) as (url, door):
        sent = [samples.frame() for _ in range(1)]
        assert [PushClient(url).ask(each).status for each in sent] == [201]
        sent += [samples.frame(), samples.frame()]
        assert [PushClient(url).ask(each).status for each in sent] == [200, 201, 201]
        door.send_signal(signal.SIGKILL)
    spooled = b"".join(path.read_bytes() for path in (tmp_path / "data/vendor/spool").glob("*.spool"))
    assert all(each.body in spooled for each in sent)
    with a_door(tmp_path) as (url, _):
        assert [PushClient(url).ask(each).status for each in sent] == [200, 200, 200]
