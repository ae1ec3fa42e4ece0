"""Signed heads of the audit log, exported at intervals to a place where the owner of the database cannot write.

The chain alone proves nothing against somebody who may rewrite it whole. A head that was exported before does: the log must still contain
that digest at that position. The place is a file, one line per head, or a bucket with object lock, one object per head.
"""

import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from typing import Final, Protocol

from etle.canonical_json import canonical_json
from etle.errors import EtleError, EvidenceCorrupt, EvidenceUnavailable
from etle.protocols import Clock, EvidenceStore
from etle.signing import Signer, is_signed_by
from etle.storage.audit.chain import LogHead, seal_log
from etle.storage.database import Database
from etle.storage.evidence.backend import open_evidence
from etle.types import Digest, digest_of

log = logging.getLogger(__name__)
FORMAT: Final = "etle-head-1"
SUFFIX: Final = ".head"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedHead:
    """A head whose signature is valid; whether its key is trusted is for the caller to check."""

    head: LogHead
    signed_at: datetime
    public_key: bytes

    @property
    def key(self) -> Digest:
        return digest_of(self.public_key)


def sign_head(head: LogHead, at: datetime, signer: Signer) -> bytes:
    """One line of JSON: the signed text, the signature and the public key."""
    text = canonical_json({"format": FORMAT, "position": head.position, "digest": head.digest, "signed_at": at.isoformat()})
    return canonical_json({"head": text.decode(), "public_key": signer.public_key.hex(), "signature": signer.sign(text).hex()})


def read_head(line: bytes) -> SignedHead:
    """Raises EvidenceCorrupt if it is not a head or its signature is invalid."""
    try:
        signed = json.loads(line)
        text, public_key = str(signed["head"]).encode(), bytes.fromhex(signed["public_key"])
        if not is_signed_by(public_key, text, bytes.fromhex(signed["signature"])):
            raise EvidenceCorrupt("the signature of an exported head is invalid")
        content = json.loads(text)
        if content["format"] != FORMAT:
            raise EvidenceCorrupt(f"a head of format {content['format']!r}; this version of etle reads {FORMAT}")
        head = LogHead(position=int(content["position"]), digest=Digest(content["digest"]))
        return SignedHead(head=head, signed_at=datetime.fromisoformat(content["signed_at"]).astimezone(UTC), public_key=public_key)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise EvidenceCorrupt(f"not an exported head: {error!r}") from error


class HeadStore(Protocol):
    """Where heads are exported to. Raises StoreUnavailable."""

    def add(self, line: bytes) -> None: ...

    def lines(self) -> Iterator[bytes]:
        """All exported heads; nothing if there are none yet."""
        ...


class HeadFile:
    """One line per head, appended and synced."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def add(self, line: bytes) -> None:
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("ab") as out:
                out.write(line + b"\n")
                out.flush()
                os.fsync(out.fileno())
        except OSError as error:
            raise EvidenceUnavailable(f"the heads of the audit log cannot be written to {self._file}: {error.strerror}") from error

    def lines(self) -> Iterator[bytes]:
        try:
            if self._file.exists():
                yield from filter(None, self._file.read_bytes().split(b"\n"))
        except OSError as error:
            raise EvidenceUnavailable(f"the heads of the audit log cannot be read from {self._file}: {error.strerror}") from error


class HeadObjects:
    """One object per head, named by its digest, in a bucket whose object lock keeps it."""

    def __init__(self, objects: EvidenceStore) -> None:
        self._objects = objects

    def add(self, line: bytes) -> None:
        self._objects.put(line, SUFFIX)

    def lines(self) -> Iterator[bytes]:
        yield from map(self._objects.get, self._objects.digests())


def open_heads(address: str | Path, environment: Mapping[str, str] = os.environ) -> HeadStore:
    """`address` is a file or s3://bucket/prefix. Raises ConfigError, StoreUnavailable, MissingExtra."""
    if "://" in str(address):
        return HeadObjects(open_evidence(address, environment))
    return HeadFile(Path(address))


class HeadExporter:
    """Seals the log, signs its head and exports it."""

    def __init__(self, database: Database, heads: HeadStore, signer: Signer, clock: Clock) -> None:
        self._database = database
        self._heads = heads
        self._signer = signer
        self._clock = clock
        self._exported: LogHead | None = None

    def export(self) -> LogHead:
        """A head that was exported before is not exported again. Raises StoreError."""
        head = seal_log(self._database)
        if head.position and head != self._exported:
            self._heads.add(sign_head(head, self._clock.now(), self._signer))
            self._exported = head
        return head


@contextmanager
def regular_exports(exporter: HeadExporter, every_s: float, on_failure: Callable[[], None] | None = None) -> Iterator[None]:
    """Exports in the background, now and every `every_s`, and when the block ends. A failure is logged; the next export covers it."""
    ended = Event()

    def export() -> None:
        try:
            exporter.export()
        except EtleError as error:  # the work goes on, whatever is wrong with the heads or the rights
            log.warning("the head of the audit log was not exported: %s", error)
            if on_failure is not None:
                on_failure()

    def repeat() -> None:
        export()
        while not ended.wait(every_s):
            export()

    thread = Thread(target=repeat, name="audit log heads", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        export()
