"""The web server around the application."""

from collections.abc import Callable

import uvicorn
from fastapi import FastAPI


def serve(app: FastAPI, host: str, port: int, *, behind_proxy: str | None = None, started: Callable[[], None] | None = None) -> None:
    """Until it is interrupted. `behind_proxy`: address of the proxy whose word on the visitor's address and scheme is taken.

    Without a proxy nobody's word is: else anyone could write another address into the access log.
    """
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_level="warning",
        server_header=False,
        date_header=True,
        proxy_headers=behind_proxy is not None,
        forwarded_allow_ips=behind_proxy,
        timeout_graceful_shutdown=5,
    )
    server = ReviewServer(config, started)
    server.run()


class ReviewServer(uvicorn.Server):
    """Says when it answers, and can be told to end from another thread (`should_exit`)."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], None] | None = None) -> None:
        super().__init__(config)
        self._when_started = started

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]  # uvicorn names socket.socket
        await super().startup(sockets)  # type: ignore[arg-type]
        if self.started and self._when_started is not None:
            self._when_started()
