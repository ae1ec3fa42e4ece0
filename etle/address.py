"""A camera's address with its password kept apart, so that messages and logs can name a camera without revealing the password."""

from dataclasses import dataclass
from typing import Self
from urllib.parse import unquote, urlsplit, urlunsplit


@dataclass(frozen=True, slots=True)
class Address:
    """`bare` is the address without user and password: it may be shown, and it is what is requested over HTTP."""

    url: str
    bare: str
    user: str | None
    password: str | None

    @classmethod
    def of(cls, url: str) -> Self:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        user, password = (unquote(text) if text is not None else None for text in (parts.username, parts.password))
        return cls(url, urlunsplit(parts._replace(netloc=host)), user, password)

    def __repr__(self) -> str:
        return f"Address({self.bare})"
