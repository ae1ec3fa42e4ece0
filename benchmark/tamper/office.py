"""A store as an office leaves it: cases with files, decisions, views, accounts, sessions, counts of lost frames, and exported heads."""

import random
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

from etle.clock import SystemClock
from etle.plates.watch_file import WatchReason
from etle.signing import PublicKeys, Signer
from etle.storage.audit.heads import HeadExporter, HeadFile
from etle.storage.audit.verify import verify_log
from etle.storage.cases import PostgresCases
from etle.storage.checkpoints import PostgresLosses
from etle.storage.database import Cursor, Database
from etle.storage.evidence.folder import FolderEvidence
from etle.storage.evidence.verify import EvidenceFinding, verify
from etle.storage.migrate import migrate
from etle.storage.runs import PostgresRuns
from etle.storage.users import AccessEntry, UserRole, Users
from etle.storage.watch_list import PostgresWatchList, WatchEntry
from etle.testing import a_decision, a_violation_message
from etle.types import CameraId, Case, Verdict, digest_of
from pipeline.evidence.writer import Writer

ROLES: Final = {"rina": UserRole.REVIEWER, "dewi": UserRole.REVIEWER, "sari": UserRole.SUPERVISOR, "agus": UserRole.AUDITOR}
_SEARCHED_UNTIL: Final = date(2030, 1, 1)
RULES: Final = ("red_light", "stop_line", "wrong_way")


class _Undone(Exception):
    """Rolls a transaction back."""


class TamperedDatabase(Database):
    """A database whose changes can be tried: within `undone` everything happens in one transaction, which is rolled back."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._cursor: Cursor | None = None

    @contextmanager
    def undone(self) -> Iterator[Cursor]:
        with suppress(_Undone), super().transaction() as cursor:
            self._cursor = cursor
            try:
                yield cursor
            finally:
                self._cursor = None
            raise _Undone

    @contextmanager
    def transaction(self, *, snapshot: bool = False) -> Iterator[Cursor]:
        if self._cursor is not None:
            yield self._cursor
            return
        with super().transaction(snapshot=snapshot) as cursor:
            yield cursor

    @contextmanager
    def autocommit(self) -> Iterator[Cursor]:
        if self._cursor is not None:
            yield self._cursor
            return
        with super().autocommit() as cursor:
            yield cursor


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """The store, and the work that fills it."""

    folder: Path
    database: TamperedDatabase
    evidence: FolderEvidence
    signer: Signer
    rogue: Signer
    """A key that nobody trusts."""

    @property
    def heads(self) -> HeadFile:
        return HeadFile(self.folder / "heads.jsonl")

    @property
    def cases(self) -> PostgresCases:
        return PostgresCases(self.database, SystemClock(), self.signer)

    @property
    def users(self) -> Users:
        return Users(self.database, self.signer)

    def findings(self, keys: PublicKeys | None = None) -> list[EvidenceFinding]:
        """What `etle evidence verify` reports."""
        trusted = keys or self.trusted()
        return [*verify(self.cases, self.evidence, trusted), *verify_log(self.database, self.heads, trusted)]

    def trusted(self) -> PublicKeys:
        keys = PublicKeys()
        keys.add(self.signer.public_key)
        return keys

    def export_head(self) -> None:
        HeadExporter(self.database, self.heads, self.signer, SystemClock()).export()

    def work(self, rng: random.Random) -> None:
        """A new case with its decisions and views, a change of an account, a sign-in, and lost frames."""
        self._add_case(rng)
        self._review(rng)
        self._administer(rng)
        PostgresLosses(self.database).add(CameraId("cam-1"), "gap", rng.randint(1, 9), SystemClock().now())
        self._promote_run(rng)
        self._search_for_plates(rng)

    def _add_case(self, rng: random.Random) -> None:
        at = SystemClock().now() - timedelta(minutes=rng.randint(1, 100))
        name, plate = f"{rng.random()}", f"B{rng.randint(1000, 9999)}{rng.choice('ABC')}XY"
        message = a_violation_message(name, plate=plate, rule=rng.choice(RULES), camera=f"cam-{rng.randint(1, 3)}", occurred_at=at)
        Writer.with_signer(self.cases, self.evidence, self.signer).put(message)

    def _review(self, rng: random.Random) -> None:
        """Most cases are decided, some twice; some stay open, one of them on a screen."""
        name, clock = rng.choice(["rina", "dewi"]), SystemClock()
        case = self.cases.take_next(name, clock.now())
        if case is None:
            return
        self._view(name, case, "case_viewed", "")
        self._view(name, case, "evidence_viewed", case.violation.pictures[0].sha256)
        for reviewer in (name, "sari")[: rng.choice([0, 1, 1, 1, 2])]:
            verdict, now = rng.choice(list(Verdict)), clock.now()
            decision = a_decision(case.violation, verdict, reviewer=reviewer, decided_at=now, seconds_taken=rng.randint(1, 90) / 4)
            self.cases.decide(decision, any_lease=True)
            self._view(reviewer, case, "decided", verdict)

    def _view(self, name: str, case: Case, action: str, detail: str) -> None:
        at, violation = SystemClock().now(), UUID(str(case.violation.id))
        self.users.record(AccessEntry(at=at, who=name, address="10.0.0.7", action=action, violation=violation, detail=detail))

    def _promote_run(self, rng: random.Random) -> None:
        """Two supervisors approve what a run found; it proposes another plate for a case."""
        runs, run, results = PostgresRuns(self.database, self.signer), f"run-{rng.getrandbits(40):x}", digest_of(rng.randbytes(8))
        runs.start(run, "simpang", "{}", "rudi", SystemClock().now())
        runs.finish(run, SystemClock().now())
        for supervisor in ("sari", "dewi"):
            runs.approve(run, supervisor, results)
        violation = self.cases.cases(limit=1)[0].violation
        runs.propose(run, violation.id, ("plate",), violation)
        runs.promote(run, ("sari", "dewi"), results, cases_added=rng.randint(0, 3), proposed=1)

    def _search_for_plates(self, rng: random.Random) -> None:
        plates = PostgresWatchList(self.database, self.signer)
        entries = [
            WatchEntry(plate=f"B{rng.randint(1000, 9999)}XY", reason=WatchReason.STOLEN, source="LP 12/2026", valid_until=_SEARCHED_UNTIL)
            for _ in range(3)
        ]
        plates.add(entries, "sari")
        plates.remove(entries[0].plate, "LP 13/2026", "sari")

    def _administer(self, rng: random.Random) -> None:
        now, token = SystemClock().now(), f"{rng.getrandbits(256):064x}"
        name, new = rng.choice(list(ROLES)), f"user-{rng.getrandbits(40):x}"
        self.users.open_session(token, name, "10.0.0.7", at=now, expires_at=now + timedelta(hours=10))
        self.users.signed_in(token, SystemClock().now(), idle=timedelta(hours=1))
        if rng.random() < 0.5:
            self.users.end_session(token, SystemClock().now())
        self.users.add(new, UserRole.REVIEWER, f"hash of {new}", now, by="rudi")
        change = rng.choice(["password", "role", "disable", "none"])
        if change == "password":
            self.users.set_password(new, f"another hash of {new}", now, by="rudi")
        elif change == "role":
            self.users.set_role(new, UserRole.AUDITOR, now, by="rudi")
        elif change == "disable":
            self.users.disable(new, now, by="rudi")


@contextmanager
def open_office(url: str, folder: Path, rng: random.Random, cases: int = 16) -> Iterator[Office]:
    """An office with that many cases; some heads are exported, and the last entries are not sealed yet."""
    database = TamperedDatabase(url)
    try:
        migrate(database)
        office = Office(
            folder=folder,
            database=database,
            evidence=FolderEvidence(folder / "evidence", reserve_bytes=0),
            signer=Signer.from_file(folder / "keys" / "manifest.pem"),
            rogue=Signer.from_file(folder / "rogue" / "rogue.pem"),
        )
        for name, role in ROLES.items():
            office.users.add(name, role, f"hash of {name}", SystemClock().now(), by="rudi")
        for number in range(cases):
            office.work(rng)
            if number % 4 == 3:
                office.export_head()
        office.work(rng)
        yield office
    finally:
        database.close()
