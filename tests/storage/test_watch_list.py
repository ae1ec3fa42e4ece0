"""The watch list in a real PostgreSQL: who maintains it, who looked, and that nothing of it is ever changed."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

pytest.importorskip("psycopg2", reason="needs the `store` extra")

import psycopg2
from databases import TestDatabases

from etle.errors import ConfigError
from etle.plates.watch_file import WatchFile, WatchReason
from etle.storage.database import Database
from etle.storage.evidence.verify import EvidenceFault
from etle.storage.stores import StorageOptions, open_stores
from etle.storage.users import UserRole, Users
from etle.storage.watch_list import PostgresWatchList, WatchEntry, read_watch_csv
from etle.types import VehicleClass
from etle_cli.main import main
from review.passwords import Passwords

PASSWORD = "sangat rahasia"
CSV = """plate,reason,source,valid_until,vehicle
B 1433 GMC,stolen,LP/B/77/XI/2026,2099-12-31,
d4567abc,cloned,ND-12,2099-12-31,motorcycle
"""
STOLEN = WatchEntry(plate="B1433GMC", reason=WatchReason.STOLEN, source="LP/B/77/XI/2026", valid_until=date(2099, 12, 31))


@pytest.fixture
def url(databases: TestDatabases) -> Iterator[str]:
    with databases.create() as created:
        yield created


@pytest.fixture
def watched(url: str, tmp_path: Path) -> Iterator[tuple[PostgresWatchList, Users, Database]]:
    with open_stores(StorageOptions(data=tmp_path / "data", database=url)) as stores:
        assert stores.signer.public_key, "the key of the manifests, by which `etle evidence verify` believes"
        users = Users(stores.database, stores.row_signer)
        hashed = Passwords().hash(PASSWORD)
        for name, role in (("sari", UserRole.SUPERVISOR), ("budi", UserRole.OPS), ("rina", UserRole.REVIEWER)):
            users.add(name, role, hashed, datetime.now(UTC))
        yield PostgresWatchList(stores.database, stores.row_signer), users, stores.database


def etle(url: str, tmp_path: Path, *words: str, user: str = "sari", password: str = PASSWORD) -> subprocess.CompletedProcess[str]:
    stored = ("--as", user, "--password-stdin", "--database", url, "--data", str(tmp_path / "data"))
    command = [sys.executable, "-m", "etle_cli.main", "watch-list", *words, *stored]
    return subprocess.run(command, input=password + "\n", capture_output=True, text=True, check=False)


def test_an_entry_is_listed_replaced_and_removed_and_its_history_stays(watched) -> None:
    listed, _, _ = watched
    assert listed.add([STOLEN], "sari") == 1
    assert listed.add([STOLEN], "sari") == 0, "nothing is new"
    later = WatchEntry(plate="B1433GMC", reason=WatchReason.BLOCKED, source="ND-3", valid_until=date(2027, 1, 1))
    assert listed.add([later], "budi") == 1
    assert [each.entry for each in listed.listed(date(2026, 11, 24))] == [later]
    assert listed.listed(date(2027, 1, 2)) == (), "it was valid until the day before"
    listed.remove("B1433GMC", "found: BA-9", "sari")
    assert listed.listed(date(2026, 11, 24)) == ()
    assert [(each.listed, each.changed_by, each.entry.source) for each in listed.history("B1433GMC")] == [
        (True, "sari", "LP/B/77/XI/2026"),
        (True, "budi", "ND-3"),
        (False, "sari", "found: BA-9"),
    ]
    with pytest.raises(ConfigError, match="is not on the watch list"):
        listed.remove("B1433GMC", "again", "sari")


@pytest.mark.parametrize(
    "statement", ["UPDATE watch_changes SET reason = 'blocked'", "DELETE FROM watch_changes", "TRUNCATE watch_changes"]
)
def test_no_row_is_changed_or_removed(watched, statement: str) -> None:
    listed, _, database = watched
    listed.add([STOLEN], "sari")
    with pytest.raises(psycopg2.Error, match="only ever added"), database.transaction() as cursor:
        cursor.execute(statement)


def test_changes_are_signed_and_verified_and_a_forged_entry_is_found(url: str, tmp_path: Path, watched, capsys) -> None:
    listed, _, database = watched
    listed.add([STOLEN], "sari")
    verify = ["evidence", "verify", "--database", url, "--data", str(tmp_path / "data")]
    code, out = main(verify), capsys.readouterr()
    assert code == 0, out
    assert "1 changes of the watch list" in out.out
    with database.transaction() as cursor:
        cursor.execute(
            "INSERT INTO watch_changes (plate, change, reason, source, valid_until, changed_by) "
            "VALUES ('B1XYZ', 'listed', 'stolen', 'nobody', '2099-01-01', 'sari')"
        )
    assert main(verify) != 0
    out = capsys.readouterr()
    assert EvidenceFault.FORGED in out.out + out.err and "watch 2: it is not signed" in out.out + out.err


def test_the_commands_import_list_export_and_remove(url: str, tmp_path: Path, watched) -> None:
    _, users, _ = watched
    (tmp_path / "in.csv").write_text(CSV)
    file = tmp_path / "list.json"
    assert etle(url, tmp_path, "import", str(tmp_path / "in.csv")).returncode == 0
    shown = etle(url, tmp_path, "list", user="budi").stdout
    assert "B1433GMC" in shown and "D4567ABC" in shown
    assert etle(url, tmp_path, "export", str(file), user="budi").returncode == 0
    exported = WatchFile.read(file)
    now = datetime.now(UTC)
    cloned = exported.find("D4567ABC", now, now.date())
    assert cloned is not None and (cloned.reason, cloned.vehicle) == (WatchReason.CLONED, VehicleClass.MOTORCYCLE)
    assert etle(url, tmp_path, "remove", "b1433gmc", "--source", "found").returncode == 0
    assert etle(url, tmp_path, "remove", "b1433gmc", "--source", "found").returncode == 1
    actions = [(entry.who, entry.action, entry.detail) for entry in reversed(users.entries()) if entry.action.startswith("watch")]
    assert actions == [
        ("sari", "watch_list_imported", "in.csv: 2"),
        ("budi", "watch_list_read", ""),
        ("budi", "watch_list_exported", "list.json"),
        ("sari", "watch_list_removed", "B1433GMC"),
    ]


@pytest.mark.parametrize(("user", "password"), [("rina", PASSWORD), ("sari", "something else"), ("nobody", PASSWORD)])
def test_a_reviewer_or_a_wrong_password_sees_nothing_and_is_recorded(url: str, tmp_path: Path, watched, user: str, password: str) -> None:
    listed, users, _ = watched
    listed.add([STOLEN], "sari")
    done = etle(url, tmp_path, "list", user=user, password=password)
    assert done.returncode == 1 and "B1433GMC" not in done.stdout + done.stderr
    assert next((entry.who, entry.action) for entry in users.entries()) == (user, "sign_in_failed")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("plate,reason\nB1433GMC,stolen\n", "must name the columns"),
        (CSV + "B 1433 GMC,stolen,again,2099-12-31,\n", "B1433GMC is there twice"),
        (CSV + "hello,stolen,x,2099-12-31,\n", "line 4: 'hello' is not a plate"),
        (CSV + "B1XYZ,wanted,x,2099-12-31,\n", "line 4: 'wanted' is not a valid WatchReason"),
        (CSV + "B1XYZ,stolen,,2099-12-31,\n", "line 4: the source is missing"),
        (CSV + "B1XYZ,stolen,x,31/12/2099,\n", "line 4: Invalid isoformat"),
    ],
)
def test_a_wrong_line_is_named_and_nothing_is_imported(text: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        read_watch_csv(text.splitlines(), "in.csv")
