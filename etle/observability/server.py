"""An HTTP server in a thread: `/metrics` for Prometheus, `/healthz` for the supervisor that restarts the process."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Final

from etle.errors import ConfigError
from etle.observability.health import Health
from etle.observability.metrics import Metrics

METRICS_CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
REQUEST_TIMEOUT_S: Final = 10
"""A connection without a request is closed after this time."""


@contextmanager
def serve(port: int, metrics: Metrics, health: Health, host: str = "127.0.0.1") -> Iterator[int]:
    """Serve while the block runs. Returns the port, which the system chooses if `port` is 0. Raises ConfigError if it is in use."""
    try:
        server = _Server((host, port), _handler(metrics, health))
    except (OSError, OverflowError) as error:
        raise ConfigError(f"metrics cannot be served on {host}:{port}: {error}. Choose another port with --metrics") from error
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, name="metrics", daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False


def _handler(metrics: Metrics, health: Health) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = REQUEST_TIMEOUT_S
        server_version = "etle"
        sys_version = ""

        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._respond(HTTPStatus.OK, METRICS_CONTENT_TYPE, metrics.text())
            elif self.path == "/healthz":
                problems = health.problems()
                status = HTTPStatus.SERVICE_UNAVAILABLE if problems else HTTPStatus.OK
                degraded = tuple(f"camera {camera} looks elsewhere: its rules pause" for camera in metrics.paused_cameras)
                self._respond(status, "application/json", _health_json(problems, degraded, health))
            else:
                self._respond(HTTPStatus.NOT_FOUND, "text/plain", b"not found; this server has /metrics and /healthz\n")

        def _respond(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Requests arrive every few seconds and are not logged."""

    return Handler


def _health_json(problems: tuple[str, ...], degraded: tuple[str, ...], health: Health) -> bytes:
    """`degraded`: what no restart mends. The process works, and a part of what it is for does not."""
    state = "stuck" if problems else "degraded" if degraded else "ok"
    loops = {loop: round(age, 1) for loop, age in health.ages().items()}
    return (
        json.dumps({"ok": state == "ok", "state": state, "problems": problems, "degraded": degraded, "seconds_since_turn": loops}).encode()
        + b"\n"
    )
