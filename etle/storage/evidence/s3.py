"""Evidence in an S3-compatible store, each object named by the digest of its bytes: `prefix/ab/cd/abcd…`; its suffix is its media type.

An object is never overwritten. This is ensured by its name and by checking first, because servers differ in conditional puts
(If-None-Match): some reject one for an existing key, some ignore the condition, some do not support it. After a put, the object is compared
with the data: by the MD5 that most servers return as ETag, otherwise by reading it back.

The only module that imports the client library. Keys, region and endpoint come from the usual AWS_* variables.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from mimetypes import guess_type
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from etle.errors import ConfigError, EvidenceCorrupt, EvidenceFull, EvidenceUnavailable, MissingExtra, StoreError
from etle.types import Digest, digest_of
from etle.wire import DIGEST, SUFFIX

try:
    from obstore.exceptions import AlreadyExistsError
    from obstore.exceptions import BaseError as BaseError  # re-exported for the archive
    from obstore.store import S3Store
except ModuleNotFoundError as absent:
    raise MissingExtra("obstore", "s3") from absent

if TYPE_CHECKING:
    from obstore import ObjectMeta, PutResult

SETTINGS: Final = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_VIRTUAL_HOSTED_STYLE_REQUEST",
    "AWS_SERVER_SIDE_ENCRYPTION",
    "AWS_SSE_KMS_KEY_ID",
    "AWS_SKIP_SIGNATURE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
CONNECT_S: Final = 5
REQUEST_S: Final = 60
RETRY_S: Final = 15
"""The library retries for so long; after that the stage pauses and reports it."""
_STORAGE_FULL: Final = re.compile(r"507 |InsufficientStorage|StorageFull|QuotaExceeded|SlowDownWrite|No space left", re.IGNORECASE)
_CLIENT_ERROR: Final = re.compile(r"status code: 4(?!08|29)")
_NOT_IMPLEMENTED: Final = re.compile(r"status code: 501|NotImplemented")
_ERROR_CODE: Final = re.compile(r"<Code>(\w+)</Code>")
_MD5: Final = re.compile(r'"?([0-9a-f]{32})"?')
_KEY: Final = re.compile(r"(?:.*/)?([0-9a-f]{2})/([0-9a-f]{2})/([0-9a-f]{64})")


class S3Evidence:
    """An EvidenceStore. Safe to use from several threads and processes."""

    def __init__(self, store: S3Store, name: str) -> None:
        """Does not connect. `name` is the address for error messages."""
        self._store = store
        self._conditional = True
        self.name: Final = name

    def put(self, data: bytes, suffix: str) -> Digest:
        if not SUFFIX.fullmatch(suffix):
            raise StoreError(f"{suffix!r} is not a suffix of evidence files, such as .jpg")
        digest = digest_of(data)
        with self._translate_errors():
            existing = self._head(digest)
            if existing is None:
                existing = self._write(digest, data, suffix)
        if existing is not None and existing["size"] != len(data):
            raise EvidenceCorrupt(f"{self._address(digest)} has {existing['size']} bytes instead of {len(data)}. Restore it from a backup.")
        return digest

    def get(self, digest: Digest) -> bytes:
        if not DIGEST.fullmatch(digest):
            raise KeyError(digest)
        with self._translate_errors():
            data = self._read(digest)
        if data is None:
            raise KeyError(digest)
        if digest_of(data) != digest:
            raise EvidenceCorrupt(
                f"{self._address(digest)} has been changed: its bytes have the digest {digest_of(data)}. Restore it from a backup."
            )
        return data

    def digests(self) -> Iterator[Digest]:
        with self._translate_errors():
            for page in self._store.list():
                yield from (digest for entry in page if (digest := _digest_in(entry["path"])) is not None)

    def check(self) -> None:
        """Raises ConfigError if the bucket or the keys are wrong, EvidenceUnavailable if the server cannot be reached."""
        try:
            with self._translate_errors():
                next(iter(self._store.list(chunk_size=1)), None)
        except EvidenceUnavailable as error:
            if _CLIENT_ERROR.search(str(error.__cause__)):
                raise ConfigError(f"{error}. Check ETLE_EVIDENCE and the AWS_* variables") from error.__cause__
            raise

    def _head(self, digest: Digest) -> "ObjectMeta | None":
        try:
            return self._store.head(_key(digest))
        except FileNotFoundError:
            return None

    def _read(self, digest: Digest) -> bytes | None:
        try:
            return bytes(self._store.get(_key(digest)).bytes())
        except FileNotFoundError as error:
            if "NoSuchBucket" in str(error):
                raise
            return None

    def _write(self, digest: Digest, data: bytes, suffix: str) -> "ObjectMeta | None":
        """None if it was written; the existing object if another process was faster."""
        try:
            result = self._send(digest, data, suffix)
        except AlreadyExistsError:
            return self._head(digest)
        if not _md5_matches(result, data) and self._read(digest) != data:
            raise EvidenceCorrupt(f"{self._address(digest)} was not stored unchanged. Is a proxy between etle and the store?")
        return None

    def _send(self, digest: Digest, data: bytes, suffix: str) -> "PutResult":
        attributes = {"Content-Type": guess_type(f"x{suffix}")[0] or "application/octet-stream"}
        if self._conditional:
            try:
                return self._store.put(_key(digest), data, attributes=attributes, mode="create", use_multipart=False)
            except BaseError as error:
                if not _NOT_IMPLEMENTED.search(str(error)):
                    raise
                self._conditional = False  # not needed: under this name only these bytes are ever written
        return self._store.put(_key(digest), data, attributes=attributes, use_multipart=False)

    def _address(self, digest: Digest) -> str:
        return f"{self.name}/{_key(digest)}"

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except (BaseError, OSError) as error:
            message = f"the evidence store {self.name} cannot be used: {_reason(error)}"
            if _STORAGE_FULL.search(str(error)):
                raise EvidenceFull(f"{message}. Make room there, then start again; nothing was lost.") from error
            raise EvidenceUnavailable(message) from error


def s3_evidence(address: str, environment: Mapping[str, str], *, retry_s: float = RETRY_S) -> S3Evidence:
    """`address` is s3://bucket or s3://bucket/prefix. Does not connect. Raises ConfigError."""
    return S3Evidence(s3_store(address, environment, retry_s=retry_s), address.rstrip("/"))


def s3_store(address: str, environment: Mapping[str, str], *, retry_s: float = RETRY_S) -> S3Store:
    """The bucket, below the prefix. Does not connect. Raises ConfigError."""
    parts = urlsplit(address)
    if parts.scheme != "s3" or not parts.hostname or parts.query or parts.username:
        raise ConfigError(f"{address!r} is not an address of a bucket: use a folder or s3://bucket/prefix")
    settings = {name.lower(): environment[name] for name in SETTINGS if environment.get(name)}
    try:
        return S3Store(
            parts.hostname,
            prefix=parts.path.strip("/") or None,
            config=settings,  # type: ignore[arg-type]  # the library's TypedDict lists every key
            client_options={
                "allow_http": settings.get("aws_endpoint_url", "").startswith("http://"),
                "connect_timeout": timedelta(seconds=CONNECT_S),
                "timeout": timedelta(seconds=REQUEST_S),
            },
            retry_config={"max_retries": 4, "retry_timeout": timedelta(seconds=retry_s)},
        )
    except (BaseError, ValueError) as error:
        raise ConfigError(f"{address}: {_reason(error)}. Check the AWS_* variables") from error


def _key(digest: Digest) -> str:
    return f"{digest[:2]}/{digest[2:4]}/{digest}"


def _digest_in(path: str) -> Digest | None:
    found = _KEY.fullmatch(path)
    return Digest(found[3]) if found and found[3].startswith(found[1] + found[2]) else None


def _md5_matches(result: "PutResult", data: bytes) -> bool:
    """True if the server's ETag is the MD5 of the data. False also if it is no MD5, as with some kinds of encryption."""
    tag = _MD5.fullmatch(result.get("e_tag") or "")
    return tag is not None and tag[1] == hashlib.md5(data, usedforsecurity=False).hexdigest()


def _reason(error: Exception) -> str:
    """First line of the library's message, with the error code of the server."""
    text = str(error).strip()
    first = (text.splitlines() or [type(error).__name__])[0].partition(": <?xml")[0].rstrip(".")
    code = _ERROR_CODE.search(text)
    return f"{first} ({code[1]})" if code and code[1] not in first else first
