"""Migrations: applied once, checked against their history, and a database of any earlier schema keeps its rows."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

import pytest
from databases import TestDatabases

pytest.importorskip("psycopg2", reason="needs the `store` extra")

import psycopg2
from psycopg2.extensions import parse_dsn

from etle.errors import ConfigError, StoreUnavailable, ValueRejected
from etle.storage.cases import PostgresCases
from etle.storage.checkpoints import PostgresCheckpoints, PostgresLosses
from etle.storage.database import Database
from etle.storage.migrate import Migration, migrate, packaged_migrations, pending_migrations
from etle.storage.users import UserRole, Users
from etle.testing import BEGIN, a_decision, a_violation_message
from etle.types import Verdict
from etle.wire import violation_to_json

DECIDED, OPEN = a_violation_message("decided"), a_violation_message("open", occurred_at=BEGIN + timedelta(minutes=1))
TOKEN: Final = "0" * 64
VALUES: Final = {
    "decided": str(DECIDED.violation.id),
    "decided_document": violation_to_json(DECIDED.violation),
    "open": str(OPEN.violation.id),
    "open_document": violation_to_json(OPEN.violation),
    "at": BEGIN,
    "later": BEGIN + timedelta(hours=1),
    "digest": DECIDED.files[0].sha256,
    "token": TOKEN,
}
ROWS: Final[Mapping[int, Sequence[str]]] = {
    1: (
        "INSERT INTO violations (id, site, camera, rule, occurred_at, plate, vehicle, document, recorded_at) VALUES"
        " (%(decided)s, 'simpang', 'cam-1', 'red_light', %(at)s, 'B1432GMC', 'car', %(decided_document)s, %(at)s),"
        " (%(open)s, 'simpang', 'cam-1', 'red_light', %(at)s, 'B1432GMC', 'car', %(open_document)s, %(at)s)",
        "INSERT INTO evidence_files (violation, digest, suffix, bytes) VALUES (%(decided)s, %(digest)s, '.jpg', 7)",
        "INSERT INTO decisions (violation, verdict, reason, plate_text, note, reviewer, decided_at, seconds_taken)"
        " VALUES (%(decided)s, 'reject', 'no_violation', 'B1432GMC', '', 'rina', %(at)s, 5.0)",
        "INSERT INTO queue (violation, occurred_at) VALUES (%(open)s, %(at)s)",
        "INSERT INTO checkpoints (stream, position, state) VALUES ('tes/cam-1', 17, 'state')",
        "INSERT INTO losses (camera, reason, times, counted_at) VALUES ('cam-1', 'gap', 3, %(at)s)",
    ),
    2: (
        "INSERT INTO users (name, role, password_hash, created_at) VALUES ('rina', 'reviewer', 'hash', %(at)s)",
        "INSERT INTO sessions (token_hash, user_name, address, created_at, last_seen_at, expires_at)"
        " VALUES (%(token)s, 'rina', '127.0.0.1', %(at)s, %(at)s, %(later)s)",
        "INSERT INTO access_log (at, who, address, action, violation) VALUES (%(at)s, 'rina', '127.0.0.1', 'look', %(open)s)",
    ),
    3: ("INSERT INTO case_counts (state, rule, cases) VALUES ('open', 'red_light', 0)",),
    4: ("INSERT INTO losses (camera, reason, times, counted_at) VALUES ('cam-2', 'gap', 1, %(at)s)",),  # logged in audit_inbox
    5: (
        "INSERT INTO runs (name, site, plan, started_by, started_at) VALUES ('again', 'simpang', '{}', 'sari', %(at)s)",
        "INSERT INTO run_cameras (run, camera, frames, rejected, busy_s) VALUES ('again', 'cam-1', 7, 1, 2.5)",
        "INSERT INTO run_violations (run, violation, camera, rule, occurred_at, plate, document, recorded_at) VALUES"
        " ('again', %(open)s, 'cam-1', 'red_light', %(at)s, 'B1432GMC', %(open_document)s, %(at)s)",
    ),
    7: (
        "INSERT INTO run_approvals (run, approved_by, results) VALUES ('again', 'sari', %(token)s), ('again', 'agus', %(token)s)",
        "INSERT INTO promotions (run, requested_by, approved_by, results, cases_added, proposed) VALUES"
        " ('again', 'sari', 'agus', %(token)s, 0, 1)",
        "INSERT INTO proposals (violation, run, changed) VALUES (%(decided)s, 'again', '{missing}')",
    ),
    14: (
        "INSERT INTO watch_changes (plate, change, reason, source, valid_until, changed_by)"
        " VALUES ('B1432GMC', 'listed', 'stolen', 'LP/B/77', '2027-01-01', 'sari')",
    ),
    16: ("INSERT INTO campaigns (campaign, document, added_by, added_at) VALUES ('zebra', NULL, 'sari', %(at)s)",),
}
"""By migration number: rows for every table that the migration creates, as the version of that time wrote them. Add to it with each
migration that creates a table; never change what is here."""


@pytest.fixture
def database(databases: TestDatabases) -> Iterator[Database]:
    """Without any migration."""
    with databases.create(migrated=False) as url:
        opened = Database(url)
        yield opened
        opened.close()


def rows(database: Database, query: str) -> list[Any]:
    with database.transaction() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def fill(database: Database, number: int) -> None:
    """Insert the rows of that version, and check that no table is left empty."""
    with database.transaction() as cursor:
        for statement in ROWS.get(number, ()):
            cursor.execute(statement, VALUES)
    tables = [row.tablename for row in rows(database, "SELECT tablename FROM pg_tables WHERE schemaname = 'etle'")]
    empty = [table for table in tables if not rows(database, f"SELECT FROM {table} LIMIT 1")]
    assert not empty, f"ROWS[{number}] has no rows for {empty}"


@pytest.mark.parametrize("number", [migration.number for migration in packaged_migrations()])
def test_rows_of_an_earlier_schema_are_kept_and_readable(database: Database, number: int) -> None:
    earlier = tuple(migration for migration in packaged_migrations() if migration.number <= number)
    later = tuple(migration.name for migration in packaged_migrations() if migration.number > number)
    for index, migration in enumerate(earlier):
        migrate(database, earlier[: index + 1])
        fill(database, migration.number)
    assert pending_migrations(database) == later
    assert migrate(database) == later

    cases = PostgresCases(database)
    decided, queued = cases.case(DECIDED.violation.id), cases.case(OPEN.violation.id)
    assert decided is not None and decided.violation == DECIDED.violation
    assert decided.decisions == (a_decision(DECIDED.violation, Verdict.REJECT),)
    assert queued is not None and queued.violation == OPEN.violation and queued.state is None
    assert (cases.counts().open, cases.counts().verdicts[Verdict.REJECT]) == (1, 1)
    taken = cases.take_next("rina", BEGIN)
    assert taken is not None and taken.violation.id == OPEN.violation.id
    assert [file.sha256 for filed in cases.with_files(limit=9) for file in filed.files] == [DECIDED.files[0].sha256]
    assert PostgresCheckpoints(database).load("tes/cam-1") == (17, b"state")
    assert PostgresLosses(database).totals(BEGIN)["cam-1"] == {"gap": 3}
    if number >= 2:
        users = Users(database)
        user = users.signed_in(TOKEN, BEGIN + timedelta(minutes=1), idle=timedelta(minutes=30))
        assert user is not None and (user.name, user.role) == ("rina", UserRole.REVIEWER)
        assert [(entry.who, entry.violation) for entry in users.entries()] == [("rina", OPEN.violation.id)]
        assert users.password_hash("rina") == "hash"


def test_migrations_are_applied_once_and_their_history_is_checked(database: Database) -> None:
    migrations = packaged_migrations()
    assert migrate(database) == tuple(migration.name for migration in migrations)
    assert migrate(database) == ()
    with pytest.raises(ConfigError, match="was changed after"):
        migrate(database, [Migration(number=1, name=migrations[0].name, sql="SELECT 1"), *migrations[1:]])
    with pytest.raises(ConfigError, match="newer than this version"):
        migrate(database, migrations[:1])


def changed(url: str, statement: str) -> None:
    """Run a statement on the server, outside of a transaction."""
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(statement)
    connection.close()


def test_a_database_that_becomes_read_only_is_waited_for(databases: TestDatabases) -> None:
    """A primary that became a standby, while a writer is connected."""
    with databases.create() as url:
        name, database = parse_dsn(url)["dbname"], Database(url)
        cases = PostgresCases(database)
        try:
            assert cases.add(DECIDED.violation, DECIDED.files)
            changed(databases.server_url, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
            changed(
                databases.server_url,
                f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name}' AND pid <> pg_backend_pid()",
            )
            with pytest.raises(StoreUnavailable, match="takes no writes"):
                cases.add(OPEN.violation, OPEN.files)
            with pytest.raises(StoreUnavailable, match="takes no writes"):
                database.check_usable()
            with pytest.raises(StoreUnavailable, match="takes no writes"):
                migrate(database)
            changed(databases.server_url, f"ALTER DATABASE {name} SET default_transaction_read_only = off")
            assert cases.add(OPEN.violation, OPEN.files)
        finally:
            database.close()


def test_a_database_that_cannot_store_every_name_is_refused(databases: TestDatabases) -> None:
    name = "test_latin1"
    changed(databases.server_url, f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'")
    database = Database(databases.url_of(name))
    try:
        with pytest.raises(ConfigError, match="has the encoding LATIN1"):
            migrate(database)
        with pytest.raises(ValueRejected, match="rejects a value"), database.transaction() as cursor:
            cursor.execute("CREATE TABLE IF NOT EXISTS t (name text); INSERT INTO t VALUES (%(name)s)", {"name": "Jalan Łódź 道"})
    finally:
        database.close()
        changed(databases.server_url, f"DROP DATABASE {name} WITH (FORCE)")


def test_a_database_without_the_schema_names_the_command(databases: TestDatabases) -> None:
    with databases.create(migrated=False) as url:
        database = Database(url)
        try:
            with pytest.raises(ConfigError, match="etle database migrate"), database.transaction() as cursor:
                cursor.execute("SELECT * FROM violations")
        finally:
            database.close()
