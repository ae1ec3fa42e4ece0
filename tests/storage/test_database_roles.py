"""The rights of each database role, tested in a real PostgreSQL as that role."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pytest

pytest.importorskip("psycopg2", reason="needs the `store` extra")

import psycopg2
from psycopg2.extensions import make_dsn, parse_dsn

from etle.errors import CaseTaken, ConfigError
from etle.signing import PublicKeys
from etle.storage.audit.heads import HeadFile
from etle.storage.audit.verify import AuditCounts, verify_log
from etle.storage.cases import PostgresCases
from etle.storage.checkpoints import PostgresCheckpoints, PostgresLosses
from etle.storage.database import Database
from etle.storage.evidence.verify import verify
from etle.storage.migrate import migrate
from etle.storage.roles import ROLES, grant_roles, roles_sql
from etle.storage.runs import PostgresRuns, RunCamera
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


ALL: Final = None
"""Every column."""
READS: Final[Mapping[str, Mapping[str, frozenset[str] | None]]] = {
    "etle_writer": {"migrations": ALL, "violations": frozenset({"id", "site", "camera", "rule", "occurred_at", "plate"})},
    "etle_reviewer": {
        **dict.fromkeys(["migrations", "violations", "evidence_files", "decisions", "queue", "losses", "access_log"], ALL),
        **dict.fromkeys(["case_states", "case_counts", "cameras", "proposals", "secrets", "campaigns"], ALL),
        **dict.fromkeys(["runs", "run_cameras", "run_violations", "promotions"], ALL),
        "users": frozenset({"name", "role", "created_at", "disabled_at"}),
        "sessions": frozenset({"token_digest", "user_name", "address", "created_at", "last_seen_at", "expires_at", "ended_at", "nonce"}),
    },
    "etle_reprocess": {
        **dict.fromkeys(["migrations", "runs", "run_cameras", "checkpoints"], ALL),
        "run_violations": frozenset({"run", "violation"}),
    },
    "etle_reader": {
        **dict.fromkeys(["migrations", "violations", "evidence_files", "decisions", "queue", "losses", "access_log"], ALL),
        **dict.fromkeys(["case_states", "case_counts", "cameras", "audit_log", "audit_inbox", "campaigns"], ALL),
        **dict.fromkeys(["runs", "run_cameras", "run_violations", "run_approvals", "promotions", "proposals", "watch_changes"], ALL),
        "users": frozenset({"name", "role", "created_at", "disabled_at", "nonce", "signature", "password_digest"}),
        "sessions": frozenset(
            {"token_digest", "user_name", "address", "created_at", "last_seen_at", "expires_at", "ended_at", "nonce", "signature"}
        ),
    },
}
"""What each role may read: columns by table."""
INSERTS: Final[Mapping[str, Mapping[str, frozenset[str] | None]]] = {
    "etle_writer": {
        "violations": ALL,
        "evidence_files": ALL,
        "queue": frozenset({"violation", "occurred_at"}),
        "losses": frozenset({"camera", "reason", "times", "counted_at"}),
    },
    "etle_reviewer": {},
    "etle_reader": {},
    "etle_reprocess": dict.fromkeys(["runs", "run_cameras", "run_violations", "checkpoints"], ALL),
}
UPDATES: Final[Mapping[str, Mapping[str, frozenset[str] | None]]] = {
    "etle_writer": {},
    "etle_reviewer": {"queue": frozenset({"reviewer", "expires_at", "ahead"})},
    "etle_reader": {},
    "etle_reprocess": {
        "runs": frozenset({"finished_at"}),
        "run_cameras": frozenset({"frames", "rejected", "busy_s", "finished_at"}),
        "checkpoints": frozenset({"position", "state", "saved_at"}),
    },
}
STATEMENTS: Final = {
    "SELECT": ("SELECT {column} FROM {table} LIMIT 0", READS),
    "INSERT": ("INSERT INTO {table} ({column}) VALUES (DEFAULT)", INSERTS),
    "UPDATE": ("UPDATE {table} SET {column} = DEFAULT WHERE false", UPDATES),
}
WHOLE: Final = (
    "DELETE FROM {table} WHERE false",
    "TRUNCATE {table}",
    "DROP TABLE {table}",
    "ALTER TABLE {table} DISABLE TRIGGER ALL",
    "LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE",
    "CREATE TRIGGER mine BEFORE INSERT ON {table} EXECUTE FUNCTION refuse_change()",
)
OWNER_ONLY: Final = ("DROP FUNCTION log_row() CASCADE", "CREATE TABLE etle.mine (x int)", "ALTER ROLE etle_reader CREATEROLE")


@pytest.fixture(scope="module")
def columns(owner: Database) -> Mapping[str, frozenset[str]]:
    """Columns by table, without the generated ones, which nobody can set."""
    with owner.transaction() as cursor:
        cursor.execute("SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'etle'")
        found: dict[str, set[str]] = {}
        for row in cursor.fetchall():
            found.setdefault(row.table_name, set()).add(row.column_name)
    return {table: frozenset(names) for table, names in found.items()}


def allowed(connection: Any, statement: str) -> bool:
    """Whether the role has the right; the statement may fail otherwise, and is undone."""
    with connection.cursor() as cursor:
        try:
            cursor.execute(statement)
        except psycopg2.errors.InsufficientPrivilege:
            return False
        except psycopg2.Error:
            return True  # a column without a default, a generated one, a check
        finally:
            connection.rollback()
    return True


@pytest.fixture
def connect(live_postgres: ServiceProcess) -> Iterator[Callable[[str], Any]]:
    opened: list[Any] = []

    def as_role(role: str) -> Any:
        opened.append(psycopg2.connect(make_dsn(live_postgres.address, dbname=NAME, user=role, options="-c search_path=etle")))
        return opened[-1]

    yield as_role
    for connection in opened:
        connection.close()


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("kind", STATEMENTS)
def test_a_role_has_the_rights_on_columns_that_are_listed_and_no_other(
    connect: Callable[[str], Any], columns: Mapping[str, frozenset[str]], role: str, kind: str
) -> None:
    statement, rights = STATEMENTS[kind]
    connection = connect(role)
    for table, names in columns.items():
        expected = rights[role].get(table, frozenset())
        found = {name for name in names if allowed(connection, statement.format(table=table, column=name))}
        assert found == (names if expected is ALL else expected), f"{kind} on {table}"


@pytest.mark.parametrize("role", ROLES)
def test_no_role_deletes_locks_or_changes_a_table(connect: Callable[[str], Any], columns: Mapping[str, frozenset[str]], role: str) -> None:
    connection = connect(role)
    for table in columns:
        for statement in WHOLE:
            assert not allowed(connection, statement.format(table=table)), statement.format(table=table)
    for statement in OWNER_ONLY:
        assert not allowed(connection, statement), statement


FUNCTIONS: Final = {
    "etle_writer": {"seal_audit_log"},
    "etle_reviewer": {
        *("seal_audit_log", "add_access", "add_decision", "password_parameters", "password_matches", "open_session"),
        *("continue_session", "end_session"),
    },
    "etle_reader": set[str](),
    "etle_reprocess": set[str](),
}
"""Functions that run with the owner's rights, by the roles that may call them."""


@pytest.mark.parametrize("role", ROLES)
def test_a_role_calls_the_functions_that_are_listed_and_no_other(owner: Database, role: str) -> None:
    with owner.transaction() as cursor:
        cursor.execute(
            "SELECT proname FROM pg_proc WHERE pronamespace = 'etle'::regnamespace AND prosecdef AND prorettype <> 'trigger'::regtype"
            " AND has_function_privilege(%(role)s, oid, 'EXECUTE')",
            {"role": role},
        )
        assert {row.proname for row in cursor.fetchall()} == FUNCTIONS[role]


class TestPages:
    """What a web host with the role `etle_reviewer` can make of its functions."""

    @pytest.fixture
    def pages(self, as_role: Callable[[str], Database]) -> Database:
        return as_role("etle_reviewer")

    @pytest.fixture
    def session(self, owner: Database) -> Iterator[str]:
        """Of rina, opened by the owner."""
        token, now = uuid4().hex * 2, datetime.now(UTC)
        Users(owner).open_session(token, "rina", "10.0.0.7", at=now, expires_at=now + timedelta(hours=1))
        yield token
        Users(owner).end_session(token, datetime.now(UTC))

    def test_a_session_needs_the_hash_of_the_password(self, pages: Database) -> None:
        users, now = Users(pages), datetime.now(UTC)
        assert users.password_parameters("rina") == "AAAA"
        for wrong in ("AAAA", "other", None):
            assert not users.open_session(uuid4().hex * 2, "rina", "10.0.0.7", now, now, wrong)
        token = uuid4().hex * 2
        assert users.open_session(token, "rina", "10.0.0.7", BEGIN, now + timedelta(days=99 * 365), "hash")
        user = users.signed_in(token, BEGIN, idle=timedelta(minutes=5))
        assert user is not None and user.name == "rina"
        with pages.transaction() as cursor:
            cursor.execute(
                "SELECT created_at, expires_at - created_at AS lasts FROM sessions WHERE address = '10.0.0.7' ORDER BY created_at"
            )
            opened = cursor.fetchall()[-1]
        assert abs(opened.created_at - now) < timedelta(minutes=1) and opened.lasts == timedelta(hours=10)
        users.end_session(token, BEGIN)
        assert users.signed_in(token, now, idle=timedelta(minutes=5)) is None

    def test_lines_of_the_log_carry_the_name_of_the_session_and_the_time_of_the_database(self, pages: Database, session: str) -> None:
        users = Users(pages)
        line = AccessEntry(at=BEGIN, who="rina", address="10.0.0.7", action="list_viewed")
        users.record(line, session=session)
        assert abs(users.entries(who="rina")[0].at - datetime.now(UTC)) < timedelta(minutes=1)
        for who, given in (("dewi", session), ("rina", None), ("rina", "0" * 64)):
            with pytest.raises(ConfigError, match="needs a session"):
                users.record(replace(line, who=who), session=given)
        users.record(replace(line, who="anybody", action="sign_in_failed"))

    def test_decisions_carry_the_name_of_the_session_and_the_time_of_the_database(
        self, owner: Database, pages: Database, session: str
    ) -> None:
        message = a_violation_message(f"decided {uuid4()}")
        PostgresCases(owner).add(message.violation, message.files)
        cases = PostgresCases(pages)
        for reviewer, given in (("dewi", session), ("rina", None), ("rina", "0" * 64)):
            with pytest.raises(ConfigError, match="needs a session"):
                cases.decide(a_decision(message.violation, reviewer=reviewer), any_lease=True, session=given)
        cases.decide(a_decision(message.violation, reviewer="rina", decided_at=BEGIN), any_lease=True, session=session)
        (decision,) = cases.decisions(message.violation.id)
        assert abs(decision.decided_at - datetime.now(UTC)) < timedelta(minutes=1)

    def test_a_role_that_decides_nothing_decides_nothing(self, owner: Database, pages: Database) -> None:
        users, now, token = Users(owner), datetime.now(UTC), uuid4().hex * 2
        users.add(f"agus-{token[:6]}", UserRole.AUDITOR, "hash", now)
        users.open_session(token, f"agus-{token[:6]}", "10.0.0.7", at=now, expires_at=now + timedelta(hours=1))
        message = a_violation_message()
        with pytest.raises(ConfigError, match="who decides cases"):
            PostgresCases(pages).decide(a_decision(message.violation, reviewer=f"agus-{token[:6]}"), session=token)

    def test_a_lease_is_for_somebody_who_is_signed_in_and_ends_within_the_hour(
        self, owner: Database, pages: Database, session: str
    ) -> None:
        message = a_violation_message(f"leased {uuid4()}")
        PostgresCases(owner).add(message.violation, message.files)
        lease = "UPDATE queue SET reviewer = %(name)s, expires_at = '2099-01-01' WHERE violation = %(id)s RETURNING expires_at"
        with pytest.raises(ConfigError, match="is not signed in"), pages.transaction() as cursor:
            cursor.execute(lease, {"name": "nobody", "id": str(message.violation.id)})
        with pages.transaction() as cursor:
            cursor.execute(lease, {"name": "rina", "id": str(message.violation.id)})
            assert cursor.fetchone().expires_at < datetime.now(UTC) + timedelta(minutes=61)
            cursor.execute("UPDATE queue SET reviewer = NULL, expires_at = NULL")


def test_the_writer_cannot_set_times(owner: Database, as_role: Callable[[str], Database]) -> None:
    message = a_violation_message(f"written {uuid4()}")
    PostgresCases(as_role("etle_writer"), ManualClock(BEGIN)).add(message.violation, message.files)
    PostgresLosses(as_role("etle_writer")).add(CameraId("cam-7"), "gap", 3, BEGIN)
    case = PostgresCases(owner).case(message.violation.id)
    assert case is not None and abs(case.recorded_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert "cam-7" in PostgresLosses(owner).totals(datetime.now(UTC) - timedelta(minutes=1))


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
    message, now = a_violation_message("to review"), datetime.now(UTC)
    PostgresCases(owner).add(message.violation, message.files)
    database = as_role("etle_reviewer")
    cases, users = PostgresCases(database), Users(database)
    migrate(database)
    token = uuid4().hex * 2
    assert users.open_session(token, "rina", "127.0.0.1", now, now + timedelta(hours=1), "hash")
    assert users.signed_in(token, at=now, idle=timedelta(minutes=5)) is not None
    looked = AccessEntry(at=now, who="rina", address="127.0.0.1", action="case_viewed", violation=message.violation.id)
    users.record(looked, session=token)
    assert users.entries() and users.users() and users.reviewers() and users.form_secret()
    assert users.sign_in_failures("rina", "127.0.0.1", since=BEGIN, known_since=BEGIN).known_address
    while (taken := cases.take_next("rina", now)) is not None:
        with pytest.raises(CaseTaken):
            cases.decide(a_decision(taken.violation, reviewer="dewi", decided_at=now), session=token)
        cases.decide(a_decision(taken.violation, reviewer="rina", decided_at=now), session=token)
    cases.release("rina")
    assert cases.counts().open == 0
    assert len(cases.decisions(message.violation.id)) == 1
    assert cases.cases(state="open") == () and cases.tally("rina", since=BEGIN).decided >= 1
    users.end_session(token, at=now)


def test_the_reader_role_is_sufficient_to_verify_and_list(as_role: Callable[[str], Database]) -> None:
    cases = PostgresCases(as_role("etle_reader"))
    migrate(as_role("etle_reader"))
    assert cases.cases()
    assert list(verify(cases, MemoryEvidence(), PublicKeys()))


def test_the_reader_role_is_sufficient_to_verify_the_audit_log(as_role: Callable[[str], Database], tmp_path: Path) -> None:
    counts = AuditCounts()
    found = {finding.detail for finding in verify_log(as_role("etle_reader"), HeadFile(tmp_path / "none"), PublicKeys(), counts)}
    assert "decision 1: it is not signed" in found
    assert counts.entries["violation"] > 0


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
    assert tables - granted == set()


def test_the_commands_migrate_and_grant_rights(live_postgres: ServiceProcess, owner: Database, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"postgresql://etle@127.0.0.1:{live_postgres.port}/{NAME}"
    assert main(["database", "migrate", "--database", url]) == 0
    assert capsys.readouterr().out == "up to date\n"
    assert main(["database", "roles", "--database", url]) == 0
    assert "etle_writer, etle_reviewer, etle_reader, etle_reprocess" in capsys.readouterr().out
    assert main(["database", "roles", "--print"]) == 0
    assert capsys.readouterr().out == roles_sql()
    assert main(["database", "roles", "--database", url.replace("etle@", "etle_reader@")]) == 1
    assert "does not let etle_reader do that" in capsys.readouterr().err
    assert parse_dsn(url)["dbname"] == NAME


def test_a_reprocess_worker_does_all_its_work_with_its_role(as_role: Callable[[str], Database]) -> None:
    database, found = as_role("etle_reprocess"), a_violation_message("again").violation
    runs, checkpoints = PostgresRuns(database), PostgresCheckpoints(database)
    with runs.camera_lock("again", found.camera) as free:
        assert free and runs.start("again", found.site, "{}", "sari", BEGIN)
        for frames in (1, 2):
            runs.save_progress("again", RunCamera(camera=found.camera, frames=frames), "run/again/cam", frames, b"state")
            assert runs.add_violation("again", found, BEGIN) == (frames == 1)
        runs.save_camera("again", RunCamera(camera=found.camera, frames=2, finished_at=BEGIN))
        runs.finish("again", BEGIN)
    stored = runs.run("again")
    assert stored is not None and stored.finished_at == BEGIN and stored.violations == 1
    assert checkpoints.load("run/again/cam") == (2, b"state") and runs.has_violation("again", found.id)
