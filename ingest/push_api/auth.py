"""Authentication and quota of each vendor."""

import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from etle.config.deployment import VendorSettings, secret_in
from etle.errors import ConfigError
from ingest.push_api.errors import ApiError, ErrorCode

_MIN_SECRET_LENGTH: Final = 16


class TokenBucket:
    """Rate limit: `per_s` requests a second on average, and at most `burst` at once after a pause. `monotonic` returns seconds."""

    def __init__(self, per_s: float, burst: int, monotonic: Callable[[], float]) -> None:
        self._per_s = per_s
        self._burst = burst
        self._monotonic = monotonic
        self._tokens = float(burst)
        self._updated_s = monotonic()

    def take(self) -> float | None:
        """Take one token. None if there was one; otherwise the seconds until there is one."""
        now_s = self._monotonic()
        self._tokens = min(self._burst, self._tokens + (now_s - self._updated_s) * self._per_s)
        self._updated_s = now_s
        if self._tokens < 1:
            return (1 - self._tokens) / self._per_s
        self._tokens -= 1
        return None


@dataclass(frozen=True, slots=True)
class _Vendor:
    secret_sha256: bytes
    """Digests are compared because they all have the same length; the secret itself is not kept in memory."""
    bucket: TokenBucket


class Authenticator:
    """Raises ConfigError for a secret that cannot be read, is too short, or belongs to two vendors."""

    def __init__(self, vendors: Sequence[VendorSettings], monotonic: Callable[[], float]) -> None:
        self._vendors: Mapping[str, _Vendor] = {
            vendor.id: _Vendor(_secret_digest(vendor), TokenBucket(vendor.requests_per_s, vendor.burst, monotonic)) for vendor in vendors
        }
        secrets = [vendor.secret_sha256 for vendor in self._vendors.values()]
        if len(set(secrets)) < len(secrets):
            raise ConfigError("ingest.vendors: two vendors have the same secret, so that their requests cannot be told apart")

    def vendor(self, authorization: str) -> str:
        """Id of the vendor with this secret. Compares every secret, in constant time. Raises ApiError."""
        scheme, _, secret = authorization.partition(" ")
        received = sha256(secret.strip().encode("latin-1", "replace")).digest()
        matching = [name for name, vendor in self._vendors.items() if hmac.compare_digest(vendor.secret_sha256, received)]
        if scheme.lower() != "bearer" or not matching:
            raise ApiError(ErrorCode.NOT_SIGNED_IN, "Authorization must be `Bearer SECRET`, with the vendor's own secret", "Authorization")
        return matching[0]

    def take_quota(self, vendor: str) -> None:
        """Count one request of the vendor. Raises ApiError if its quota is used up."""
        wait_s = self._vendors[vendor].bucket.take()
        if wait_s is not None:
            raise ApiError(ErrorCode.OVER_QUOTA, "the quota of requests is used up; send the request again later", retry_after_s=wait_s)


def _secret_digest(vendor: VendorSettings) -> bytes:
    secret = secret_in(vendor.secret_file) if vendor.secret_file is not None else vendor.secret or ""
    if len(secret) < _MIN_SECRET_LENGTH or not secret.isascii() or secret != secret.strip():
        raise ConfigError(
            f"vendor {vendor.id!r}: the secret must have at least {_MIN_SECRET_LENGTH} ASCII characters, without spaces around them"
        )
    return sha256(secret.encode()).digest()
