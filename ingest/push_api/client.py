"""HTTP client of the push API, as a vendor's device would implement it; standard library only."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, Final
from urllib.parse import urlsplit

from etle.errors import SourceUnavailable

_TIMEOUT_S: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PushRequest:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class PushReply:
    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: Any
    """The decoded JSON; None if the body is not JSON."""

    @property
    def code(self) -> str | None:
        """The error code, if the body has one."""
        error = self.body.get("error") if isinstance(self.body, dict) else None
        return error.get("code") if isinstance(error, dict) else None


class PushClient:
    """Sends each request over a connection of its own. Raises SourceUnavailable if the server cannot be reached."""

    def __init__(self, url: str, timeout_s: float = _TIMEOUT_S) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SourceUnavailable(f"{url}: the address must begin with http:// or https://")
        self._host, self._port, self._secure = parts.hostname, parts.port, parts.scheme == "https"
        self._timeout_s = timeout_s
        self._base = parts.path.rstrip("/")
        self._url = url

    def send(self, request: PushRequest) -> PushReply:
        connection_class = HTTPSConnection if self._secure else HTTPConnection
        connection = connection_class(self._host, self._port, timeout=self._timeout_s)
        try:
            connection.request(request.method, self._base + request.path, request.body or None, dict(request.headers))
            response = connection.getresponse()
            data = response.read()
        except (OSError, HTTPException) as error:
            raise SourceUnavailable(f"{self._url}: {request.method} {request.path}: {error or type(error).__name__}") from error
        finally:
            connection.close()
        try:
            body = json.loads(data)
        except ValueError:
            body = None
        return PushReply(status=response.status, headers={name.lower(): value for name, value in response.getheaders()}, body=body)
