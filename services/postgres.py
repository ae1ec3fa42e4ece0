"""A PostgreSQL server on a port of loopback: from the wheel of the `store` extra, or Debian's."""

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
from services.process import ServiceError, ServiceMissing, ServiceProcess, free_port, in_folder, running

SUPERUSER: Final = "etle"


def postgres_programs() -> Path:
    """The folder with `initdb` and `postgres`, of the newest version. Raises ServiceMissing."""
    try:
        found = packaged_versions()
    except MissingExtra:
        found = {int(folder.parent.name): folder for folder in Path("/usr/lib/postgresql").glob("[0-9][0-9]/bin")}
    if not found:
        raise ServiceMissing("PostgreSQL comes with: pip install 'etle[store]', or apt-get install postgresql")
    return found[max(found)]


def postgres_server(folder: Path, *, port: int | None = None) -> ServiceProcess:
    """Not yet started; its data lies in `folder`. Whoever can connect is the superuser `etle` without a password: loopback only."""
    port = port or free_port()
    programs = postgres_programs()
    home = folder / "postgres"
    home.mkdir(exist_ok=True)
    account = server_account(home)
    if account is not None:
        os.chown(home, account.pw_uid, account.pw_gid)
        allow_traversal(account, (home / "data", programs))
    data = home / "data"
    if not (data / "PG_VERSION").exists():
        _create(programs, home)
    return ServiceProcess(
        name="postgres",
        address=f"postgresql://{SUPERUSER}@127.0.0.1:{port}/postgres",
        port=port,
        command=[programs / "postgres", "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", ""],
        folder=folder,
        answers=lambda: _answers(programs, port),
        account=account,
        stop_signal=signal.SIGINT,  # "fast": whoever is connected is hung up on
    )


@contextmanager
def running_postgres(folder: Path | None = None, *, port: int | None = None) -> Iterator[ServiceProcess]:
    """`address` is its postgresql:// URL. Without a folder its data is gone at the end."""
    with in_folder(folder) as place, running(postgres_server(place, port=port)) as server:
        yield server


def _create(programs: Path, home: Path) -> None:
    """Under another name first: a kill on the way leaves no half database behind."""
    account, unfinished = server_account(home), home / "data.new"
    shutil.rmtree(unfinished, ignore_errors=True)
    done = subprocess.run(
        [programs / "initdb", "--encoding=UTF8", "--locale=C", "--auth=trust", f"--username={SUPERUSER}", "-D", unfinished],
        check=False,
        capture_output=True,
        text=True,
        cwd=home,
        user=account.pw_uid if account else None,
        group=account.pw_gid if account else None,
        extra_groups=[] if account else None,
    )
    if done.returncode != 0:
        raise ServiceError(f"initdb failed: {done.stderr.strip()[-1500:]}")
    unfinished.rename(home / "data")


def _answers(programs: Path, port: int) -> bool:
    ready = [str(programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port), "-U", SUPERUSER, "-d", "postgres"]
    return subprocess.run(ready, check=False, capture_output=True).returncode == 0
