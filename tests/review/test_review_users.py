"""Users, sessions and the access log in a real PostgreSQL."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from etle.errors import ConfigError
from etle.storage.database import Database
from etle.storage.users import AccessEntry, UserRole, Users

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
IDLE = timedelta(hours=1)


@pytest.fixture
def users(database_url: str) -> Iterator[Users]:
    database = Database(database_url)
    users = Users(database)
    users.add("rina", UserRole.REVIEWER, "hash of rina", NOW)
    yield users
    database.close()


@pytest.mark.parametrize("name", ["", "Rina", "rina sari", "-rina", "rina\n", "r" * 64, "<b>", "ñ"])
def test_an_invalid_name_is_rejected(users: Users, name: str) -> None:
    with pytest.raises(ConfigError, match="not a valid user name"):
        users.add(name, UserRole.REVIEWER, "x", NOW)


def test_a_name_can_be_added_once(users: Users) -> None:
    with pytest.raises(ConfigError, match="already"):
        users.add("rina", UserRole.ADMIN, "other", NOW)
    assert [(user.name, user.role) for user in users.users()] == [("rina", UserRole.REVIEWER)]
    assert users.password_hash("rina") == "hash of rina"


def test_an_unknown_user_has_no_password(users: Users) -> None:
    assert users.password_hash("nobody") is None
    assert users.password_hash("rina\0") is None


@pytest.mark.parametrize(
    "opened, looked, expected",
    [
        pytest.param("a" * 64, timedelta(minutes=59), "rina", id="in use"),
        pytest.param("a" * 64, timedelta(minutes=61), None, id="idle for too long"),
        pytest.param("b" * 64, timedelta(minutes=1), None, id="another token"),
    ],
)
def test_a_session_is_found_by_its_hash_until_it_expires(users: Users, opened: str, looked: timedelta, expected: str | None) -> None:
    users.open_session("a" * 64, "rina", "10.0.0.1", NOW, NOW + timedelta(hours=10))
    user = users.signed_in(opened, NOW + looked, IDLE)
    assert (user.name if user else None) == expected


def test_use_keeps_a_session_open_until_it_expires(users: Users) -> None:
    users.open_session("a" * 64, "rina", "10.0.0.1", NOW, NOW + timedelta(hours=2))
    seen = [users.signed_in("a" * 64, NOW + timedelta(minutes=50 * step), IDLE) is not None for step in (1, 2, 3)]
    assert seen == [True, True, False]


@pytest.mark.parametrize("action", ["end", "password", "disable"])
def test_a_session_can_be_ended(users: Users, action: str) -> None:
    users.open_session("a" * 64, "rina", "10.0.0.1", NOW, NOW + timedelta(hours=10))
    {
        "end": lambda: users.end_session("a" * 64, NOW),
        "password": lambda: users.set_password("rina", "new hash", NOW),
        "disable": lambda: users.disable("rina", NOW),
    }[action]()
    assert users.signed_in("a" * 64, NOW, IDLE) is None


def test_disabled_users_stay_in_the_list(users: Users) -> None:
    users.disable("rina", NOW)
    users.disable("rina", NOW + IDLE)
    assert [(user.name, user.disabled_at) for user in users.users()] == [("rina", NOW)]
    assert users.password_hash("rina") is None


@pytest.mark.parametrize("action", ["password", "disable"])
def test_an_unknown_user_cannot_be_changed(users: Users, action: str) -> None:
    with pytest.raises(ConfigError, match="user 'nobody' does not exist"):
        {"password": lambda: users.set_password("nobody", "x", NOW), "disable": lambda: users.disable("nobody", NOW)}[action]()


def test_failures_are_counted_by_name_and_by_address(users: Users) -> None:
    for minutes, who, address in ((0, "rina", "a"), (1, "rina", "b"), (2, "dewi", "a"), (-20, "rina", "a")):
        users.record(AccessEntry(at=NOW + timedelta(minutes=minutes), who=who, address=address, action="sign_in_failed"))
    users.record(AccessEntry(at=NOW, who="rina", address="a", action="signed_in"))
    found = users.sign_in_failures("rina", "a", since=NOW - timedelta(minutes=15), known_since=NOW - timedelta(days=1))
    assert (found.of_both, found.of_account, found.of_address, found.last_at) == (1, 2, 2, NOW)
    assert not found.known_address
    users.open_session("1" * 64, "rina", "a", at=NOW, expires_at=NOW + timedelta(hours=1))
    assert users.sign_in_failures("rina", "a", since=NOW, known_since=NOW - timedelta(days=1)).known_address


def test_the_log_is_read_newest_first_in_pages(users: Users) -> None:
    for number in range(5):
        users.record(AccessEntry(at=NOW, who="rina", address="a", action="list_viewed", detail=str(number)))
    first = users.entries(who="rina", limit=2)
    second = users.entries(who="rina", before=first[-1].id, limit=2)
    assert [entry.detail for entry in (*first, *second)] == ["4", "3", "2", "1"]
    assert users.entries(who="dewi") == ()


def test_a_name_with_a_nul_is_recorded(users: Users) -> None:
    users.record(AccessEntry(at=NOW, who="rina\0", address="a", action="sign_in_failed"))
    assert users.entries()[0].who == "rina\N{REPLACEMENT CHARACTER}"
