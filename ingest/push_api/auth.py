"""Who may come in, and how often."""

import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from etle.config.deployment import VendorSettings, secret_in
from etle.errors import ConfigError
from ingest.push_api.errors import ApiError, ErrorCode

_SHORTEST: Final = 16


class TokenBucket:
    """So many a second, and after a pause so many at once. `monotonic` counts seconds."""

    def __init__(self, per_s: float, burst: int, monotonic: Callable[[], float]) -> None:
        self._per_s = per_s
        self._burst = burst
        self._monotonic = monotonic
        self._tokens = float(burst)
        self._at = monotonic()

    def take(self) -> float | None:
        """None if there was one, else the seconds until there is."""
        now = self._monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._per_s)
        self._at = now
        if self._tokens < 1:
            return (1 - self._tokens) / self._per_s
        self._tokens -= 1
        return None


@dataclass(frozen=True, slots=True)
class _Known:
    secret: bytes
    """Its SHA-256: all have one length, and the secret itself is not kept."""
    bucket: TokenBucket


class Authenticator:
    """Raises ConfigError for a secret that cannot be read, is short, or is two vendors'."""

    def __init__(self, vendors: Sequence[VendorSettings], monotonic: Callable[[], float]) -> None:
        self._known: Mapping[str, _Known] = {
            vendor.id: _Known(_hashed(vendor), TokenBucket(vendor.requests_per_s, vendor.burst, monotonic)) for vendor in vendors
        }
        secrets = [known.secret for known in self._known.values()]
        if len(set(secrets)) < len(secrets):
            raise ConfigError("ingest.vendors: two vendors have the same secret; nobody could tell them apart")

    def vendor(self, authorization: str) -> str:
        """The vendor whose secret it is. Every secret is compared, in constant time. Raises ApiError."""
        scheme, _, secret = authorization.partition(" ")
        given = sha256(secret.strip().encode("latin-1", "replace")).digest()
        fits = [name for name, known in self._known.items() if hmac.compare_digest(known.secret, given)]
        if scheme.lower() != "bearer" or not fits:
            raise ApiError(
                ErrorCode.NOT_SIGNED_IN, "Authorization is `Bearer SECRET`, with the secret that you were given", "Authorization"
            )
        return fits[0]

    def count(self, vendor: str) -> None:
        """One request of the vendor's. Raises ApiError over the quota."""
        wait_s = self._known[vendor].bucket.take()
        if wait_s is not None:
            raise ApiError(ErrorCode.OVER_QUOTA, "more requests than your quota; send it again later", retry_after_s=wait_s)


def _hashed(vendor: VendorSettings) -> bytes:
    secret = secret_in(vendor.secret_file) if vendor.secret_file is not None else vendor.secret or ""
    if len(secret) < _SHORTEST or not secret.isascii() or secret != secret.strip():
        raise ConfigError(f"vendor {vendor.id!r}: its secret is at least {_SHORTEST} ASCII characters without spaces around them")
    return sha256(secret.encode()).digest()
