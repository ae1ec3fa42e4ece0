"""HTTP client for cameras, with the standard library.

Proxies are not used, because cameras are in the local network. Basic and digest authentication take user and password from the address.
"""

import http.client
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import md5, sha1, sha256
from typing import IO, Final
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
_DIGESTS: Final = {"MD5": md5, "SHA": sha1, "SHA-256": sha256}


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


class _DigestHandler(HTTPDigestAuthHandler):
    """Digest authentication with SHA-256 as well, and by any challenge of a camera that offers several."""

    def get_algorithm_impls(self, algorithm: str) -> tuple[Callable[[str], str], Callable[[str, str], str]]:
        if algorithm.upper() not in _DIGESTS:
            raise ValueError(f"the camera asks for digest authentication with {algorithm}, which is not supported")
        make = _DIGESTS[algorithm.upper()]

        def digest(text: str) -> str:
            return make(text.encode()).hexdigest()

        return digest, lambda secret, data: digest(f"{secret}:{data}")

    def http_error_401(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: http.client.HTTPMessage
    ) -> http.client.HTTPResponse | None:
        offered = [text for text in headers.get_all("www-authenticate", []) if text.strip().lower().startswith("digest")]
        supported = [text for text in offered if _algorithm_of(text) in _DIGESTS]
        if not offered:
            return None  # basic authentication
        chosen = http.client.HTTPMessage()
        chosen["www-authenticate"] = (supported or offered)[0]
        response: http.client.HTTPResponse | None = super().http_error_401(req, fp, code, msg, chosen)
        return response


def _algorithm_of(challenge: str) -> str:
    match = re.search(r'algorithm\s*=\s*"?([\w-]+)', challenge, re.IGNORECASE)
    return match[1].upper() if match else "MD5"


def _opener(address: Address) -> OpenerDirector:
    passwords = HTTPPasswordMgrWithDefaultRealm()
    if address.user is not None:
        passwords.add_password(None, address.bare, address.user, address.password or "")
    return build_opener(ProxyHandler({}), HTTPBasicAuthHandler(passwords), _DigestHandler(passwords))
