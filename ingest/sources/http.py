"""HTTP to a camera, with the standard library: one answer, opened and ready to be read.

No proxy is asked: a camera is a neighbour. Basic and digest authentication take user and password from the address.
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

_AT_ONCE = 64 * 1024


@contextmanager
def problems_of(address: Address) -> Iterator[None]:
    """Whatever can go wrong on the way to a camera, as SourceUnavailable."""
    try:
        yield
    except HTTPError as error:
        hint = ": user or password is wrong" if error.code in (401, 403) else ""
        raise SourceUnavailable(f"{address.bare}: HTTP {error.code} {error.reason}{hint}") from error
    except URLError as error:
        raise SourceUnavailable(f"{address.bare}: {error.reason}") from error
    except TimeoutError as error:
        raise SourceUnavailable(f"{address.bare}: says nothing") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise SourceUnavailable(f"{address.bare}: {error or type(error).__name__}") from error


class HttpClient:
    """Opens one address again and again."""

    def __init__(self, address: Address, timeout_s: float) -> None:
        self.address = address
        self._timeout_s = timeout_s
        self._opener = _opener(address)

    def open(self, headers: Mapping[str, str] | None = None) -> http.client.HTTPResponse:
        """The answer, its body not yet read; a 304 is an answer too. Raises SourceUnavailable."""
        with problems_of(self.address):
            request = Request(self.address.bare, headers={"User-Agent": "etle", **(headers or {})})
            try:
                response: http.client.HTTPResponse = self._opener.open(request, timeout=self._timeout_s)
            except HTTPError as error:
                if error.code != http.client.NOT_MODIFIED:
                    error.close()
                    raise
                return error  # type: ignore[return-value]  # it has the status and the headers, and no body
            return response


def whole_body(response: http.client.HTTPResponse, longest: int, within_s: float, monotonic: Callable[[], float]) -> bytes:
    """Up to `longest` bytes. Raises TimeoutError if they trickle: each byte in time, and all of them never."""
    data, end = bytearray(), monotonic() + within_s
    while len(data) < longest and (part := response.read1(min(_AT_ONCE, longest - len(data)))):
        data += part
        if monotonic() > end:
            raise TimeoutError
    return bytes(data)


def _opener(address: Address) -> OpenerDirector:
    passwords = HTTPPasswordMgrWithDefaultRealm()
    if address.user is not None:
        passwords.add_password(None, address.bare, address.user, address.password or "")
    return build_opener(ProxyHandler({}), HTTPBasicAuthHandler(passwords), HTTPDigestAuthHandler(passwords))
