"""The two HTTP servers under attack, each a process of its own on loopback: the review application and the push API for vendors."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmark.review.fill import FilledCases, fill
from etle.errors import EtleError
from etle.storage.database import Database
from etle.storage.embedded import EmbeddedPostgres
from etle.storage.evidence.folder import FolderEvidence
from etle.storage.migrate import migrate
from services import free_port

CASES: Final = 200
REVIEWERS: Final = 2
START_TIMEOUT_S: Final = 120
FRAME_SIZE: Final = (640, 360)
SECRETS: Final = {"penyerang": "a secret of the attacker, long enough", "lain": "a secret of the other vendor"}
"""Of the vendor that sends hostile pictures, and of another one."""
CAMERAS: Final = {"penyerang": "kamera-penyerang", "lain": "kamera-lain"}


@dataclass(frozen=True, slots=True, kw_only=True)
class AttackedServers:
    review_port: int
    push_port: int
    filling: FilledCases


@contextmanager
def running_servers(folder: Path) -> Iterator[AttackedServers]:
    with ExitStack() as opened:
        server = opened.enter_context(EmbeddedPostgres(folder / "postgres"))
        database, evidence = Database(server.url), FolderEvidence(folder / "evidence")
        opened.callback(database.close)
        migrate(database)
        filling = fill(database, evidence, CASES, REVIEWERS)
        review_port, push_port = free_port(), free_port()
        review = ["-m", "benchmark.review.server", server.url, str(folder / "evidence"), str(review_port)]
        opened.enter_context(_running(review, "started", folder / "review.log"))
        site = folder / "site.yaml"
        site.write_text(json.dumps(_site()))
        push = ["-m", "etle_cli.main", "vendor", "serve", str(site), "--dry-run", "--port", str(push_port), "--data", str(folder / "push")]
        opened.enter_context(_running(push, "push API on port", folder / "push.log"))
        yield AttackedServers(review_port=review_port, push_port=push_port, filling=filling)


def _site() -> dict[str, object]:
    cameras = [{"id": camera, "view": "rear", "frame_size": FRAME_SIZE, "source": {"vendor": vendor}} for vendor, camera in CAMERAS.items()]
    vendors = [{"id": vendor, "secret": f"${{SECRET_{vendor.upper()}}}", "requests_per_s": 100_000, "burst": 100_000} for vendor in SECRETS]
    return {"site": "attacked", "cameras": cameras, "ingest": {"vendors": vendors}}


@contextmanager
def _running(arguments: list[str], ready: str, log: Path) -> Iterator[None]:
    """Waits for the line that contains `ready`. The output goes to a file: a full pipe that nobody reads would stop the server."""
    environment = {**os.environ, **{f"SECRET_{vendor.upper()}": secret for vendor, secret in SECRETS.items()}}
    with log.open("w") as output:
        process = subprocess.Popen([sys.executable, *arguments], stdout=output, stderr=subprocess.STDOUT, env=environment)
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while ready not in log.read_text():
            if process.poll() is not None or time.monotonic() > deadline:
                raise EtleError(f"{' '.join(arguments[:2])} did not start: {log.read_text()[-500:]}")
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
