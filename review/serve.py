"""The web server that runs the application."""

import sys
from collections.abc import Callable
from typing import Final

import uvicorn
from fastapi import FastAPI

from etle.http_server import ConnectionLimits, server_config

SWITCH_INTERVAL_S: Final = 0.0005
"""How long one request computes before others go on. Each waits for the database a dozen times, and after each for the interpreter."""


def serve(app: FastAPI, host: str, port: int, *, behind_proxy: str | None = None, started: Callable[[], None] | None = None) -> None:
    """Serve until interrupted.

    `behind_proxy`: address of the proxy whose X-Forwarded headers are trusted for the client's address and the scheme. Without a proxy
    no such header is trusted, or any client could write another address into the access log.
    """
    config = server_config(
        app,
        host=host,
        port=port,
        limits=ConnectionLimits(proxy=behind_proxy),
        proxy_headers=behind_proxy is not None,
        forwarded_allow_ips=behind_proxy,
        timeout_graceful_shutdown=5,
    )
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    server = ReviewServer(config, started)
    server.run()


class ReviewServer(uvicorn.Server):
    """Calls `started` once it accepts requests. Set `should_exit` to stop it from another thread."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], None] | None = None) -> None:
        super().__init__(config)
        self._on_started = started

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]  # uvicorn names socket.socket
        await super().startup(sockets)  # type: ignore[arg-type]
        if self.started and self._on_started is not None:
            self._on_started()
