"""The hash chain of the audit log (migration `0004_audit_log.sql`), and how its digests are computed.

The entries are written by triggers and chained by a function of the database, so that no client names ids, times or digests.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

from etle.storage.database import Database
from etle.storage.queries import sql
from etle.types import Digest

NO_ENTRY: Final = Digest("0" * 64)
"""The digest before the first entry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogHead:
    """The last entry of the log: its digest depends on all entries before it. Position 0: the log is empty."""

    position: int
    digest: Digest


def entry_digest(entry: str) -> Digest:
    return Digest(hashlib.sha256(entry.encode()).hexdigest())


def chained(before: Digest, entry: Digest) -> Digest:
    """The digest of an entry in the chain, from the one before it and the digest of its text."""
    return Digest(hashlib.sha256(f"{before}{entry}".encode()).hexdigest())


def seal_log(database: Database) -> LogHead:
    """Chain the entries that were committed since the last call; returns the head. One caller at a time, which the database ensures."""
    head = _seal_batch(database)
    while (longer := _seal_batch(database)) != head:
        head = longer
    return head


def _seal_batch(database: Database) -> LogHead:
    """A part of the entries that wait, if there are many."""
    with database.transaction() as cursor:
        cursor.execute(sql("seal_audit_log"))
        row = cursor.fetchone()
        return LogHead(position=row.head_position, digest=Digest(row.head_digest))
