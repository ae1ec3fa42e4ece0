"""A server as a separate process that can be stopped, killed and started again with the same port and data."""

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

_POLL_INTERVAL_S: Final = 0.05
RESTART_TIMEOUT_S: Final = 15
"""Shared memory and locks of a killed server may prevent the next start for a few seconds."""


class ServiceError(EtleError):
    """A server did not start, or died. The message contains the end of its log."""


class ServiceMissing(ServiceError):
    """A program that a server needs is not installed."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def accepts_connections(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


class ServiceProcess:
    """`address` is the configuration value for a role. The process keeps running when this program ends without `stop`."""

    def __init__(
        self,
        *,
        name: str,
        address: str,
        port: int,
        command: Sequence[str | Path],
        folder: Path,
        is_ready: Callable[[], bool],
        environment: Mapping[str, str] | None = None,
        account: pwd.struct_passwd | None = None,
        stop_signal: int = signal.SIGTERM,
        timeout_s: float = 90,
    ) -> None:
        self.name: Final = name
        self.address: Final = address
        self.port: Final = port
        self.log: Final = folder / f"{name}.log"
        self._command = [str(argument) for argument in command]
        self._folder = folder
        self._is_ready = is_ready
        self._environment = {**os.environ, **(environment or {})}
        self._account = account
        self.stop_signal: Final = stop_signal
        self._timeout_s = timeout_s
        self._process: subprocess.Popen[bytes] | None = None
        self._killed = False

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Process id of the last start. Raises ServiceError before the first."""
        if self._process is None:
            raise ServiceError(f"{self.name} was not started")
        return self._process.pid

    def start(self) -> Self:
        """Start the process and wait until it is ready. Raises ServiceError with the end of its log."""
        if self.running:
            return self
        if accepts_connections(self.port):
            raise ServiceError(f"{self.name} cannot start: port {self.port} is in use by another program")
        started = time.monotonic()
        self._launch()
        while not self._is_ready():
            waited = time.monotonic() - started
            if not self.running and self._killed and waited < RESTART_TIMEOUT_S:
                self._launch()
            elif not self.running:
                raise ServiceError(f"{self.name} died during start. {self.end_of_log()}")
            elif waited > self._timeout_s:
                self.kill()
                raise ServiceError(f"{self.name} was not ready within {self._timeout_s:g} s. {self.end_of_log()}")
            time.sleep(_POLL_INTERVAL_S)
        self._killed = False
        return self

    def stop(self) -> None:
        """Regular shutdown with the stop signal; SIGKILL after the timeout."""
        if self._process is None:
            return
        if self.running:
            self._process.send_signal(self.stop_signal)
            try:
                self._process.wait(self._timeout_s)
            except subprocess.TimeoutExpired:
                self.kill()
        self._process.wait()

    def kill(self) -> None:
        """SIGKILL, like a power failure."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._killed = True

    def end_of_log(self) -> str:
        return end_of_log(self.log)

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


def end_of_log(log: Path) -> str:
    text = log.read_text(errors="replace").strip() if log.exists() else ""
    return f"The end of {log}:\n{text[-1500:]}" if text else f"{log} is empty."


@contextmanager
def data_folder(folder: Path | None) -> Iterator[Path]:
    """`folder`, or a temporary one that is removed at the end; not inside pytest's, which a server under another account cannot enter."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder.absolute()
    else:
        with tempfile.TemporaryDirectory(prefix="etle-", ignore_cleanup_errors=True) as temp:
            yield Path(temp)


@contextmanager
def running(server: ServiceProcess) -> Iterator[ServiceProcess]:
    try:
        yield server.start()
    finally:
        server.stop()


def cache_folder() -> Path:
    """Where downloaded and built programs are stored."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "etle"
