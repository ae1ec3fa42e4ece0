"""A camera's address with its password kept apart, so that messages and logs can name a camera without revealing the password."""

import re
from dataclasses import dataclass
from typing import Self
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from etle.errors import ConfigError
from etle.redaction import redacted

_USER_SAFE = "%!$&'()*+,;=:~"


def check_address(url: str) -> None:
    """Raises ValueError if host or port cannot be told; the message does not repeat the address."""
    try:
        _ = urlsplit(with_encoded_user(url)).port
    except ValueError:
        raise ValueError("this address has no valid host and port") from None


def with_encoded_user(url: str) -> str:
    """The address with reserved characters of its user and password percent-encoded, where they would end the host: # / ? @."""
    scheme, separator, rest = url.partition("://")
    host = re.split(r"[/?#]", rest, maxsplit=1)[0]
    user_info, at, address = rest.rpartition("@")
    port = host.rpartition(":")[2]
    if not at or "@" in host or ":" not in host or port.isdecimal() or host.startswith("["):
        return url
    user, colon, password = user_info.partition(":")
    return f"{scheme}{separator}{quote(user, safe=_USER_SAFE)}{colon}{quote(password, safe=_USER_SAFE)}@{address}"


@dataclass(frozen=True, slots=True)
class Address:
    """`bare` is the address without user and password, as it is requested over HTTP. `shown` is for messages: without any secret."""

    url: str
    bare: str
    user: str | None
    password: str | None

    @classmethod
    def of(cls, url: str) -> Self:
        """Raises ConfigError if it is not an address, without repeating it."""
        try:
            check_address(url)
        except ValueError as error:
            raise ConfigError(str(error)) from error
        url = with_encoded_user(url)
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        user, password = (unquote(text) if text is not None else None for text in (parts.username, parts.password))
        return cls(url, urlunsplit(parts._replace(netloc=host)), user, password)

    @property
    def shown(self) -> str:
        return redacted(self.bare)

    def __repr__(self) -> str:
        return f"Address({self.shown})"
