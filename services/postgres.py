"""A PostgreSQL server on loopback, from the wheel of the `store` extra or from Debian's package."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from etle.errors import MissingExtra
from etle.storage.pg_binaries import allow_traversal, packaged_versions, server_account
from services.process import ServiceError, ServiceMissing, ServiceProcess, data_folder, free_port, running

SUPERUSER: Final = "etle"


def postgres_binaries() -> Path:
    """The folder with `initdb` and `postgres`, of the newest version. Raises ServiceMissing."""
    try:
        found = packaged_versions()
    except MissingExtra:
        found = {int(folder.parent.name): folder for folder in Path("/usr/lib/postgresql").glob("[0-9][0-9]/bin")}
    if not found:
        raise ServiceMissing("PostgreSQL is not installed: pip install 'etle[store]', or apt-get install postgresql")
    return found[max(found)]


def postgres_server(folder: Path, *, port: int | None = None) -> ServiceProcess:
    """Not started yet. Its data is in `folder`. It accepts the superuser `etle` without a password, on loopback only."""
    port = port or free_port()
    binaries = postgres_binaries()
    home = folder / "postgres"
    home.mkdir(exist_ok=True)
    account = server_account(home)
    if account is not None:
        os.chown(home, account.pw_uid, account.pw_gid)
        allow_traversal(account, (home / "data", binaries))
    data = home / "data"
    if not (data / "PG_VERSION").exists():
        _create(binaries, home)
    return ServiceProcess(
        name="postgres",
        address=f"postgresql://{SUPERUSER}@127.0.0.1:{port}/postgres",
        port=port,
        command=[binaries / "postgres", "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", ""],
        folder=folder,
        is_ready=lambda: _is_ready(binaries, port),
        account=account,
        stop_signal=signal.SIGINT,  # "fast" shutdown: open connections are closed
    )


@contextmanager
def running_postgres(folder: Path | None = None, *, port: int | None = None) -> Iterator[ServiceProcess]:
    """`address` is its postgresql:// URL. Without `folder` its data is deleted at the end."""
    with data_folder(folder) as path, running(postgres_server(path, port=port)) as server:
        yield server


def _create(binaries: Path, home: Path) -> None:
    """In a temporary folder that is renamed at the end: a kill leaves no incomplete database."""
    account, temp = server_account(home), home / "data.new"
    shutil.rmtree(temp, ignore_errors=True)
    result = subprocess.run(
        [binaries / "initdb", "--encoding=UTF8", "--locale=C", "--auth=trust", f"--username={SUPERUSER}", "-D", temp],
        check=False,
        capture_output=True,
        text=True,
        cwd=home,
        user=account.pw_uid if account else None,
        group=account.pw_gid if account else None,
        extra_groups=[] if account else None,
    )
    if result.returncode != 0:
        raise ServiceError(f"initdb failed: {result.stderr.strip()[-1500:]}")
    temp.rename(home / "data")


def _is_ready(binaries: Path, port: int) -> bool:
    command = [str(binaries / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port), "-U", SUPERUSER, "-d", "postgres"]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0
