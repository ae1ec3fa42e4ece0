"""A camera's address, with its password apart: messages and logs name a camera without giving it away."""

from dataclasses import dataclass
from typing import Self
from urllib.parse import unquote, urlsplit, urlunsplit


@dataclass(frozen=True, slots=True)
class Address:
    """`bare` is the address without user and password: what may be shown, and what goes over HTTP."""

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
