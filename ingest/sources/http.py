"""HTTP client for cameras, with the standard library.

Proxies are not used, because cameras are in the local network. Basic and digest authentication take user and password from the address.
"""

import http.client
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from urllib.error import HTTPError, URLError
from urllib.request import (
    HTTPBasicAuthHandler,
    HTTPDigestAuthHandler,
    HTTPPasswordMgrWithDefaultRealm,
    OpenerDirector,
    ProxyHandler,
    Request,
    build_opener,
)

from etle.address import Address
from etle.errors import SourceUnavailable

_CHUNK_BYTES = 64 * 1024


@contextmanager
def translate_errors(address: Address) -> Iterator[None]:
    """Raises every network and HTTP error as SourceUnavailable."""
    try:
        yield
    except HTTPError as error:
        hint = ": user or password is wrong" if error.code in (401, 403) else ""
        raise SourceUnavailable(f"{address.shown}: HTTP {error.code} {error.reason}{hint}") from error
    except URLError as error:
        raise SourceUnavailable(f"{address.shown}: {error.reason}") from error
    except TimeoutError as error:
        raise SourceUnavailable(f"{address.shown}: no data in time") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise SourceUnavailable(f"{address.shown}: {error or type(error).__name__}") from error


class HttpClient:
    """Requests to one address."""

    def __init__(self, address: Address, timeout_s: float) -> None:
        self.address = address
        self._timeout_s = timeout_s
        self._opener = _opener(address)

    def open(self, headers: Mapping[str, str] | None = None) -> http.client.HTTPResponse:
        """Send a request; the body of the response is not yet read. Status 304 is not an error. Raises SourceUnavailable."""
        with translate_errors(self.address):
            request = Request(self.address.bare, headers={"User-Agent": "etle", **(headers or {})})
            try:
                response: http.client.HTTPResponse = self._opener.open(request, timeout=self._timeout_s)
            except HTTPError as error:
                if error.code != http.client.NOT_MODIFIED:
                    error.close()
                    raise
                return error  # type: ignore[return-value]  # it has the status and the headers of a response
            return response


def read_body(response: http.client.HTTPResponse, max_bytes: int, timeout_s: float, monotonic: Callable[[], float]) -> bytes:
    """The body, at most `max_bytes` of it. Raises TimeoutError if the whole takes longer than `timeout_s`, even if each read is quick."""
    data, end = bytearray(), monotonic() + timeout_s
    while len(data) < max_bytes and (chunk := response.read1(min(_CHUNK_BYTES, max_bytes - len(data)))):
        data += chunk
        if monotonic() > end:
            raise TimeoutError
    return bytes(data)


def _opener(address: Address) -> OpenerDirector:
    passwords = HTTPPasswordMgrWithDefaultRealm()
    if address.user is not None:
        passwords.add_password(None, address.bare, address.user, address.password or "")
    return build_opener(ProxyHandler({}), HTTPBasicAuthHandler(passwords), HTTPDigestAuthHandler(passwords))
