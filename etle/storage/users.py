"""Users, their sessions and the access log, in PostgreSQL.

Only digests of passwords and session tokens are stored. The access log is append-only, which a trigger in the database enforces. Every
row is signed (`etle.storage.audit.row_signature`), and every change of an account is a line of the access log.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from etle.errors import ConfigError
from etle.signing import Signer
from etle.storage.audit.row_signature import Content, secret_digest, sign_row
from etle.storage.database import Cursor, Database
from etle.storage.queries import sql

ACTIVITY_RESOLUTION: Final = timedelta(seconds=30)
"""A session's last activity is recorded when the recorded one is older than this."""
ADMINISTRATOR: Final = "administrator"
"""Who administers accounts, if nobody in particular is named."""
COMMAND_LINE: Final = "command line"
"""In place of a client's address."""
NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}", re.ASCII)


class UserRole(StrEnum):
    REVIEWER = "reviewer"
    SUPERVISOR = "supervisor"
    AUDITOR = "auditor"
    ADMIN = "admin"
    OPS = "ops"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    name: str
    role: UserRole
    created_at: datetime
    disabled_at: datetime | None = None
    last_seen_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessEntry:
    """One line of the access log. `who` is the user; before sign-in, the name as typed."""

    at: datetime
    who: str
    address: str
    action: str
    violation: UUID | None = None
    detail: str = ""
    id: int | None = None
    """Its number in the log; None before it is stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInFailures:
    """Failed sign-ins in the last time: with a name from an address, with the name, from the address."""

    of_both: int
    of_account: int
    of_address: int
    last_at: datetime | None
    """The last one with that name from that address."""
    known_address: bool
    """Whether the user has signed in from that address before."""


class Users:
    """Each method is one or two short transactions; safe to use from several threads."""

    def __init__(self, database: Database, signer: Signer | None = None) -> None:
        """`signer` signs what is added or changed; None for readers and tests: `etle evidence verify` reports unsigned rows."""
        self._database = database
        self._signer = signer

    def add(self, name: str, role: UserRole, password_hash: str, at: datetime, by: str = ADMINISTRATOR) -> None:
        """`by`: who adds the account, for the access log. Raises ConfigError if the name is taken or not allowed."""
        if not NAME.fullmatch(name):
            raise ConfigError(
                f"{name!r} is not a valid user name: use up to 63 lower-case letters, digits, dots, hyphens and underscores, and begin"
                " with a letter or digit"
            )
        row = {"name": name, "role": role.value, "password_digest": secret_digest(password_hash), "disabled_at": None}
        with self._database.transaction() as cursor:
            cursor.execute(
                sql("insert_user"),
                {"name": name, "role": role, "password_hash": password_hash, "created_at": at, **self._signature("user", row)},
            )
            if cursor.fetchone() is None:
                raise ConfigError(f"the user {name!r} exists already")
            self._record(cursor, _administrative(at, by, "user_added", f"{name} {role}"))

    def set_password(self, name: str, password_hash: str, at: datetime, by: str = ADMINISTRATOR) -> None:
        """Also ends the user's sessions. Raises ConfigError if the user does not exist."""
        with self._change(name, at, by, "password_changed") as (cursor, row):
            row["password_digest"] = secret_digest(password_hash)
            cursor.execute(sql("set_password"), {"name": name, "password_hash": password_hash, **self._signature("user", row)})

    def set_role(self, name: str, role: UserRole, at: datetime, by: str = ADMINISTRATOR) -> None:
        """Also ends the user's sessions. Raises ConfigError if the user does not exist."""
        with self._change(name, at, by, "role_changed", role) as (cursor, row):
            row["role"] = role.value
            cursor.execute(sql("set_role"), {"name": name, "role": role, **self._signature("user", row)})

    def disable(self, name: str, at: datetime, by: str = ADMINISTRATOR) -> None:
        """Ends the user's sessions and prevents sign-in for good; decisions are kept. Raises ConfigError if the user does not exist."""
        with self._change(name, at, by, "user_disabled") as (cursor, row):
            row["disabled_at"] = at
            cursor.execute(sql("disable_user"), {"name": name, "disabled_at": at, **self._signature("user", row)})

    def users(self) -> tuple[User, ...]:
        with self._database.autocommit() as cursor:
            cursor.execute(sql("select_users"))
            return tuple(_user(row) for row in cursor.fetchall())

    def reviewers(self) -> tuple[str, ...]:
        """Names of the users who decide cases, including disabled ones."""
        with self._database.autocommit() as cursor:
            cursor.execute(sql("select_reviewers"))
            return tuple(row.name for row in cursor.fetchall())

    def password_parameters(self, name: str) -> str | None:
        """Algorithm, costs and salt of the password's hash, in the form of a hash; None if the user does not exist or is disabled."""
        with self._database.autocommit() as cursor:
            cursor.execute(sql("password_parameters"), {"name": _without_nul(name)})
            parameters = cursor.fetchone().parameters
            return None if parameters is None else str(parameters)

    def password_matches(self, name: str, password_hash: str) -> bool:
        """Whether it is the hash of the user's password. The database compares, so that the pages need not read it."""
        with self._database.autocommit() as cursor:
            cursor.execute(sql("password_matches"), {"name": _without_nul(name), "hash": password_hash})
            return bool(cursor.fetchone().matches)

    def password_hash(self, name: str) -> str | None:
        """For the owner of the database. None if the user does not exist or is disabled."""
        with self._database.transaction() as cursor:
            cursor.execute(sql("password_hash"), {"name": _without_nul(name)})
            row = cursor.fetchone()
            return str(row.password_hash) if row else None

    def open_session(
        self, token_hash: str, name: str, address: str, at: datetime, expires_at: datetime, password_hash: str | None = None
    ) -> bool:
        """False if it is not the hash of the user's password; the owner of the database gives none."""
        row = {"token_digest": secret_digest(token_hash), "user_name": name, "address": address, "ended_at": None}
        values = {"token_hash": token_hash, "user_name": name, "address": address, "created_at": at, "expires_at": expires_at}
        with self._database.autocommit() as cursor:
            cursor.execute(sql("open_session"), {**values, "hash": password_hash, **self._signature("session", row)})
            return bool(cursor.fetchone().opened)

    def signed_in(self, token_hash: str, at: datetime, idle: timedelta) -> User | None:
        """The user of the session; None if it does not exist, ended, expired, or was idle for longer than `idle`.

        Records activity, but not with each of the requests of a page: that would be a write for every picture.
        """
        with self._database.autocommit() as cursor:
            session = {"token_hash": token_hash, "now": at, "idle": idle, "resolution": ACTIVITY_RESOLUTION}
            cursor.execute(sql("continue_session"), session)
            row = cursor.fetchone()
            return None if row is None else _user(row)

    def end_session(self, token_hash: str, at: datetime) -> None:
        with self._database.transaction() as cursor:
            cursor.execute(sql("select_open_session"), {"token_digest": secret_digest(token_hash)})
            session = cursor.fetchone()
            if session is not None:
                signature = self._signature("session", {**session._asdict(), "ended_at": at})
                cursor.execute(sql("end_session"), {"token_hash": token_hash, "ended_at": at, **signature})

    def record(self, *entries: AccessEntry, session: str | None = None) -> None:
        """In one round trip: all or none.

        `session`: digest of the token of whoever acts. A database with separate roles accepts no other name, and without a session only
        failed sign-ins.
        """
        with self._database.autocommit() as cursor:
            cursor.execute(b";".join(self._access_statement(cursor, entry, session) for entry in entries))

    def record_view(self, access: AccessEntry, *, session: str, lease_until: datetime) -> None:
        """Record that a case was shown, and extend the viewer's lease of it, in one round trip."""
        lease = {"reviewer": access.who, "violation": str(access.violation), "expires_at": lease_until}
        with self._database.autocommit() as cursor:
            cursor.execute(self._access_statement(cursor, access, session) + b";" + cursor.mogrify(sql("renew_lease"), lease))

    def sign_in_failures(self, name: str, address: str, *, since: datetime, known_since: datetime) -> SignInFailures:
        """`known_since`: an address is known if the user signed in from it since then."""
        with self._database.autocommit() as cursor:
            cursor.execute(
                sql("sign_in_failures"), {"who": _without_nul(name), "address": address, "since": since, "known_since": known_since}
            )
            row = cursor.fetchone()
            return SignInFailures(
                of_both=row.of_both,
                of_account=row.of_account,
                of_address=row.of_address,
                last_at=row.last_at,
                known_address=row.known_address,
            )

    def form_secret(self) -> bytes:
        """The secret of this deployment that signs the cookies of sign-in forms."""
        with self._database.autocommit() as cursor:
            cursor.execute(sql("form_secret"))
            return bytes(cursor.fetchone().value)

    def entries(
        self, *, violation: UUID | None = None, who: str | None = None, before: int | None = None, limit: int = 200
    ) -> tuple[AccessEntry, ...]:
        """Entries of the access log, newest first; `before`: only those with a smaller number."""
        with self._database.autocommit() as cursor:
            cursor.execute(
                sql("select_access_log"),
                {"violation": str(violation) if violation else None, "who": who, "before": before, "limit": limit},
            )
            return tuple(_access(row) for row in cursor.fetchall())

    def _signature(self, kind: str, row: Content) -> dict[str, str | None]:
        """`row`: with the nonce from before the change, if it is one."""
        return sign_row(self._signer, kind, row, previous=row.get("nonce")).columns

    def _record(self, cursor: Cursor, access: AccessEntry) -> None:
        cursor.execute(self._access_statement(cursor, access, None))

    def _access_statement(self, cursor: Cursor, access: AccessEntry, session: str | None) -> bytes:
        row = {
            "who": _without_nul(access.who),
            "address": access.address,
            "action": access.action,
            "violation": str(access.violation) if access.violation else None,
            "detail": _without_nul(access.detail),
        }
        return cursor.mogrify(sql("add_access"), {"session": session, "at": access.at, **row, **self._signature("access", row)})

    @contextmanager
    def _change(self, name: str, at: datetime, by: str, action: str, detail: str = "") -> Iterator[tuple[Cursor, dict[str, Any]]]:
        """A transaction with the present row of the user, locked. Records the change and ends the user's sessions."""
        with self._database.transaction() as cursor:
            cursor.execute(sql("lock_user"), {"name": name})
            row = cursor.fetchone()
            if row is None:
                raise ConfigError(f"the user {name!r} does not exist; `etle users list` shows all users")
            yield cursor, row._asdict()
            cursor.execute(sql("select_open_sessions_of_user"), {"user_name": name})
            ended = self._end(cursor, cursor.fetchall(), at)
            self._record(cursor, _administrative(at, by, action, " ".join(filter(None, (name, detail)))))
            if ended:
                self._record(cursor, _administrative(at, by, "sessions_revoked", f"{name} {ended}"))

    def _end(self, cursor: Cursor, sessions: Sequence[Any], at: datetime) -> int:
        """Ends these sessions; returns their number."""
        for session in sessions:
            row = {**session._asdict(), "ended_at": at}
            signature = self._signature("session", row)
            cursor.execute(sql("revoke_session"), {"token_digest": session.token_digest, "ended_at": at, **signature})
        return len(sessions)


def _administrative(at: datetime, by: str, action: str, detail: str) -> AccessEntry:
    return AccessEntry(at=at, who=by, address=COMMAND_LINE, action=action, detail=detail)


def _without_nul(text: str) -> str:
    """PostgreSQL cannot store NUL in text; a sign-in with such a name is recorded all the same."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _user(row: Any) -> User:
    return User(
        name=row.name,
        role=UserRole(row.role),
        created_at=row.created_at,
        disabled_at=row.disabled_at,
        last_seen_at=row.last_seen_at,
    )


def _access(row: Any) -> AccessEntry:
    return AccessEntry(
        at=row.at,
        who=row.who,
        address=row.address,
        action=row.action,
        violation=UUID(row.violation) if row.violation else None,
        detail=row.detail,
        id=row.id,
    )
