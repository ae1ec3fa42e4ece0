"""Verify the database against the audit log, and the log against its chain and its exported heads.

Found are: entries that were changed, removed or put in another order; rows that differ from their entry, lack one, or are gone; rows that
nobody signed; decisions and views dated otherwise than they were logged; a queue that does not hold exactly the open cases; and triggers
or functions that are not those of the migrations. Everything is read in one snapshot, so that a running office causes no finding.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from etle.errors import EvidenceCorrupt
from etle.signing import PublicKeys
from etle.storage.audit.chain import NO_ENTRY, LogHead, chained, entry_digest
from etle.storage.audit.heads import HeadStore, read_head
from etle.storage.audit.row_signature import SIGNED, follows, signature_problem
from etle.storage.database import Cursor, Database
from etle.storage.evidence.verify import EvidenceFault, EvidenceFinding
from etle.storage.migrate import packaged_migrations
from etle.storage.queries import sql
from etle.types import Digest, ViolationId

PAGE_SIZE: Final = 1000
TOLERANCE: Final = timedelta(minutes=10)
"""Between the time that a row names and the time at which the database logged it: the clocks of two hosts may differ."""
_CHANGING: Final = frozenset(("user", "session"))
"""Kinds whose rows may change: each change is an entry, and the row is as the last one says."""
_TIMES: Final = {"decision": "decided_at", "access": "at", "watch": "changed_at"}
_KINDS: Final = {
    "violation": "violations",
    "manifest": "manifests",
    "decision": "decisions",
    "access": "lines of the access log",
    "user": "changes of accounts",
    "session": "changes of sessions",
    "loss": "counts of lost frames",
    "approval": "approvals of runs",
    "promotion": "promotions",
    "proposal": "proposals",
    "watch": "changes of the watch list",
}
_ADDED_LATER: Final = frozenset(("approval", "promotion", "proposal"))
"""Kinds that the log did not have at first: their older rows were entered when it got them."""


@dataclass(slots=True, kw_only=True)
class AuditCounts:
    """What was checked so far."""

    entries: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """By kind."""
    unsealed: int = 0
    """Entries that are not in the chain yet: the next export of a head seals them."""
    heads: int = 0
    last_head: datetime | None = None

    def __str__(self) -> str:
        kinds = ", ".join(f"{self.entries[kind]} {name}" for kind, name in _KINDS.items() if self.entries[kind])
        heads = f"{self.heads} exported heads" if self.heads else "no exported head"
        unsealed = f" {self.unsealed} entries are not sealed yet." if self.unsealed else ""
        return f"The audit log has {sum(self.entries.values())} entries ({kinds or 'none'}), compared with {heads}.{unsealed}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """A parsed entry. `position` is None while it is not sealed."""

    position: int | None
    kind: str
    key: str
    logged_at: datetime
    imported: bool
    row: Mapping[str, Any]

    @property
    def name(self) -> str:
        return f"{self.kind} {self.key}"


def verify_log(database: Database, heads: HeadStore, keys: PublicKeys, counts: AuditCounts | None = None) -> Iterator[EvidenceFinding]:
    """All faults. `keys`: those that are trusted. `counts` is increased as the log is read."""
    counts = counts or AuditCounts()
    with database.transaction(snapshot=True) as cursor:
        check = _LogCheck(cursor, keys, counts)
        yield from check.heads(heads)
        yield from check.entries()
        yield from check.unlogged_rows()
        yield from check.current_state()
        yield from check.schema()


class _LogCheck:
    """One check in one transaction."""

    def __init__(self, cursor: Cursor, keys: PublicKeys, counts: AuditCounts) -> None:
        self._cursor = cursor
        self._keys = keys
        self._counts = counts
        self._heads: dict[int, Digest] = {}
        self._last: dict[tuple[str, str], _Entry] = {}
        """The last entry of each row that may change."""
        self._native: set[bool] = set()
        """Whether an entry that was not imported has been read: False of the first kinds, True of those added later."""

    def heads(self, heads: HeadStore) -> Iterator[EvidenceFinding]:
        for line in heads.lines():
            try:
                signed = read_head(line)
            except EvidenceCorrupt as error:
                yield _fault(EvidenceFault.BAD_SIGNATURE, str(error))
                continue
            if self._keys.retired_before(signed.key, signed.signed_at):
                yield _fault(EvidenceFault.BAD_SIGNATURE, f"an exported head is signed with a retired key, {signed.key}")
            if signed.key not in self._keys:
                yield _fault(EvidenceFault.BAD_SIGNATURE, f"an exported head is signed with an unknown key, of fingerprint {signed.key}")
                continue
            self._keys.learn(signed.public_key)
            known = self._heads.setdefault(signed.head.position, signed.head.digest)
            if known != signed.head.digest:
                yield _fault(EvidenceFault.CHANGED, f"two exported heads of position {signed.head.position} differ: the log had two pasts")
            self._counts.heads += 1
            self._counts.last_head = max(filter(None, (self._counts.last_head, signed.signed_at)))

    def entries(self) -> Iterator[EvidenceFinding]:
        head = LogHead(position=0, digest=NO_ENTRY)
        while page := self._page(head.position):
            for row in page:
                if row.position != head.position + 1:
                    yield _fault(EvidenceFault.MISSING, f"the audit log lacks the entries {head.position + 1} to {row.position - 1}")
                digest = chained(head.digest, entry_digest(row.entry))
                if digest != row.digest:
                    yield _fault(EvidenceFault.CHANGED, f"entry {row.position} of the audit log, or its place in it, was changed")
                if self._heads.pop(row.position, row.digest) != row.digest:
                    yield _fault(EvidenceFault.CHANGED, f"entry {row.position} of the audit log is not the one whose head was exported")
                head = LogHead(position=row.position, digest=Digest(row.digest))
            yield from self._compare([(row.position, row) for row in page])
        for position in sorted(self._heads):
            detail = f"a head of position {position} was exported, and the audit log ends at {head.position}"
            yield _fault(EvidenceFault.MISSING, detail)
        self._cursor.execute(sql("select_audit_inbox"))
        unsealed = self._cursor.fetchall()
        self._counts.unsealed = len(unsealed)
        yield from self._compare([(None, row) for row in unsealed])
        yield from self._compare_last()

    def unlogged_rows(self) -> Iterator[EvidenceFinding]:
        self._cursor.execute(sql("unlogged_rows"))
        for row in self._cursor.fetchall():
            yield _fault(EvidenceFault.FORGED, f"{row.kind} {row.key} has no entry in the audit log", _violation_of(row.kind, row.key))
        self._cursor.execute(sql("copied_signatures"))
        for row in self._cursor.fetchall():
            yield _fault(EvidenceFault.FORGED, f"{row.kind} {row.last} is a copy of {row.first}")

    def current_state(self) -> Iterator[EvidenceFinding]:
        self._cursor.execute(sql("queue_problems"))
        for row in self._cursor.fetchall():
            yield _fault(EvidenceFault.CHANGED, row.problem, ViolationId(UUID(row.violation)))
        yield from self._derived_tables()
        self._cursor.execute(sql("session_problems"))
        for row in self._cursor.fetchall():
            yield _fault(EvidenceFault.CHANGED, f"a session of {row.user_name} was last seen before it began or after it expired")

    def _derived_tables(self) -> Iterator[EvidenceFinding]:
        self._cursor.execute(sql("case_state_problems"))
        for row in self._cursor.fetchall():
            yield _fault(EvidenceFault.CHANGED, "the list of cases shows another state of the case", ViolationId(UUID(row.violation)))
        self._cursor.execute(sql("case_count_problems"))
        for row in self._cursor.fetchall():
            yield _fault(EvidenceFault.CHANGED, f"{row.counted} cases of {row.rule} are counted as {row.state}, and there are {row.actual}")
        self._cursor.execute(sql("camera_problems"))
        for row in self._cursor.fetchall():
            yield _fault(EvidenceFault.CHANGED, f"no violation names the camera {row.camera} {row.name!r}")

    def schema(self) -> Iterator[EvidenceFinding]:
        self._cursor.execute(sql("select_triggers"))
        found = {(row.table, row.name): row.enabled for row in self._cursor.fetchall()}
        for trigger in sorted(_triggers_of_migrations()):
            if found.get(trigger) not in ("O", "A"):
                state = "is disabled" if trigger in found else "does not exist"
                yield _fault(EvidenceFault.CHANGED, f"the trigger {trigger[1]} on the table {trigger[0]} {state}")
        self._cursor.execute(sql("select_functions"))
        bodies = {row.name: row.body.strip() for row in self._cursor.fetchall()}
        for name, body in sorted(_functions_of_migrations().items()):
            if bodies.get(name) != body:
                yield _fault(EvidenceFault.CHANGED, f"the function {name} is not the one of the migrations")

    def _page(self, after: int) -> Sequence[Any]:
        self._cursor.execute(sql("select_audit_log"), {"after": after, "limit": PAGE_SIZE})
        return self._cursor.fetchall()

    def _compare(self, stored: Iterable[tuple[int | None, Any]]) -> Iterator[EvidenceFinding]:
        """Parse a page of entries and compare them with their rows."""
        entries = []
        for position, row in stored:
            entry = _parse(position, row)
            if entry is None:
                yield _fault(EvidenceFault.CHANGED, f"entry {position} of the audit log, {row.kind} {row.key}, cannot be read")
            else:
                entries.append(entry)
        rows = self._rows((entry.kind, entry.key) for entry in entries if entry.kind not in _CHANGING)
        for entry in entries:
            self._counts.entries[entry.kind] += 1
            if entry.kind in _CHANGING:
                yield from self._missing_changes(entry)
                self._last[entry.kind, entry.key] = entry
            else:
                yield from _row_findings(entry, rows[entry.kind, entry.key])
            yield from self._origin_findings(entry)

    def _missing_changes(self, entry: _Entry) -> Iterator[EvidenceFinding]:
        before = self._last.get((entry.kind, entry.key))
        try:
            complete = follows(entry.row, before.row if before else None)
        except (ValueError, TypeError):
            return  # of a nonce that cannot be read, the signature's check tells
        if not complete:
            yield _fault(EvidenceFault.MISSING, f"{entry.name}: an entry before the one of {entry.logged_at.isoformat()} was removed")

    def _compare_last(self) -> Iterator[EvidenceFinding]:
        last = list(self._last.values())
        for start in range(0, len(last), PAGE_SIZE):
            page = last[start : start + PAGE_SIZE]
            rows = self._rows((entry.kind, entry.key) for entry in page)
            for entry in page:
                yield from _row_findings(entry, rows[entry.kind, entry.key])

    def _rows(self, wanted: Iterable[tuple[str, str]]) -> Mapping[tuple[str, str], Sequence[Mapping[str, Any]]]:
        """The present rows, by kind and key."""
        keys: dict[str, list[str]] = {kind: [] for kind in _KINDS}
        for kind, key in wanted:
            keys[kind].append(key)
        self._cursor.execute(sql("stored_rows"), keys)
        rows: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
        for row in self._cursor.fetchall():
            rows[row.kind, row.key].append(json.loads(row.content))
        return rows

    def _origin_findings(self, entry: _Entry) -> Iterator[EvidenceFinding]:
        """Who made the row, and when."""
        later = entry.kind in _ADDED_LATER
        if entry.imported:
            if later in self._native:
                yield _fault(EvidenceFault.FORGED, f"{entry.name} claims to be older than the audit log", _violation(entry))
            return
        self._native.add(later)
        if entry.kind in SIGNED and (problem := signature_problem(entry.kind, entry.row, self._keys)):
            fault = EvidenceFault.BAD_SIGNATURE if entry.row.get("signature") else EvidenceFault.FORGED
            yield _fault(fault, f"{entry.name}: {problem}", _violation(entry))
        if entry.kind in SIGNED and self._keys.retired_before(str(entry.row.get("signature")).partition(":")[0], entry.logged_at):
            yield _fault(EvidenceFault.BAD_SIGNATURE, f"{entry.name} is signed with a key that had been retired", _violation(entry))
        if entry.kind in _TIMES:
            dated = datetime.fromisoformat(entry.row[_TIMES[entry.kind]])
            if abs(dated - entry.logged_at) > TOLERANCE:
                detail = f"{entry.name} is dated {dated.isoformat()}, and was logged at {entry.logged_at.isoformat()}"
                yield _fault(EvidenceFault.CHANGED, detail, _violation(entry))


def _row_findings(entry: _Entry, rows: Sequence[Mapping[str, Any]]) -> Iterator[EvidenceFinding]:
    """Columns that a later migration added are not in older entries, and not compared."""
    if not rows:
        yield _fault(EvidenceFault.MISSING, f"{entry.name} was removed", _violation(entry))
    for row in rows:
        for column, logged in entry.row.items():
            if column not in row or row[column] != logged:
                detail = f"{entry.name}: {column} is {row.get(column)!r}, and was logged as {logged!r}"
                yield _fault(EvidenceFault.CHANGED, detail, _violation(entry))


def _parse(position: int | None, stored: Any) -> _Entry | None:
    """None if it is not what the trigger writes."""
    try:
        entry = json.loads(stored.entry)
        if (entry["kind"], entry["key"]) != (stored.kind, stored.key) or entry["kind"] not in _KINDS:
            return None
        logged_at, imported = datetime.fromisoformat(entry["logged_at"]), bool(entry.get("imported"))
        if entry["kind"] in _TIMES:
            datetime.fromisoformat(entry["row"][_TIMES[entry["kind"]]])
        if entry["kind"] in ("violation", "manifest"):
            UUID(entry["key"])
        elif entry["kind"] in ("decision", "access", "loss", "approval", "proposal", "watch"):
            int(entry["key"])
        return _Entry(position=position, kind=stored.kind, key=stored.key, logged_at=logged_at, imported=imported, row=entry["row"])
    except (ValueError, KeyError, TypeError):
        return None


def _violation(entry: _Entry) -> ViolationId | None:
    named = entry.row.get("violation") or (entry.row.get("id") if entry.kind == "violation" else None)
    return ViolationId(UUID(named)) if named else None


def _violation_of(kind: str, key: str) -> ViolationId | None:
    return ViolationId(UUID(key)) if kind in ("violation", "manifest") else None


def _fault(fault: EvidenceFault, detail: str, violation: ViolationId | None = None) -> EvidenceFinding:
    return EvidenceFinding(fault=fault, violation=violation, digest=None, detail=detail)


_TRIGGER: Final = re.compile(r"CREATE TRIGGER (\w+)\s+[^;]*?\bON (\w+)\b", re.DOTALL)
_DROPPED: Final = re.compile(r"DROP TRIGGER (?:IF EXISTS )?(\w+) ON (\w+)")
_FUNCTION: Final = re.compile(r"CREATE (?:OR REPLACE )?FUNCTION (\w+)\(.*?\bAS \$\$(.*?)\$\$", re.DOTALL)
_DROPPED_FUNCTION: Final = re.compile(r"DROP FUNCTION (?:IF EXISTS )?(\w+)")


def _triggers_of_migrations() -> set[tuple[str, str]]:
    """Table and name of every trigger that the migrations leave behind."""
    triggers: set[tuple[str, str]] = set()
    for migration in packaged_migrations():
        triggers -= {(table, name) for name, table in _DROPPED.findall(migration.sql)}
        triggers |= {(table, name) for name, table in _TRIGGER.findall(migration.sql)}
    return triggers


def _functions_of_migrations() -> Mapping[str, str]:
    """Body of every function that the migrations leave behind, by name."""
    bodies: dict[str, str] = {}
    for migration in packaged_migrations():
        for name in _DROPPED_FUNCTION.findall(migration.sql):
            bodies.pop(name, None)
        bodies.update((name, body.strip()) for name, body in _FUNCTION.findall(migration.sql))
    return bodies
