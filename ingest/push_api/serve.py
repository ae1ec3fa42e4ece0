"""Web server of the push API."""

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

from etle.http_server import ConnectionLimits, server_config

_POLL_S: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundServer:
    """Address to listen on. With `certificate` and `key` (PEM files) the server speaks HTTPS."""

    host: str
    port: int
    certificate: Path | None = None
    key: Path | None = None


def serve(app: PushApi, address: BoundServer, stop: Event, on_started: Callable[[int], None]) -> None:
    """Serve until `stop` is set; then finish the requests in progress. Calls `on_started` with the port. Raises ConfigError if the port
    cannot be used."""
    config = server_config(
        app,
        host=address.host,
        port=address.port,
        limits=ConnectionLimits(),
        access_log=False,
        lifespan="off",
        timeout_keep_alive=30,
        timeout_graceful_shutdown=15,
        ssl_certfile=address.certificate,
        ssl_keyfile=address.key,
    )
    server = uvicorn.Server(config)
    thread = Thread(target=server.run, name="etle-push-api")  # not the main thread: uvicorn then leaves the process's signal handlers alone
    thread.start()
    while thread.is_alive() and not server.started:
        thread.join(_POLL_S)
    if not server.started:  # uvicorn has logged the reason
        raise ConfigError(f"cannot listen on {address.host}:{address.port}; choose another address with --host, --port")
    on_started(server.servers[0].sockets[0].getsockname()[1])
    while thread.is_alive() and not stop.wait(_POLL_S):
        pass
    server.should_exit = True
    thread.join()
