"""The targets of faults: roles as processes, and servers."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from services import ServiceProcess

STOP_S = 40
"""Maximum time in which a role stops after SIGTERM."""
_INTERRUPTED = 130
"""Of a role that is stopped while it starts."""
_EXPECTED_EXITS = (0, -signal.SIGKILL, -signal.SIGTERM)
"""The last is the exit of a process that receives SIGTERM before it handles signals."""


class FaultKind(StrEnum):
    KILL = "kill -9"
    STOP = "stop"
    FREEZE = "freeze"


class FaultTarget(Protocol):
    name: str

    def inject(self, fault: FaultKind) -> None:
        """Returns immediately, or when the target has stopped."""
        ...

    def recover(self) -> None: ...


class ProcessRole:
    """One `etle` command with its output in a file."""

    def __init__(self, name: str, arguments: Sequence[str | Path], environment: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self.crashes: list[str] = []
        """Descriptions of unexpected exits."""
        self._command = [sys.executable, "-m", "etle_cli.main", *map(str, arguments)]
        self._environment = {**os.environ, **environment}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment, start_new_session=True
            )

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self.running else None

    def inject(self, fault: FaultKind) -> None:
        self.restart_if_crashed()
        if self._process is None:
            return
        if fault is FaultKind.STOP:
            self.stop()
        else:
            self._process.send_signal(signal.SIGKILL if fault is FaultKind.KILL else signal.SIGSTOP)

    def recover(self) -> None:
        if self._process is not None and self.running:
            self._process.send_signal(signal.SIGCONT)
            time.sleep(0.01)
        if not self.running:
            self.start()

    def restart_if_crashed(self) -> None:
        """Records an unexpected exit and starts the process again."""
        code = self._process.poll() if self._process else None
        if code is not None and code not in _EXPECTED_EXITS:
            self.crashes.append(f"{self.name} exited with {code}: {self._log_tail()}")
            self.start()

    def stop(self) -> None:
        if self._process is None or not self.running:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.crashes.append(f"{self.name} did not stop within {STOP_S} s: {self._log_tail()}")
            self.kill()
            return
        if code not in (*_EXPECTED_EXITS, _INTERRUPTED):
            self.crashes.append(f"{self.name} exited with {code} after SIGTERM: {self._log_tail()}")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _log_tail(self) -> str:
        return self.log.read_text(errors="replace").strip()[-400:]


class ServerTarget:
    """A server that roles depend on."""

    def __init__(self, server: ServiceProcess) -> None:
        self.name = server.name
        self._server = server

    def inject(self, fault: FaultKind) -> None:
        if fault is FaultKind.KILL:
            self._server.kill()
        elif fault is FaultKind.STOP:
            self._server.stop()
        else:
            os.killpg(self._server.pid, signal.SIGSTOP)

    def recover(self) -> None:
        if self._server.running:
            os.killpg(self._server.pid, signal.SIGCONT)
        else:
            self._server.start()
