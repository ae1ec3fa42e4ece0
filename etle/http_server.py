"""The web server of the push API and of the review application: uvicorn, with limits that keep one client from stopping the others.

- A connection has `header_timeout_s` to send the whole head of a request, also when it is kept open after an answer. uvicorn itself waits
  for ever for the first one.
- Connections without a request in progress cost a file handle and nothing else: they are never counted against the requests at work.
  Beyond `max_per_address`, or `max_connections` in all, the one that has been idle longest is closed.
- The limit of open files is raised as far as the system allows.

How long a body may take is the application's to say: it knows what it expects.
"""

import asyncio
import resource
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    from uvicorn.config import Config
    from uvicorn.server import ServerState

HEADER_TIMEOUT_S: Final = 10.0
MAX_CONNECTIONS: Final = 2000
MAX_CONNECTIONS_PER_ADDRESS: Final = 500
"""Fifty officers behind one address have six connections each."""
_OPEN_FILES: Final = 3 * MAX_CONNECTIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    header_timeout_s: float = HEADER_TIMEOUT_S
    max_per_address: int = MAX_CONNECTIONS_PER_ADDRESS
    max_connections: int = MAX_CONNECTIONS
    proxy: str | None = None
    """A proxy in front, whose address is not limited: it has the connections of all clients."""


class ConnectionRegistry:
    """The open connections of one server. Used by its event loop only."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits: Final = limits
        self._by_address: defaultdict[str, set[LimitedProtocol]] = defaultdict(set)
        self._open: set[LimitedProtocol] = set()

    def add(self, connection: "LimitedProtocol") -> None:
        same_address = self._by_address[connection.address]
        same_address.add(connection)
        self._open.add(connection)
        if len(same_address) > self.limits.max_per_address and connection.address != self.limits.proxy:
            self._close_idle(same_address, connection)
        elif len(self._open) > self.limits.max_connections:
            self._close_idle(self._open, connection)

    def remove(self, connection: "LimitedProtocol") -> None:
        self._open.discard(connection)
        same_address = self._by_address[connection.address]
        same_address.discard(connection)
        if not same_address:
            del self._by_address[connection.address]

    def _close_idle(self, among: "set[LimitedProtocol]", newest: "LimitedProtocol") -> None:
        """Close the connection that has been idle longest; the newest one if all others work."""
        idle = [connection for connection in among if connection.idle_since is not None and connection is not newest]
        min(idle, key=lambda connection: connection.idle_since or 0.0, default=newest).close()


class LimitedProtocol(H11Protocol):
    """One connection. `idle_since` is the loop's time since which it has had no request in progress; None while it has one."""

    registry: ConnectionRegistry

    def __init__(
        self, config: "Config", server_state: "ServerState", app_state: dict[str, Any], _loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.address = ""
        self.idle_since: float | None = self.loop.time()
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        self.address = self.client[0] if self.client else ""
        self._await_head()
        self.registry.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_deadline()
        self.registry.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self.idle_since = None
            self._cancel_deadline()
        elif self._deadline is None:  # the first bytes of a further request
            self._await_head()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle is None or self.cycle.response_complete:  # else a request that was sent ahead has begun
            self.idle_since = self.loop.time()
            if self.conn.trailing_data[0]:  # the beginning of a request that was sent ahead
                self._await_head()

    def close(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()

    def _await_head(self) -> None:
        self.idle_since = self.loop.time()
        self._deadline = self.loop.call_later(self.registry.limits.header_timeout_s, self.close)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def limited_protocol(limits: ConnectionLimits) -> type[LimitedProtocol]:
    """A protocol class for one server: pass it to uvicorn's Config as `http`."""
    return type("LimitedProtocol", (LimitedProtocol,), {"registry": ConnectionRegistry(limits)})


def raise_open_files() -> None:
    """Up to what the administrator allows; a server whose files are exhausted accepts no connection."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def server_config(app: Any, *, host: str, port: int, limits: ConnectionLimits, **options: Any) -> "uvicorn.Config":
    """uvicorn's settings with these limits, and without a header that names the server."""
    raise_open_files()
    return uvicorn.Config(app, host=host, port=port, http=limited_protocol(limits), log_level="warning", server_header=False, **options)
