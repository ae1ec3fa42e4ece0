"""A server as a process of its own, that can be stopped, killed and started again where it was."""

import os
import pwd
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Self

from etle.errors import EtleError

POLL_S: Final = 0.05
SETTLE_S: Final = 15
"""What a killed server leaves behind (a segment of shared memory, a lock) may keep the next one from starting for a moment."""


class ServiceError(EtleError):
    """A server does not start, or died: with the end of its log."""


class ServiceMissing(ServiceError):
    """A program that a server needs is not on this machine."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def connects(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


class ServiceProcess:
    """`address` is what a role is given to find it. It outlives this process if nobody stops it."""

    def __init__(
        self,
        *,
        name: str,
        address: str,
        port: int,
        command: Sequence[str | Path],
        folder: Path,
        answers: Callable[[], bool],
        environment: Mapping[str, str] | None = None,
        account: pwd.struct_passwd | None = None,
        stop_signal: int = signal.SIGTERM,
        wait_s: float = 90,
    ) -> None:
        self.name: Final = name
        self.address: Final = address
        self.port: Final = port
        self.log: Final = folder / f"{name}.log"
        self._command = [str(word) for word in command]
        self._folder = folder
        self._answers = answers
        self._environment = {**os.environ, **(environment or {})}
        self._account = account
        self.stop_signal: Final = stop_signal
        self._wait_s = wait_s
        self._process: subprocess.Popen[bytes] | None = None
        self._killed = False

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Of the last start."""
        if self._process is None:
            raise ServiceError(f"{self.name} was not started")
        return self._process.pid

    def start(self) -> Self:
        """Returns when it answers. Raises ServiceError, with the end of its log, if it does not."""
        if self.running:
            return self
        if connects(self.port):
            raise ServiceError(f"{self.name} cannot start: port {self.port} is taken by another program")
        began = time.monotonic()
        self._launch()
        while not self._answers():
            waited = time.monotonic() - began
            if not self.running and self._killed and waited < SETTLE_S:
                self._launch()
            elif not self.running:
                raise ServiceError(f"{self.name} died at its start. {self.last_words()}")
            elif waited > self._wait_s:
                self.kill()
                raise ServiceError(f"{self.name} did not answer within {self._wait_s:g} s. {self.last_words()}")
            time.sleep(POLL_S)
        self._killed = False
        return self

    def stop(self) -> None:
        """As an operator does: it may finish what it has in hand."""
        if self._process is None:
            return
        if self.running:
            self._process.send_signal(self.stop_signal)
            try:
                self._process.wait(self._wait_s)
            except subprocess.TimeoutExpired:
                self.kill()
        self._process.wait()

    def kill(self) -> None:
        """At once, as when the power fails: SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._killed = True

    def last_words(self) -> str:
        return last_words(self.log)

    def _launch(self) -> None:
        account = self._account
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                env=self._environment,
                start_new_session=True,
                user=account.pw_uid if account else None,
                group=account.pw_gid if account else None,
                extra_groups=[] if account else None,
            )


def last_words(log: Path) -> str:
    text = log.read_text(errors="replace").strip() if log.exists() else ""
    return f"The end of {log}:\n{text[-1500:]}" if text else f"{log} is empty."


@contextmanager
def in_folder(folder: Path | None) -> Iterator[Path]:
    """The folder, or a new one that is removed at the end. Not under pytest's: a server that runs as another user could not enter it."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder.absolute()
    else:
        with tempfile.TemporaryDirectory(prefix="etle-", ignore_cleanup_errors=True) as made:
            yield Path(made)


@contextmanager
def running(server: ServiceProcess) -> Iterator[ServiceProcess]:
    try:
        yield server.start()
    finally:
        server.stop()


def cache_folder() -> Path:
    """Where programs that were fetched or built once are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "etle"
