"""Brings the database to the shape that this version of etle works with.

The steps are the numbered files in `migrations/`, each applied once, all pending ones in one transaction. What was applied is
remembered with its digest: a step that was edited afterwards, or one that this version does not know, is refused.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Final

from etle.errors import ConfigError
from etle.storage.database import SCHEMA, Database
from etle.types import Digest, digest_of

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor  # noqa: N812  (the driver's class has a small initial)

LOCK: Final = 0x65746C65
"""Any number will do, as long as every etle takes the same: two that start together migrate one after the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    number: int
    name: str
    sql: str

    @property
    def digest(self) -> Digest:
        return digest_of(self.sql.encode())


def packaged_migrations() -> tuple[Migration, ...]:
    """The steps that ship with etle, in order."""
    files = (file for file in resources.files("etle.storage").joinpath("migrations").iterdir() if file.name.endswith(".sql"))
    texts = {file.name: file.read_text(encoding="utf-8").replace("\r\n", "\n") for file in files}
    return tuple(Migration(number=int(name.partition("_")[0]), name=name, sql=sql) for name, sql in sorted(texts.items()))


def migrate(database: Database, migrations: Sequence[Migration] | None = None) -> tuple[str, ...]:
    """Applies what is missing and names it. Raises ConfigError if what was applied is not what is known here."""
    known = packaged_migrations() if migrations is None else tuple(migrations)
    with database.transaction() as cursor:
        if not _pending(known, _applied(cursor)):
            return ()
    with database.transaction() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        _lay_ground(cursor)
        pending = _pending(known, _applied(cursor))
        for migration in pending:
            cursor.execute(migration.sql)
            cursor.execute(
                "INSERT INTO migrations (number, name, digest) VALUES (%s, %s, %s)", (migration.number, migration.name, migration.digest)
            )
    return tuple(migration.name for migration in pending)


def pending_migrations(database: Database) -> tuple[str, ...]:
    """What `migrate` would apply. Raises as it does, and changes nothing."""
    with database.transaction() as cursor:
        return tuple(migration.name for migration in _pending(packaged_migrations(), _applied(cursor)))


def _lay_ground(cursor: "Cursor") -> None:
    cursor.execute(
        f"CREATE SCHEMA IF NOT EXISTS {SCHEMA};"
        " CREATE TABLE IF NOT EXISTS migrations (number integer PRIMARY KEY, name text NOT NULL, digest text NOT NULL,"
        " applied_at timestamptz NOT NULL DEFAULT now())"
    )


def _applied(cursor: "Cursor") -> Mapping[int, tuple[str, str]]:
    """Name and digest by number; empty for a new database."""
    cursor.execute("SELECT to_regclass(%s)", (f"{SCHEMA}.migrations",))
    if cursor.fetchone() == (None,):
        return {}
    cursor.execute("SELECT number, name, digest FROM migrations")
    return {number: (name, digest) for number, name, digest in cursor.fetchall()}


def _pending(known: Sequence[Migration], applied: Mapping[int, tuple[str, str]]) -> tuple[Migration, ...]:
    by_number = {migration.number: migration for migration in known}
    if len(by_number) < len(known):
        raise ConfigError("two migrations have the same number: " + ", ".join(migration.name for migration in known))
    for number, (name, digest) in sorted(applied.items()):
        if number not in by_number:
            raise ConfigError(
                f"the database has had {name}, which this etle does not know: it is older than the database. Install the newer one."
            )
        if by_number[number].digest != digest:
            raise ConfigError(
                f"migration {by_number[number].name} was changed after it had been applied to this database."
                " Restore the file, and write the change as a new migration."
            )
    return tuple(migration for migration in known if migration.number not in applied)
