"""The push API and its conformance checks as processes, over real HTTP: large rejected requests, and a kill."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from push_fixture import SECRET

from etle.clock import SystemClock
from etle.errors import SourceUnavailable
from ingest.push_api.client import PushClient, PushRequest
from ingest.push_api.samples import RequestSamples

pytestmark = pytest.mark.server

ROOT = Path(__file__).parents[2]
SITE = {
    "site": "simpang",
    "cameras": [{"id": "utara", "view": "rear", "frame_size": [640, 360], "source": {"vendor": "acme"}}],
    "ingest": {"vendors": [{"id": "acme", "secret": "${ACME_SECRET}"}]},
}
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "ACME_SECRET": SECRET, "ETLE_VENDOR_KEY": SECRET}
ETLE = (sys.executable, "-m", "etle_cli.main")


@contextmanager
def running_server(folder: Path, *options: str, kafka: str = "127.0.0.1:9") -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Its address and its process."""
    (folder / "site.yaml").write_text(json.dumps(SITE))
    command = [*ETLE, "vendor", "serve", "site.yaml", "--host", "127.0.0.1", "--port", "0", "--data", "data", *options]
    environment = {**ENVIRONMENT, "ETLE_KAFKA": kafka}
    with subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            line = next(line for line in server.stderr if "push API on port" in line)
            port = re.search(r"port (\d+)", line)
            assert port
            yield f"http://127.0.0.1:{port[1]}", server
        finally:
            server.send_signal(signal.SIGTERM)


@pytest.fixture(scope="module")
def dry_run_url(tmp_path_factory) -> Iterator[str]:
    with running_server(tmp_path_factory.mktemp("server"), "--dry-run") as (url, _):
        yield url


def vendor_check(url: str, size: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [*ETLE, "vendor", "check", url, "--camera", "utara", "--size", size, *options]
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=120)


def test_our_server_passes_the_conformance_checks(dry_run_url, tmp_path):
    done = vendor_check(dry_run_url, "640x360", "--quota", "--json", str(tmp_path / "results.json"))
    assert " 0 failed" in done.stdout, done.stdout
    assert done.returncode == 0
    results = json.loads((tmp_path / "results.json").read_text())
    assert (results["failed"], results["checks"]) == (0, len(results["results"]))


def test_the_conformance_checks_fail_on_a_wrong_size_and_show_the_reply(dry_run_url):
    done = vendor_check(dry_run_url, "320x200")
    assert done.returncode == 1
    assert "FAIL  accepts a frame: expected 201; received 422, wrong_size" in done.stdout


def test_a_rejected_client_gets_the_reason_although_it_sends_a_large_body(dry_run_url):
    samples = RequestSamples("utara", (640, 360), "this is not the right secret", SystemClock())
    reply = PushClient(dry_run_url).send(samples.frame(body=bytes(4_000_000)))
    assert (reply.status, reply.code) == (401, "not_signed_in")


def test_idle_connections_do_not_stop_a_vendor(dry_run_url):
    address = urlsplit(dry_run_url)
    idle = [socket.create_connection((address.hostname, address.port)) for _ in range(100)]
    samples = RequestSamples("utara", (640, 360), SECRET, SystemClock())
    for connection in idle[:50]:
        connection.sendall(b"POST /v1/frames HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\nslow")  # no credentials
    try:
        assert PushClient(dry_run_url).send(samples.cameras()).status == 200
    finally:
        for connection in idle:
            connection.close()


def test_an_address_without_a_server_is_reported_in_one_line():
    with pytest.raises(SourceUnavailable, match="refused"):
        PushClient("http://127.0.0.1:9").send(PushRequest(method="GET", path="/v1/cameras", headers={}))
    with pytest.raises(SourceUnavailable, match="must begin with http"):
        PushClient("127.0.0.1:9")


def test_an_accepted_frame_survives_a_kill(tmp_path):
    """There is no Kafka: accepted frames are in the spool."""
    clock = SystemClock()
    samples = RequestSamples("utara", (640, 360), SECRET, clock)
    samples.sequence = round(clock.now().timestamp() * 1000)
    with running_server(tmp_path) as (url, server):
        sent = [samples.frame()]
        assert [PushClient(url).send(each).status for each in sent] == [201]
        sent += [samples.frame(), samples.frame()]
        assert [PushClient(url).send(each).status for each in sent] == [200, 201, 201]
        server.send_signal(signal.SIGKILL)
    spooled = b"".join(path.read_bytes() for path in (tmp_path / "data/vendor/spool").glob("*.spool"))
    assert all(each.body in spooled for each in sent)
    with running_server(tmp_path) as (url, _):
        assert [PushClient(url).send(each).status for each in sent] == [200, 200, 200]
