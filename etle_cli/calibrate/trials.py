"""Trials of a drawing for its pages: `etle calibrate try` in a process of its own, which can be stopped and takes its memory with it."""

import json
import logging
import os
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from etle.redaction import redacted
from etle.site_desk import TrialState
from etle.types import CameraId

log = logging.getLogger(__name__)
TIMEOUT_S: Final = 900.0
_MAX_MESSAGE: Final = 600


@dataclass(slots=True)
class _Trial:
    camera: CameraId
    by: str
    folder: Path
    frames: int = 0
    problem: str = ""
    done: bool = False
    stopped: bool = False
    process: "subprocess.Popen[str] | None" = field(default=None, repr=False)


class SubprocessTrials:
    """Trials of one site file: one at a time. As a context manager it stops the trial that runs."""

    def __init__(self, site: Path, data: Path, footage: Path | None, work: Path) -> None:
        """`footage`: a recording to use instead of the cameras' sources. `work`: a folder for the results, which are kept while it is."""
        self._site = site
        self._data = data
        self._footage = footage
        self._work = work
        self._lock = threading.Lock()
        self._last: dict[CameraId, _Trial] = {}
        self._running: _Trial | None = None

    def start(self, text: str, camera: CameraId, seconds: float, by: str) -> bool:
        with self._lock:
            if self._running is not None and not self._running.done:
                return False
            folder = self._work / f"{len(list(self._work.iterdir())):04}"
            folder.mkdir()
            trial = _Trial(camera=camera, by=by, folder=folder)
            self._running = self._last[camera] = trial
            trial.process = self._process(trial, seconds)
        threading.Thread(target=self._follow, args=(trial, text), name="trial", daemon=True).start()
        return True

    def state(self, camera: CameraId) -> TrialState:
        with self._lock:
            running = self._running
            trial = running if running is not None and not running.done else self._last.get(camera)
        if trial is None:
            return TrialState(running=False)
        result = trial.folder / "trial.json"
        document = result.read_bytes() if trial.done and not trial.problem and trial.camera == camera and result.exists() else None
        return TrialState(running=not trial.done, by=trial.by, frames=trial.frames, problem=trial.problem, document=document)

    def stop(self) -> None:
        with self._lock:
            trial = self._running
        if trial is not None and not trial.done and trial.process is not None:
            trial.stopped = True
            trial.process.terminate()

    def picture(self, camera: CameraId, name: str) -> bytes | None:
        with self._lock:
            trial = self._last.get(camera)
        path = trial.folder / f"{name}.jpg" if trial and name.isdecimal() else None
        return path.read_bytes() if path and path.exists() else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
        with self._lock:
            process = self._running.process if self._running else None
        if process is not None:
            process.wait()

    def _process(self, trial: _Trial, seconds: float) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "etle_cli.main", "calibrate", "try", str(self._site), "--stdin", "--camera", trial.camera]
        command += ["--seconds", f"{seconds:g}", "--out", str(trial.folder), "--data", str(self._data), "--progress"]
        command += ["--footage", str(self._footage)] if self._footage else []
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        return subprocess.Popen(command, text=True, encoding="utf-8", env={**os.environ, "PYTHONUNBUFFERED": "1"}, **pipes)  # type: ignore[call-overload, no-any-return]

    def _follow(self, trial: _Trial, text: str) -> None:
        """Reads the process's output to its end."""
        process = trial.process
        assert process is not None and process.stdin is not None and process.stdout is not None
        killer = threading.Timer(TIMEOUT_S, process.kill)
        killer.start()
        said = []
        try:
            with process.stdin as content:
                content.write(text)
            for line in process.stdout:
                if line.startswith("frames "):
                    trial.frames = int(line.split()[1])
                else:
                    said.append(line)
        except (OSError, ValueError) as error:
            log.warning("a trial broke off: %s", error)
        finally:
            code = process.wait()
            killer.cancel()
            process.stdout.close()
            if code and not trial.stopped:
                trial.problem = redacted("".join(said))[-_MAX_MESSAGE:].strip() or f"the trial ended with {code}"
            elif trial.stopped:
                trial.problem = "stopped"
            trial.done = True


def write_result(folder: Path, document: dict[str, object]) -> None:
    (folder / "trial.json").write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
