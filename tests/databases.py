"""One embedded PostgreSQL for a whole test run, and databases in it that are copies of a migrated template."""

import fcntl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from uuid import uuid4

import psycopg2
from psycopg2.extensions import make_dsn

from etle.storage.database import Database
from etle.storage.embedded import EmbeddedPostgres
from etle.storage.migrate import migrate

TEMPLATE: Final = "etle_template"


class TestDatabases:
    """The server in `folder`, which several processes may use at once; the last one to close stops it."""

    __test__ = False

    def __init__(self, folder: Path) -> None:
        folder.parent.mkdir(parents=True, exist_ok=True)
        self._closing = ExitStack()
        self._server = self._closing.enter_context(EmbeddedPostgres(folder))
        with (folder.parent / f"{folder.name}-template.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._make_template()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._closing.close()

    @property
    def server_url(self) -> str:
        """The server's own database, for tests about the server and its roles."""
        return self._server.url

    @contextmanager
    def create(self, *, migrated: bool = True) -> Iterator[str]:
        """URL of a database that exists until the end of the block; empty if not `migrated`."""
        name = f"test_{uuid4().hex}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE if migrated else 'template0'}")
        try:
            yield self.url_of(name)
        finally:
            self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _make_template(self) -> None:
        if self._execute(f"SELECT 1 FROM pg_database WHERE datname = '{TEMPLATE}'"):
            return
        self._execute(f"CREATE DATABASE {TEMPLATE}_new")
        database = Database(self.url_of(f"{TEMPLATE}_new"))
        migrate(database)
        database.close()
        self._execute(f"ALTER DATABASE {TEMPLATE}_new RENAME TO {TEMPLATE}")

    def url_of(self, name: str) -> str:
        return make_dsn(self._server.url, dbname=name)

    def _execute(self, statement: str) -> bool:
        """Whether there were rows. CREATE and DROP DATABASE work outside a transaction only."""
        connection = psycopg2.connect(self._server.url)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.description is not None and cursor.fetchone() is not None
        finally:
            connection.close()
