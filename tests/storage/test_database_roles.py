"""The rights of each database role, tested in a real PostgreSQL as that role."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

pytest.importorskip("psycopg2", reason="needs the `store` extra")

import psycopg2
from psycopg2.extensions import make_dsn, parse_dsn

from etle.errors import CaseTaken, ConfigError
from etle.signing import PublicKeys
from etle.storage.cases import PostgresCases
from etle.storage.checkpoints import PostgresLosses
from etle.storage.database import Database
from etle.storage.evidence.verify import verify
from etle.storage.migrate import migrate
from etle.storage.roles import ROLES, grant_roles, roles_sql
from etle.storage.users import AccessEntry, UserRole, Users
from etle.testing import BEGIN, ManualClock, MemoryEvidence, a_decision, a_file, a_violation_message
from etle.types import CameraId
from etle_cli.main import main
from pipeline.evidence.writer import Writer
from services import ServiceProcess

NAME = "roles_of_etle"


@pytest.fixture(scope="module")
def owner(live_postgres: ServiceProcess) -> Iterator[Database]:
    server = Database(live_postgres.address)
    connection = psycopg2.connect(live_postgres.address)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {NAME}")
        cursor.execute(f"CREATE DATABASE {NAME}")
    connection.close()
    server.close()
    database = Database(make_dsn(live_postgres.address, dbname=NAME))
    migrate(database)
    grant_roles(database)
    with database.transaction() as cursor:
        for role in ROLES:
            cursor.execute(f"ALTER ROLE {role} LOGIN")
    PostgresCases(database).add(a_violation_message().violation, a_violation_message().files)
    Users(database).add("rina", UserRole.REVIEWER, "hash", BEGIN)
    PostgresCases(database).decide(a_decision(a_violation_message().violation, reviewer="rina"))
    yield database
    database.close()


@pytest.fixture
def as_role(owner: Database, live_postgres: ServiceProcess) -> Iterator[Callable[[str], Database]]:
    opened: list[Database] = []

    def connect(role: str) -> Database:
        opened.append(Database(make_dsn(live_postgres.address, dbname=NAME, user=role)))
        return opened[-1]

    yield connect
    for database in opened:
        database.close()


DECIDE = "INSERT INTO decisions (violation, verdict, note, reviewer, decided_at) SELECT id, 'warn', '', 'x', now() FROM violations"
FORBIDDEN = [
    "UPDATE decisions SET note = 'another'",
    "DELETE FROM decisions",
    "TRUNCATE decisions",
    "UPDATE violations SET plate = 'B 1 A'",
    "DELETE FROM violations",
    "DELETE FROM evidence_files",
    "UPDATE evidence_files SET bytes = 0",
    "UPDATE access_log SET who = 'nobody'",
    "DELETE FROM access_log",
    "UPDATE users SET role = 'admin'",
    "INSERT INTO users (name, role, password_hash, created_at) VALUES ('eve', 'admin', 'x', now())",
    "DROP TABLE decisions",
    "ALTER TABLE decisions DISABLE TRIGGER ALL",
    "DROP TRIGGER decisions_stay ON decisions",
    "CREATE TABLE etle.mine (x int)",
    "UPDATE migrations SET digest = ''",
]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("sql", FORBIDDEN)
def test_no_role_may_change_or_delete_stored_rows(as_role: Callable[[str], Database], role: str, sql: str) -> None:
    with pytest.raises(ConfigError, match=rf"does not let {role} do that"), as_role(role).transaction() as cursor:
        cursor.execute(sql)


@pytest.mark.parametrize(
    ("role", "sql"),
    [
        ("etle_writer", DECIDE),
        ("etle_writer", "SELECT * FROM access_log"),
        ("etle_writer", "SELECT password_hash FROM users"),
        ("etle_writer", "DELETE FROM queue"),
        ("etle_reviewer", "INSERT INTO queue (violation, occurred_at) SELECT id, now() FROM violations"),
        ("etle_reviewer", "INSERT INTO evidence_files SELECT violation, digest, suffix, 1 FROM evidence_files"),
        ("etle_reviewer", "UPDATE sessions SET user_name = 'rina'"),
        ("etle_reader", DECIDE),
        ("etle_reader", "SELECT password_hash FROM users"),
        ("etle_reader", "SELECT token_hash FROM sessions"),
        ("etle_reader", "UPDATE queue SET reviewer = NULL"),
    ],
)
def test_a_role_has_no_rights_of_other_roles(as_role: Callable[[str], Database], role: str, sql: str) -> None:
    with pytest.raises(ConfigError, match="does not let"), as_role(role).transaction() as cursor:
        cursor.execute(sql)


def test_the_writer_adds_violations_and_losses_once(as_role: Callable[[str], Database]) -> None:
    cases, message, again = PostgresCases(as_role("etle_writer")), a_violation_message("written"), a_violation_message("again")
    migrate(as_role("etle_writer"))
    writer = Writer(cases, MemoryEvidence(), lambda violation, files: a_file(str(violation.id).encode(), ".manifest"))
    assert writer.put(message)
    assert not writer.put(message)
    assert cases.add(again.violation, again.files)
    assert not cases.add(again.violation, again.files)
    PostgresLosses(as_role("etle_writer")).add(CameraId("cam-1"), "gap", 3, BEGIN)


def test_the_reviewer_role_is_sufficient_for_the_review_pages(owner: Database, as_role: Callable[[str], Database]) -> None:
    message, clock = a_violation_message("to review"), ManualClock(BEGIN + timedelta(hours=1))
    PostgresCases(owner).add(message.violation, message.files)
    database = as_role("etle_reviewer")
    cases, users = PostgresCases(database, clock), Users(database)
    migrate(database)
    token = "0" * 64
    users.open_session(token, "rina", "127.0.0.1", at=clock.now(), expires_at=clock.now() + timedelta(hours=1))
    assert users.signed_in(token, at=clock.now(), idle=timedelta(minutes=5)) is not None
    users.record(AccessEntry(at=clock.now(), who="rina", address="127.0.0.1", action="look", violation=message.violation.id, detail=""))
    assert users.entries() and users.users() and users.password_hash("rina") == "hash"
    while (taken := cases.take_next("rina", clock.now())) is not None:
        with pytest.raises(CaseTaken):
            cases.decide(a_decision(taken.violation, reviewer="dewi", decided_at=clock.now()))
        cases.decide(a_decision(taken.violation, reviewer="rina", decided_at=clock.now()))
    cases.release("rina")
    assert cases.counts().open == 0
    assert len(cases.decisions(message.violation.id)) == 1
    assert cases.cases(state="open") == () and cases.tally("rina", since=BEGIN).decided >= 1
    users.end_session(token, at=clock.now())


def test_the_reader_role_is_sufficient_to_verify_and_list(as_role: Callable[[str], Database]) -> None:
    cases = PostgresCases(as_role("etle_reader"))
    migrate(as_role("etle_reader"))
    assert cases.cases()
    assert list(verify(cases, MemoryEvidence(), PublicKeys()))


def test_granting_again_revokes_additional_rights(owner: Database, as_role: Callable[[str], Database]) -> None:
    with owner.transaction() as cursor:
        cursor.execute("GRANT DELETE ON decisions TO etle_reviewer; GRANT ALL ON violations TO PUBLIC")
    grant_roles(owner)
    for sql in ("DELETE FROM decisions", "UPDATE violations SET plate = 'B 1 A'"):
        with pytest.raises(ConfigError, match="does not let etle_reviewer"), as_role("etle_reviewer").transaction() as cursor:
            cursor.execute(sql)


def test_every_table_is_granted_to_a_role_or_listed_as_owner_only(owner: Database) -> None:
    with owner.transaction() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'etle'")
        tables = {row[0] for row in cursor.fetchall()}
    granted = set(re.findall(r"etle\.(\w+)", "\n".join(line for line in roles_sql().splitlines() if line.startswith("GRANT"))))
    assert tables - granted == {"checkpoints"}  # used by the embedded profile only, which connects as the owner


def test_the_commands_migrate_and_grant_rights(live_postgres: ServiceProcess, owner: Database, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"postgresql://etle@127.0.0.1:{live_postgres.port}/{NAME}"
    assert main(["database", "migrate", "--database", url]) == 0
    assert capsys.readouterr().out == "up to date\n"
    assert main(["database", "roles", "--database", url]) == 0
    assert "etle_writer, etle_reviewer, etle_reader" in capsys.readouterr().out
    assert main(["database", "roles", "--print"]) == 0
    assert capsys.readouterr().out == roles_sql()
    assert main(["database", "roles", "--database", url.replace("etle@", "etle_reader@")]) == 1
    assert "does not let etle_reader do that" in capsys.readouterr().err
    assert parse_dsn(url)["dbname"] == NAME
