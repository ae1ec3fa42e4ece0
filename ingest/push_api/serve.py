"""The web server around the door; the one file of it that imports uvicorn."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Final

from etle.errors import ConfigError, MissingExtra
from ingest.push_api.api import PushApi

try:
    import uvicorn
except ModuleNotFoundError as absent:
    raise MissingExtra("uvicorn", "vendor") from absent

AT_ONCE: Final = 64
"""Requests in work: each may hold a picture in memory."""
_LOOK_S: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundServer:
    """`certificate` and `key` (PEM) make it HTTPS."""

    host: str
    port: int
    certificate: Path | None = None
    key: Path | None = None


def serve(app: PushApi, listening: BoundServer, stop: Event, started: Callable[[int], None]) -> None:
    """Until `stop`; requests in work are answered. `started` is told the port. Raises ConfigError if the port is taken."""
    config = uvicorn.Config(
        app,
        host=listening.host,
        port=listening.port,
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="off",
        limit_concurrency=AT_ONCE,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=15,
        ssl_certfile=listening.certificate,
        ssl_keyfile=listening.key,
    )
    server = uvicorn.Server(config)
    thread = Thread(target=server.run, name="etle-door")  # there it leaves the process's signals alone
    thread.start()
    while thread.is_alive() and not server.started:
        thread.join(_LOOK_S)
    if not server.started:  # uvicorn has logged why
        raise ConfigError(f"the door cannot be opened on {listening.host}:{listening.port}; choose another with --host, --port")
    started(server.servers[0].sockets[0].getsockname()[1])
    while thread.is_alive() and not stop.wait(_LOOK_S):
        pass
    server.should_exit = True
    thread.join()
