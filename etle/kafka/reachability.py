"""Whether anybody listens where Kafka should be. Asked before its client is made, which waits long and leaves sockets behind."""

import socket
from collections.abc import Sequence
from typing import Final

from etle.errors import BrokerUnavailable

_LONGEST_S: Final = 5.0


def require_reachable(servers: Sequence[str], timeout_s: float = _LONGEST_S) -> None:
    """At least one of host:port must take a connection. Raises BrokerUnavailable that tells what each of them said."""
    told: list[str] = []
    for server in servers:
        host, _, port = server.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), min(timeout_s, _LONGEST_S)).close()
        except OSError as error:
            told.append(f"{server}: {error.strerror or error}")
        else:
            return
    raise BrokerUnavailable(f"Kafka cannot be reached at {'; '.join(told)}")
