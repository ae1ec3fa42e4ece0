"""The connection to PostgreSQL; the one file that imports its driver.

A few connections are kept and lent for one transaction each. The server going away is a normal day: it is told as StoreUnavailable,
what was begun is rolled back by the server, and the next transaction connects anew.
"""

import selectors
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import BoundedSemaphore, Lock
from typing import TYPE_CHECKING, Final

from etle.errors import ConfigError, MissingExtra, StoreError, StoreUnavailable

try:
    import psycopg2
    import psycopg2.errors
    from psycopg2.extensions import parse_dsn
except ModuleNotFoundError as absent:
    raise MissingExtra("psycopg2", "store") from absent

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812  (the driver's class has a small initial)
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

SCHEMA: Final = "etle"
WAY_OUT: Final = "Is the server running, and is the address right (--database, ETLE_DATABASE)?"


class Database:
    """Connections to one PostgreSQL, at most `most` at a time. Made without connecting; safe to share between threads."""

    def __init__(self, url: str, *, most: int = 8, wait_s: float = 30) -> None:
        try:
            parts = parse_dsn(url)
        except psycopg2.ProgrammingError as error:
            raise ConfigError(
                f"the database address is not one: {_first_line(error)}. It looks like postgresql://user:password@host:5432/name"
            ) from error
        self.name: Final = f"{parts.get('host', 'this machine')}, database {parts.get('dbname', parts.get('user', ''))}"
        """Where it is, without the password."""
        self._user = parts.get("user", "this user")
        self._url = url
        self._wait_s = wait_s
        self._lent = BoundedSemaphore(most)
        self._lock = Lock()
        self._idle: list[Connection] = []
        self._closed = False

    @contextmanager
    def transaction(self) -> Iterator["Cursor"]:
        """A cursor whose work is kept when the block ends and undone when it raises. Tables need no schema before their name.

        Raises StoreUnavailable if the server is away or goes away, StoreError if it refuses a value as such,
        ConfigError if it does not let us.
        """
        if not self._lent.acquire(timeout=self._wait_s):
            raise StoreUnavailable(f"all connections to PostgreSQL ({self.name}) have been busy for {self._wait_s:g} s")
        try:
            connection = self._take()
            try:
                with self._translated(connection), connection, connection.cursor() as cursor:
                    yield cursor
            finally:
                self._give(connection)
        finally:
            self._lent.release()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _take(self) -> "Connection":
        while True:
            with self._lock:
                if not self._idle:
                    break
                connection = self._idle.pop()
            if _alive(connection):
                return connection
            connection.close()
        return self._connect()

    def _give(self, connection: "Connection") -> None:
        with self._lock:
            if not self._closed and not connection.closed and _settled(connection):
                self._idle.append(connection)
                return
        connection.close()

    def _connect(self) -> "Connection":
        try:
            connection = psycopg2.connect(self._url, connect_timeout=10, application_name="etle")
            with connection, connection.cursor() as cursor:
                cursor.execute(f"SET search_path TO {SCHEMA}; SET timezone TO 'UTC'")
        except psycopg2.OperationalError as error:
            raise StoreUnavailable(f"PostgreSQL ({self.name}) cannot be reached: {_first_line(error)}. {WAY_OUT}") from error
        return connection

    @contextmanager
    def _translated(self, connection: "Connection") -> Iterator[None]:
        try:
            yield
        except psycopg2.OperationalError as error:
            raise StoreUnavailable(f"PostgreSQL ({self.name}) failed: {_first_line(error)}. {WAY_OUT}") from error
        except psycopg2.InterfaceError as error:
            if not connection.closed:
                raise
            raise StoreUnavailable(f"PostgreSQL ({self.name}) closed the connection. {WAY_OUT}") from error
        except psycopg2.errors.InsufficientPrivilege as error:
            raise ConfigError(
                f"PostgreSQL ({self.name}) does not let {self._user} do that: {_first_line(error)}. The owner of the database migrates it,"
                " administers users, and gives rights with `etle database roles`"
            ) from error
        except psycopg2.DataError as error:
            raise StoreError(f"PostgreSQL ({self.name}) refuses a value: {_first_line(error)}") from error


def _alive(connection: "Connection") -> bool:
    """False if the server hung up: nothing else makes the socket of an idle connection readable. Costs no round trip."""
    with selectors.DefaultSelector() as selector:
        selector.register(connection.fileno(), selectors.EVENT_READ)
        return not selector.select(timeout=0)


def _settled(connection: "Connection") -> bool:
    """True if no transaction is left open; a connection in doubt is thrown away."""
    with suppress(psycopg2.Error):
        connection.rollback()
        return True
    return False


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
