"""Who may sign in, who is signed in, and what they did: users, sessions and the access log in PostgreSQL.

Of a password and of a session's token only digests come here. The access log is only ever added to; the database itself refuses
anything else.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from etle.errors import ConfigError
from etle.storage.database import Database
from etle.types import Verdict

NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}", re.ASCII)


class UserRole(StrEnum):
    REVIEWER = "reviewer"
    SUPERVISOR = "supervisor"
    AUDITOR = "auditor"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    name: str
    role: UserRole
    created_at: datetime
    disabled_at: datetime | None = None
    last_seen_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessEntry:
    """One line of the access log. `who` is the name as typed where nobody was signed in yet."""

    at: datetime
    who: str
    address: str
    action: str
    violation: UUID | None = None
    detail: str = ""
    id: int | None = None
    """Its number in the log; None before it is in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """A reviewer's own numbers."""

    verdicts: Mapping[Verdict, int]
    median_s: float | None
    """Half of the verdicts took no longer; None if there is none whose time is known."""

    @property
    def decided(self) -> int:
        return sum(self.verdicts.values())


class Users:
    """Short transactions, each on its own; safe to call from several threads as the database is."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, name: str, role: UserRole, password_hash: str, at: datetime) -> None:
        """Raises ConfigError if the name is taken or is no name."""
        if not NAME.fullmatch(name):
            raise ConfigError(f"{name!r} is no user name: at most 63 small letters, digits, dots, hyphens and underscores, no mark first")
        sql = (
            "INSERT INTO users (name, role, password_hash, created_at) VALUES (%s, %s, %s, %s) ON CONFLICT (name) DO NOTHING RETURNING name"
        )
        with self._database.transaction() as cursor:
            cursor.execute(sql, (name, role, password_hash, at))
            if cursor.fetchone() is None:
                raise ConfigError(f"there is a user {name!r} already")

    def set_password(self, name: str, password_hash: str, at: datetime) -> None:
        """Whoever is signed in under the old one is signed out. Raises ConfigError if there is no such user."""
        self._change(name, "UPDATE users SET password_hash = %s WHERE name = %s", password_hash)
        self._end_sessions(name, at)

    def disable(self, name: str, at: datetime) -> None:
        """Out, and for good; what they decided stays theirs. Raises ConfigError if there is no such user."""
        self._change(name, "UPDATE users SET disabled_at = coalesce(disabled_at, %s) WHERE name = %s", at)
        self._end_sessions(name, at)

    def users(self) -> tuple[User, ...]:
        with self._database.transaction() as cursor:
            cursor.execute(
                "SELECT name, role, created_at, disabled_at, (SELECT max(last_seen_at) FROM sessions WHERE user_name = name)"
                " FROM users ORDER BY name"
            )
            return tuple(_user(row) for row in cursor.fetchall())

    def password_hash(self, name: str) -> str | None:
        """None if there is no such user, or no longer."""
        with self._database.transaction() as cursor:
            cursor.execute("SELECT password_hash FROM users WHERE name = %s AND disabled_at IS NULL", (_storable(name),))
            row = cursor.fetchone()
            return str(row[0]) if row else None

    def open_session(self, token_hash: str, name: str, address: str, at: datetime, expires_at: datetime) -> None:
        with self._database.transaction() as cursor:
            cursor.execute(
                "INSERT INTO sessions (token_hash, user_name, address, created_at, last_seen_at, expires_at)"
                " VALUES (%s, %s, %s, %s, %s, %s)",
                (token_hash, name, address, at, at, expires_at),
            )

    def signed_in(self, token_hash: str, at: datetime, idle: timedelta) -> User | None:
        """Whose session it is; None if there is none, or it ended, ran out, or was left alone for longer than `idle`."""
        with self._database.transaction() as cursor:
            cursor.execute(
                "UPDATE sessions SET last_seen_at = greatest(last_seen_at, %s) FROM users"
                " WHERE token_hash = %s AND name = user_name AND disabled_at IS NULL"
                " AND ended_at IS NULL AND expires_at > %s AND last_seen_at > %s"
                " RETURNING name, role, users.created_at, disabled_at, last_seen_at",
                (at, token_hash, at, at - idle),
            )
            row = cursor.fetchone()
            return _user(row) if row else None

    def end_session(self, token_hash: str, at: datetime) -> None:
        with self._database.transaction() as cursor:
            cursor.execute("UPDATE sessions SET ended_at = %s WHERE token_hash = %s AND ended_at IS NULL", (at, token_hash))

    def record(self, access: AccessEntry) -> None:
        with self._database.transaction() as cursor:
            cursor.execute(
                "INSERT INTO access_log (at, who, address, action, violation, detail) VALUES (%s, %s, %s, %s, %s, %s)",
                (
                    access.at,
                    _storable(access.who),
                    access.address,
                    access.action,
                    str(access.violation) if access.violation else None,
                    _storable(access.detail),
                ),
            )

    def failures(self, since: datetime, *, who: str | None = None, address: str | None = None) -> int:
        """Failed sign-ins since then, for that name, from that address, or both."""
        with self._database.transaction() as cursor:
            cursor.execute(
                "SELECT count(*) FROM access_log WHERE action = 'sign_in_failed' AND at > %(since)s"
                " AND (%(who)s::text IS NULL OR who = %(who)s) AND (%(address)s::text IS NULL OR address = %(address)s)",
                {"since": since, "who": None if who is None else _storable(who), "address": address},
            )
            row = cursor.fetchone()
            return int(row[0]) if row else 0

    def entries(
        self, *, violation: UUID | None = None, who: str | None = None, before: int | None = None, limit: int = 200
    ) -> tuple[AccessEntry, ...]:
        """Lines of the access log, newest first; `before` is the number of a line to go on behind."""
        with self._database.transaction() as cursor:
            cursor.execute(
                "SELECT at, who, address, action, violation, detail, id FROM access_log"
                " WHERE (%(violation)s::uuid IS NULL OR violation = %(violation)s::uuid)"
                " AND (%(who)s::text IS NULL OR who = %(who)s) AND (%(before)s::bigint IS NULL OR id < %(before)s)"
                " ORDER BY id DESC LIMIT %(limit)s",
                {"violation": str(violation) if violation else None, "who": who, "before": before, "limit": limit},
            )
            return tuple(_access(row) for row in cursor.fetchall())

    def _change(self, name: str, sql: str, value: object) -> None:
        with self._database.transaction() as cursor:
            cursor.execute(sql, (value, name))
            if cursor.rowcount == 0:
                raise ConfigError(f"there is no user {name!r}; `etle users list` shows them")

    def _end_sessions(self, name: str, at: datetime) -> None:
        with self._database.transaction() as cursor:
            cursor.execute("UPDATE sessions SET ended_at = %s WHERE user_name = %s AND ended_at IS NULL", (at, name))


def _storable(text: str) -> str:
    """PostgreSQL keeps no NUL in a text; a name typed with one must still be recorded."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _user(row: Sequence[Any]) -> User:
    return User(name=row[0], role=UserRole(row[1]), created_at=row[2], disabled_at=row[3], last_seen_at=row[4])


def _access(row: Sequence[Any]) -> AccessEntry:
    violation = UUID(str(row[4])) if row[4] else None
    return AccessEntry(at=row[0], who=row[1], address=row[2], action=row[3], violation=violation, detail=row[5], id=row[6])
