"""Evidence in a real S3 server, and in a fake server with wrong responses."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

pytest.importorskip("obstore", reason="needs the `s3` extra")

import obstore

from etle.errors import ConfigError, EvidenceCorrupt, EvidenceFull, EvidenceUnavailable
from etle.storage.evidence.backend import open_evidence
from etle.storage.evidence.s3 import S3Evidence, s3_evidence
from etle.types import Digest, digest_of
from services import S3Server

ROOT = Path(__file__).parents[2]
DIGEST = digest_of(b"picture")
KEY = f"{DIGEST[:2]}/{DIGEST[2:4]}/{DIGEST}"
KEYS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "us-east-1"}


@pytest.fixture
def evidence(live_s3: S3Server, request: pytest.FixtureRequest) -> S3Evidence:
    return s3_evidence(f"{live_s3.address}/{request.node.name}", live_s3.environment)


@pytest.fixture
def stored(live_s3: S3Server, request: pytest.FixtureRequest) -> "obstore.store.S3Store":
    """Direct access to the same objects, without etle."""
    environment = {name.lower(): value for name, value in live_s3.environment.items() if name != "AWS_ALLOW_HTTP"}
    bucket = live_s3.address.removeprefix("s3://")
    return obstore.store.S3Store(bucket, prefix=request.node.name, config=environment, client_options={"allow_http": True})


def test_the_key_is_the_digest_and_the_content_type_follows_the_suffix(evidence, stored) -> None:
    evidence.put(b"picture", ".jpg")
    assert [entry["path"] for page in stored.list() for entry in page] == [KEY]
    assert stored.get(KEY).attributes["Content-Type"] == "image/jpeg"


def test_an_existing_object_is_not_overwritten(evidence, stored) -> None:
    stored.put(KEY, b"PICTURE")
    evidence.put(b"picture", ".jpg")
    assert bytes(stored.get(KEY).bytes()) == b"PICTURE"
    with pytest.raises(EvidenceCorrupt, match=f"{KEY} has been changed"):
        evidence.get(DIGEST)


def test_a_truncated_object_is_an_error_and_not_replaced(evidence, stored) -> None:
    stored.put(KEY, b"pic")
    with pytest.raises(EvidenceCorrupt, match="3 bytes instead of 7"):
        evidence.put(b"picture", ".jpg")


def test_only_evidence_objects_are_listed(evidence, stored) -> None:
    put = {evidence.put(str(number).encode(), ".jpg") for number in range(1050)}  # a page has 1000 keys
    stored.put("readme.txt", b"not ours")
    stored.put(f"00/00/{DIGEST}", b"under the prefix of another digest")
    listed = list(evidence.digests())
    assert len(listed) == 1050 and set(listed) == put


@pytest.mark.parametrize("digest", ["", "../x", "A" * 64, f"{DIGEST}/x"])
def test_an_invalid_digest_is_a_key_error(evidence, digest: str) -> None:
    with pytest.raises(KeyError):
        evidence.get(Digest(digest))


def test_a_clip_of_thirty_megabytes_is_one_object(evidence) -> None:
    clip = os.urandom(1_000_000) * 30
    assert evidence.get(evidence.put(clip, ".mp4")) == clip


def test_a_server_that_is_down_is_unavailable_and_works_again_later(live_s3: S3Server, request: pytest.FixtureRequest) -> None:
    evidence = s3_evidence(f"{live_s3.address}/{request.node.name}", live_s3.environment, retry_s=0.5)
    digest = evidence.put(b"before", ".jpg")
    live_s3.kill()
    try:
        with pytest.raises(EvidenceUnavailable, match=r"s3://etle-evidence/test_a_server.* cannot be used"):
            evidence.put(b"picture", ".jpg")
        with pytest.raises(EvidenceUnavailable):
            evidence.get(digest)
        with pytest.raises(EvidenceUnavailable):
            list(evidence.digests())
    finally:
        live_s3.start()
    assert evidence.get(digest) == b"before"
    assert evidence.put(b"picture", ".jpg") == DIGEST


@pytest.mark.parametrize(
    ("address", "keys"),
    [
        pytest.param("s3://no-such-bucket", {}, id="no such bucket"),
        pytest.param("s3://etle-evidence", {"AWS_SECRET_ACCESS_KEY": "wrong"}, id="wrong key"),
        pytest.param("s3://etle-evidence", {"AWS_ACCESS_KEY_ID": "nobody"}, id="unknown user"),
        pytest.param("gs://etle-evidence", {}, id="another kind of store"),
        pytest.param("s3:///prefix", {}, id="no bucket"),
    ],
)
def test_a_wrong_address_or_key_is_an_error_at_the_start(live_s3: S3Server, address: str, keys: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=address):
        open_evidence(address, {**live_s3.environment, **keys})


def test_a_missing_bucket_is_not_taken_for_a_missing_file(live_s3: S3Server) -> None:
    with pytest.raises(EvidenceUnavailable, match="NoSuchBucket"):
        s3_evidence("s3://gone", live_s3.environment).get(DIGEST)


@pytest.fixture
def fake_server() -> Iterator[Callable[..., S3Evidence]]:
    """A store on a server that answers every PUT with the given status and ETag, and every GET with the bytes `stored`."""
    with ExitStack() as servers:

        def start(status: int, etag: str = "", stored: bytes | None = None, body: bytes = b"") -> S3Evidence:
            class Handler(BaseHTTPRequestHandler):
                def do_HEAD(self) -> None:
                    self.respond(404, b"")

                def do_GET(self) -> None:
                    self.respond(200 if stored is not None else 404, stored or b"")

                def do_PUT(self) -> None:
                    self.rfile.read(int(self.headers["Content-Length"]))
                    conditional = status == 501 and "If-None-Match" not in self.headers
                    self.respond(200 if conditional else status, body)

                def respond(self, code: int, text: bytes) -> None:
                    self.send_response(code)
                    self.send_header("ETag", f'"{etag}"')
                    self.send_header("Last-Modified", "Wed, 25 Nov 2026 09:00:00 GMT")
                    self.send_header("Content-Length", str(len(text)))
                    self.end_headers()
                    self.wfile.write(text)

                def log_message(self, format: str, *args: object) -> None: ...

            server = servers.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
            Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
            servers.callback(server.shutdown)
            endpoint = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_address[1]}"}
            return s3_evidence("s3://bucket", {**KEYS, **endpoint}, retry_s=0.1)

        yield start


def test_without_an_md5_the_object_is_read_back(fake_server) -> None:
    assert fake_server(200, "encrypted-with-a-key", stored=b"picture").put(b"picture", ".jpg") == DIGEST
    with pytest.raises(EvidenceCorrupt, match="was not stored unchanged"):
        fake_server(200, "encrypted-with-a-key", stored=b"pictur3").put(b"picture", ".jpg")
    with pytest.raises(EvidenceCorrupt, match="was not stored unchanged"):
        fake_server(200, "0" * 32, stored=None).put(b"picture", ".jpg")


def test_a_server_without_conditional_puts_is_supported(fake_server) -> None:
    assert fake_server(501, "no-md5", stored=b"picture", body=b"<Code>NotImplemented</Code>").put(b"picture", ".jpg") == DIGEST


def test_a_full_server_is_an_error(fake_server) -> None:
    with pytest.raises(EvidenceFull, match="Make room"):
        fake_server(507, body=b"<Error><Code>XMinioStorageFull</Code></Error>").put(b"picture", ".jpg")


def test_the_command_verifies_the_objects(
    live_s3: S3Server, evidence, database_url: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    stray = evidence.put(b"stray", ".jpg")
    environment = {**os.environ, **live_s3.environment, "ETLE_EVIDENCE": f"{live_s3.address}/{request.node.name}"}
    etle = [sys.executable, "-m", "etle_cli.main"]
    subprocess.run([*etle, "keys", "manifest", "--data", str(tmp_path)], check=True, capture_output=True, cwd=ROOT, env=environment)
    command = [*etle, "evidence", "verify", "--data", str(tmp_path), "--database", database_url]
    result = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT, env=environment)
    assert result.returncode == 1, result.stderr
    assert stray[:12] in result.stdout + result.stderr and "orphaned" in result.stdout + result.stderr
