"""Migrates the database to the schema of this version of etle.

The migrations are the numbered files in `migrations/`. Each is applied once; all pending ones are applied in one transaction. Applied
migrations are recorded with their digest: one that was edited afterwards, or that this version does not know, is an error.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Final

from etle.errors import ConfigError
from etle.storage.database import Cursor, Database
from etle.storage.queries import sql
from etle.types import Digest, digest_of

LOCK_KEY: Final = 0x65746C65
"""Of the advisory lock. Every version must use the same number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    number: int
    name: str
    sql: str

    @property
    def digest(self) -> Digest:
        return digest_of(self.sql.encode())


def packaged_migrations() -> tuple[Migration, ...]:
    """The migrations that ship with etle, in order."""
    files = (file for file in resources.files("etle.storage").joinpath("migrations").iterdir() if file.name.endswith(".sql"))
    texts = {file.name: file.read_text(encoding="utf-8").replace("\r\n", "\n") for file in files}
    return tuple(Migration(number=int(name.partition("_")[0]), name=name, sql=sql) for name, sql in sorted(texts.items()))


def migrate(database: Database, migrations: Sequence[Migration] | None = None) -> tuple[str, ...]:
    """Apply the pending migrations and return their names.

    Raises ConfigError if a migration that was applied to the database is unknown or has been changed.
    """
    known = packaged_migrations() if migrations is None else tuple(migrations)
    database.check_usable()
    with database.transaction() as cursor:
        if not _pending(known, _applied(cursor)):
            return ()
    with database.transaction() as cursor:
        cursor.execute(sql("lock_migrations"), {"key": LOCK_KEY})
        cursor.execute(sql("create_migrations"))
        pending = _pending(known, _applied(cursor))
        for migration in pending:
            cursor.execute(migration.sql)
            cursor.execute(sql("insert_migration"), {"number": migration.number, "name": migration.name, "digest": migration.digest})
    return tuple(migration.name for migration in pending)


def pending_migrations(database: Database) -> tuple[str, ...]:
    """What `migrate` would apply; raises the same errors and changes nothing."""
    with database.transaction() as cursor:
        return tuple(migration.name for migration in _pending(packaged_migrations(), _applied(cursor)))


def _applied(cursor: Cursor) -> Mapping[int, tuple[str, Digest]]:
    """Name and digest by number; empty for a new database."""
    cursor.execute(sql("migrations_exist"))
    if not cursor.fetchone().exist:
        return {}
    cursor.execute(sql("select_migrations"))
    return {row.number: (row.name, Digest(row.digest)) for row in cursor.fetchall()}


def _pending(known: Sequence[Migration], applied: Mapping[int, tuple[str, Digest]]) -> tuple[Migration, ...]:
    by_number = {migration.number: migration for migration in known}
    if len(by_number) < len(known):
        raise ConfigError("two migrations have the same number: " + ", ".join(migration.name for migration in known))
    for number, (name, digest) in sorted(applied.items()):
        if number not in by_number:
            raise ConfigError(
                f"the database is newer than this version of etle, which does not know its migration {name}. Install the newer version."
            )
        if by_number[number].digest != digest:
            raise ConfigError(
                f"the migration {by_number[number].name} was changed after it had been applied to this database."
                " Restore the file, and write the change as a new migration."
            )
    return tuple(migration for migration in known if migration.number not in applied)
