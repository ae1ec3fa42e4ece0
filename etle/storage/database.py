"""The connection to PostgreSQL; the only module that imports its driver.

A few connections are kept open, and each is used for one transaction at a time. If the server goes away, StoreUnavailable is raised, the
server rolls the transaction back, and the next transaction connects again.
"""

import selectors
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from threading import BoundedSemaphore, Lock
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from etle.errors import ConfigError, MissingExtra, StoreUnavailable, ValueRejected
from etle.storage.queries import sql

try:
    import psycopg2
    import psycopg2.errors
    from psycopg2.extensions import parse_dsn
    from psycopg2.extras import NamedTupleCursor
except ModuleNotFoundError as absent:
    raise MissingExtra("psycopg2", "store") from absent

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812  (the driver's class name is lower-case)

SCHEMA: Final = "etle"
_Selector: Final = getattr(selectors, "PollSelector", selectors.SelectSelector)
"""For one socket at a time: epoll would open a file each time."""
_HINT: Final = "Is the server running, and is the address right (--database, ETLE_DATABASE)?"


class Cursor(Protocol):
    """What is used of psycopg2's NamedTupleCursor. A row is a named tuple with one field per column of the query."""

    @property
    def rowcount(self) -> int: ...

    def execute(self, query: str | bytes, vars: Mapping[str, Any] | Sequence[Any] | None = None) -> None: ...

    def mogrify(self, query: str, vars: Mapping[str, Any]) -> bytes:
        """The statement with its parameters, to be sent together with others."""
        ...

    def executemany(self, query: str, vars_list: Sequence[Mapping[str, Any]]) -> None: ...

    def fetchone(self) -> Any:
        """None if there are no more rows."""
        ...

    def fetchall(self) -> list[Any]: ...


class Database:
    """A pool of at most `max_connections` connections. Does not connect when created; safe to share between threads."""

    def __init__(self, url: str, *, max_connections: int = 8, wait_s: float = 30) -> None:
        """`wait_s`: how long a transaction waits for a free connection. Raises ConfigError if `url` is not valid."""
        parts = _parts_of(url)
        self.name: Final = f"{parts.get('host', 'this machine')}, database {parts.get('dbname', parts.get('user', ''))}"
        """Host and database, without the password."""
        self._user = parts.get("user", "this user")
        self._url = url
        self._wait_s = wait_s
        self._slots = BoundedSemaphore(max_connections)
        self._lock = Lock()
        self._idle: list[Connection] = []
        self._closed = False

    @contextmanager
    def transaction(self, *, snapshot: bool = False) -> Iterator[Cursor]:
        """A cursor whose work is committed when the block ends and rolled back when it raises. The search path is the schema `etle`.

        `snapshot`: only to read, and all statements see the same moment.

        Raises StoreUnavailable if the server cannot be reached, ValueRejected if it rejects a value, ConfigError if a right is missing.
        """
        with self._connection() as connection, self._translate_errors(connection), connection, connection.cursor() as cursor:
            if snapshot:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield cast("Cursor", cursor)

    @contextmanager
    def autocommit(self) -> Iterator[Cursor]:
        """A cursor each of whose statements is a transaction of its own, which saves two round trips. Raises as `transaction`."""
        with self._connection() as connection:
            connection.autocommit = True
            try:
                with self._translate_errors(connection), connection.cursor() as cursor:
                    yield cast("Cursor", cursor)
            finally:
                if not connection.closed:
                    connection.autocommit = False

    @contextmanager
    def session_lock(self, key: str, wait_s: float) -> Iterator[bool]:
        """A lock between processes of all hosts, on a connection of its own; False if another one keeps it for `wait_s`.

        The server needs a moment to notice that a process was killed. Raises StoreUnavailable.
        """
        connection = self._connect()
        try:
            with self._translate_errors(connection):
                connection.autocommit = True
                with connection.cursor() as cursor:
                    acquired = _lock_session(cast("Cursor", cursor), key, wait_s)
            yield acquired
        finally:
            connection.close()

    def check_usable(self) -> None:
        """Raises StoreUnavailable if the server takes no writes, ConfigError if the database cannot store every text."""
        with self.transaction() as cursor:
            cursor.execute("SELECT current_setting('transaction_read_only') AS read_only, current_setting('server_encoding') AS encoding")
            found = cursor.fetchone()
        if found.encoding != "UTF8":
            raise ConfigError(
                f"PostgreSQL ({self.name}) has the encoding {found.encoding}, which cannot store every name. Create the database with"
                " ENCODING 'UTF8'"
            )
        if found.read_only == "on":
            raise self._read_only()

    def close(self) -> None:
        with self._lock:
            self._closed = True
        self._close_idle()

    def _read_only(self) -> StoreUnavailable:
        """After a failover the name of the server leads to another one: connect again."""
        self._close_idle()
        return StoreUnavailable(
            f"PostgreSQL ({self.name}) takes no writes: it is a standby, or read-only. Name the primary (--database, ETLE_DATABASE)."
        )

    def _close_idle(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _acquire(self) -> "Connection":
        while True:
            with self._lock:
                if not self._idle:
                    break
                connection = self._idle.pop()
            if _is_alive(connection):
                return connection
            connection.close()
        return self._connect()

    def _release(self, connection: "Connection") -> None:
        with self._lock:
            if not self._closed and not connection.closed and _roll_back(connection):
                self._idle.append(connection)
                return
        connection.close()

    def _connect(self) -> "Connection":
        try:
            connection = psycopg2.connect(
                self._url, connect_timeout=10, application_name="etle", client_encoding="UTF8", cursor_factory=NamedTupleCursor
            )
            with connection, connection.cursor() as cursor:
                cursor.execute(f"SET search_path TO {SCHEMA}; SET timezone TO 'UTC'")
        except psycopg2.OperationalError as error:
            raise StoreUnavailable(f"PostgreSQL ({self.name}) cannot be reached: {_first_line(error)}. {_HINT}") from error
        return connection

    @contextmanager
    def _connection(self) -> Iterator["Connection"]:
        if not self._slots.acquire(timeout=self._wait_s):
            raise StoreUnavailable(f"all connections to PostgreSQL ({self.name}) have been in use for {self._wait_s:g} s")
        try:
            connection = self._acquire()
            try:
                yield connection
            finally:
                self._release(connection)
        finally:
            self._slots.release()

    @contextmanager
    def _translate_errors(self, connection: "Connection") -> Iterator[None]:
        try:
            yield
        except psycopg2.OperationalError as error:
            raise StoreUnavailable(f"PostgreSQL ({self.name}) failed: {_first_line(error)}. {_HINT}") from error
        except psycopg2.errors.ReadOnlySqlTransaction as error:
            connection.close()
            raise self._read_only() from error
        except psycopg2.errors.RaiseException:
            raise  # a trigger refuses to change a row: waiting does not help
        except psycopg2.InternalError as error:
            raise StoreUnavailable(f"PostgreSQL ({self.name}) failed: {_first_line(error)}.") from error
        except (psycopg2.errors.UndefinedTable, psycopg2.errors.UndefinedColumn, psycopg2.errors.InvalidSchemaName) as error:
            raise ConfigError(
                f"PostgreSQL ({self.name}) has not this version's schema: {_first_line(error)}. Apply it with `etle database migrate`"
            ) from error
        except psycopg2.NotSupportedError as error:
            raise ConfigError(f"PostgreSQL ({self.name}) does not support what etle needs: {_first_line(error)}") from error
        except psycopg2.InterfaceError as error:
            if not connection.closed:
                raise
            raise StoreUnavailable(f"PostgreSQL ({self.name}) closed the connection. {_HINT}") from error
        except psycopg2.errors.InsufficientPrivilege as error:
            raise ConfigError(
                f"PostgreSQL ({self.name}) does not let {self._user} do that: {_first_line(error)}. The owner of the database migrates it,"
                " administers users, and grants rights with `etle database roles`"
            ) from error
        except psycopg2.DataError as error:
            raise ValueRejected(f"PostgreSQL ({self.name}) rejects a value: {_first_line(error)}") from error
        except UnicodeEncodeError as error:
            raise ValueRejected(f"PostgreSQL stores no text that is not Unicode: {error.reason}") from error
        except ValueError as error:
            if "NUL" not in str(error):
                raise
            raise ValueRejected(f"PostgreSQL stores no text with a NUL: {_first_line(error)}") from error


def _parts_of(url: str) -> Mapping[str, str]:
    """Raises ConfigError without quoting any part of the address: a password with a special character is taken for another part of it."""
    parts = {"port": "not understood"}
    with suppress(psycopg2.ProgrammingError):
        parts = parse_dsn(url)
    if not parts.get("port", "0").replace(",", "").isdecimal() or "@" in parts.get("host", "") + parts.get("dbname", ""):
        raise ConfigError(
            "the database address is not valid. Write it as postgresql://host:5432/name, with user:password@ before the host, and %XX for"
            " characters of the password that have a meaning in addresses (% is %25, @ is %40, / is %2F)"
        )
    return cast("Mapping[str, str]", parts)


def _lock_session(cursor: Cursor, key: str, wait_s: float) -> bool:
    try:
        cursor.execute(sql("set_lock_timeout"), {"wait_ms": f"{wait_s * 1000:.0f}ms"})
        cursor.execute(sql("lock_session"), {"key": key})
    except psycopg2.errors.LockNotAvailable:
        return False
    return True


def _is_alive(connection: "Connection") -> bool:
    """False if the server closed the connection: nothing else makes the socket of an idle connection readable. Needs no round trip."""
    with _Selector() as selector:
        selector.register(connection.fileno(), selectors.EVENT_READ)
        return not selector.select(timeout=0)


def _roll_back(connection: "Connection") -> bool:
    """True if no transaction is open any more; otherwise the connection must be closed."""
    with suppress(psycopg2.Error):
        connection.rollback()
        return True
    return False


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
