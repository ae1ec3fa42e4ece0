"""The audit log: what is entered, how it is chained and exported, and that no change of what is stored stays unseen."""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from databases import TestDatabases

pytest.importorskip("psycopg2", reason="needs the `store` extra")

import psycopg2

from benchmark.tamper.kinds import KINDS
from benchmark.tamper.office import Office, open_office
from benchmark.tamper.trial import is_seen
from etle.clock import SystemClock
from etle.errors import EvidenceCorrupt, EvidenceUnavailable
from etle.signing import PublicKeys, Signer
from etle.storage.audit.chain import LogHead, seal_log
from etle.storage.audit.heads import HeadExporter, HeadFile, HeadObjects, HeadStore, read_head, regular_exports, sign_head
from etle.storage.audit.verify import AuditCounts, verify_log
from etle.storage.cases import PostgresCases
from etle.storage.database import Database
from etle.storage.migrate import migrate, packaged_migrations
from etle.storage.runs import PostgresRuns
from etle.storage.users import AccessEntry, UserRole, Users
from etle.testing import BEGIN, MemoryEvidence, a_decision, a_violation_message
from etle.types import Digest

ALL = [(group, name) for group, changes in KINDS.items() for name in changes]
FIRST = {group: next(iter(changes)) for group, changes in KINDS.items()}


@pytest.fixture(scope="module")
def office(databases: TestDatabases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with databases.create() as url, open_office(url, tmp_path_factory.mktemp("office"), random.Random(4), cases=8) as opened:
        yield opened


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url)
    yield opened
    opened.close()


@pytest.mark.server
class TestChanges:
    @pytest.mark.parametrize(
        ("group", "name"), [pytest.param(*kind, marks=() if FIRST[kind[0]] == kind[1] else pytest.mark.slow) for kind in ALL]
    )
    def test_a_change_is_seen(self, office: Office, group: str, name: str) -> None:
        assert is_seen(office, KINDS[group][name], random.Random(name))

    def test_an_untouched_store_has_no_finding(self, office: Office) -> None:
        assert office.findings() == []

    def test_a_finding_names_row_column_and_both_values(self, office: Office) -> None:
        with office.database.undone() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute(
                "UPDATE decisions SET reviewer = 'eve' WHERE id = (SELECT min(id) FROM decisions) RETURNING violation::text AS id"
            )
            violation = cursor.fetchone().id
            finding, *_ = [each for each in office.findings() if "eve" in each.detail]
        assert str(finding.violation) == violation
        assert "reviewer is 'eve', and was logged as" in finding.detail


@pytest.mark.server
@pytest.mark.parametrize("table", ["violations", "evidence_files", "decisions", "access_log", "users", "sessions", "losses", "audit_log"])
@pytest.mark.parametrize("statement", ["DELETE FROM {}", "TRUNCATE {} CASCADE"])
def test_the_owner_is_refused_to_delete(office: Office, table: str, statement: str) -> None:
    with pytest.raises(psycopg2.errors.RaiseException, match="only ever added"), office.database.undone() as cursor:
        cursor.execute(statement.format(table))


@pytest.mark.server
def test_administrative_acts_are_lines_of_the_access_log(database: Database) -> None:
    users = Users(database)
    users.add("rina", UserRole.REVIEWER, "hash", BEGIN, by="rudi")
    users.open_session("0" * 64, "rina", "10.0.0.7", BEGIN, BEGIN + timedelta(hours=1))
    users.set_role("rina", UserRole.SUPERVISOR, BEGIN, by="rudi")
    users.set_password("rina", "another", BEGIN, by="rudi")
    users.disable("rina", BEGIN, by="rudi")
    lines = [(entry.who, entry.action, entry.detail) for entry in reversed(users.entries())]
    assert lines == [
        ("rudi", "user_added", "rina reviewer"),
        ("rudi", "role_changed", "rina supervisor"),
        ("rudi", "sessions_revoked", "rina 1"),
        ("rudi", "password_changed", "rina"),
        ("rudi", "user_disabled", "rina"),
    ]


@pytest.mark.server
@pytest.mark.parametrize(("kind", "number"), [("user", 0), ("user", 1), ("session", 0)])
def test_an_unsealed_entry_before_another_of_the_same_row_cannot_be_removed(
    database: Database, tmp_path: Path, kind: str, number: int
) -> None:
    signer = Signer.from_file(tmp_path / "key.pem")
    users, heads, keys = Users(database, signer), HeadFile(tmp_path / "heads"), PublicKeys()
    keys.add(signer.public_key)
    users.add("rina", UserRole.REVIEWER, "hash", SystemClock().now())
    users.set_role("rina", UserRole.SUPERVISOR, SystemClock().now())
    users.open_session("0" * 64, "rina", "10.0.0.7", SystemClock().now(), SystemClock().now() + timedelta(hours=1))
    users.set_role("rina", UserRole.REVIEWER, SystemClock().now())
    assert list(verify_log(database, heads, keys)) == []
    with database.transaction() as cursor:
        cursor.execute("SELECT id FROM audit_inbox WHERE kind = %s ORDER BY id", (kind,))
        removed = cursor.fetchall()[number].id
        cursor.execute("DELETE FROM audit_inbox WHERE id = %s", (removed,))
    (finding,) = verify_log(database, heads, keys)
    assert "an entry before the one of" in finding.detail


@pytest.mark.server
def test_concurrent_writers_and_sealers_give_one_chain_with_every_entry(database: Database, tmp_path: Path) -> None:
    signer = Signer.from_file(tmp_path / "key.pem")
    users = Users(database, signer)

    def work(number: int) -> None:
        users.record(AccessEntry(at=SystemClock().now(), who=f"user-{number}", address="10.0.0.7", action="list_viewed"))
        if number % 5 == 0:
            seal_log(database)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(60)))
    assert seal_log(database).position == 60
    counts, keys = AuditCounts(), PublicKeys()
    keys.add(signer.public_key)
    assert list(verify_log(database, HeadFile(tmp_path / "heads.jsonl"), keys, counts)) == []
    assert (counts.entries["access"], counts.unsealed, counts.heads) == (60, 0, 0)


@pytest.mark.server
def test_rows_from_before_the_log_are_entered_and_need_no_signature(databases: TestDatabases, tmp_path: Path) -> None:
    with databases.create(migrated=False) as url:
        database = Database(url)
        migrate(database, [migration for migration in packaged_migrations() if migration.number < 3])
        message = a_violation_message()
        with database.transaction() as cursor:
            cursor.execute("INSERT INTO users (name, role, password_hash, created_at) VALUES ('rina', 'reviewer', 'hash', now())")
            cursor.execute("INSERT INTO access_log (at, who, address, action) VALUES ('2026-01-01', 'rina', '10.0.0.7', 'signed_in')")
        migrate(database)
        PostgresCases(database).add(message.violation, message.files)
        assert list(verify_log(database, HeadFile(tmp_path / "none"), PublicKeys())) == []
        PostgresCases(database).decide(a_decision(message.violation, decided_at=SystemClock().now()))
        (finding,) = verify_log(database, HeadFile(tmp_path / "none"), PublicKeys())
        assert (finding.fault, finding.detail) == ("forged", "decision 1: it is not signed")
        database.close()


@pytest.mark.server
def test_approvals_of_runs_from_before_they_were_logged_need_no_signature_and_later_ones_do(
    databases: TestDatabases, tmp_path: Path
) -> None:
    with databases.create(migrated=False) as url:
        database = Database(url)
        migrate(database, [migration for migration in packaged_migrations() if migration.number < 11])
        runs, message, now = PostgresRuns(database), a_violation_message(), SystemClock().now()
        runs.start("again", "simpang", "{}", "rudi", now)
        insert = "INSERT INTO run_approvals (run, approved_by, results) VALUES ('again', %(who)s, repeat('ab', 32))"
        with database.transaction() as cursor:
            cursor.execute(insert, {"who": "sari"})
        PostgresCases(database).add(message.violation, message.files)
        seal_log(database)
        migrate(database)
        assert list(verify_log(database, HeadFile(tmp_path / "none"), PublicKeys())) == []
        with database.transaction() as cursor:
            cursor.execute(insert, {"who": "dewi"})
        (finding,) = verify_log(database, HeadFile(tmp_path / "none"), PublicKeys())
        assert (finding.fault, finding.detail) == ("forged", "approval 2: it is not signed")
        database.close()


@pytest.mark.server
@pytest.mark.parametrize("statement", ["UPDATE sessions SET expires_at = now()", "UPDATE sessions SET user_name = 'dewi'"])
def test_a_session_is_only_seen_again_and_ended(office: Office, statement: str) -> None:
    with pytest.raises(psycopg2.errors.RaiseException, match="ended once"), office.database.undone() as cursor:
        cursor.execute(statement)


class FailingHeads(HeadFile):
    """A place that cannot be written."""

    def add(self, line: bytes) -> None:
        raise EvidenceUnavailable("the bucket is away")


@pytest.mark.server
def test_work_goes_on_and_what_was_not_exported_is_exported_later(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    signer, users = Signer.from_file(tmp_path / "key.pem"), Users(database)
    line = AccessEntry(at=SystemClock().now(), who="rina", address="10.0.0.7", action="list_viewed")
    failures: list[str] = []
    failing = HeadExporter(database, FailingHeads(tmp_path / "heads"), signer, SystemClock())
    with regular_exports(failing, every_s=60, on_failure=lambda: failures.append("failed")):
        users.record(line)
    assert failures
    assert "the bucket is away" in caplog.text
    heads = HeadFile(tmp_path / "heads")
    with regular_exports(HeadExporter(database, heads, signer, SystemClock()), every_s=60):
        users.record(line)
    assert [read_head(each).head.position for each in heads.lines()][-1] == 2


class TestHeads:
    @pytest.fixture(params=["file", "objects"])
    def heads(self, request: pytest.FixtureRequest, tmp_path: Path) -> HeadStore:
        return HeadFile(tmp_path / "else" / "heads.jsonl") if request.param == "file" else HeadObjects(MemoryEvidence())

    def test_heads_are_added_and_read(self, heads: HeadStore, tmp_path: Path) -> None:
        signer = Signer.from_file(tmp_path / "key.pem")
        assert list(heads.lines()) == []
        for position in (3, 7):
            heads.add(sign_head(LogHead(position=position, digest=Digest("ab" * 32)), BEGIN, signer))
        found = sorted((read_head(line) for line in heads.lines()), key=lambda each: each.head.position)
        assert [(each.head.position, each.signed_at, each.key) for each in found] == [
            (3, BEGIN, signer.fingerprint),
            (7, BEGIN, signer.fingerprint),
        ]

    @pytest.mark.parametrize("line", [b"", b"{}", b"[]", b"null", b'{"head": "{}", "public_key": "00", "signature": "00"}', b"\xff"])
    def test_what_is_no_head_is_an_error(self, line: bytes) -> None:
        with pytest.raises(EvidenceCorrupt):
            read_head(line)
