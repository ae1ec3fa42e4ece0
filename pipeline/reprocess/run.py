"""Drives a run: each camera from its checkpoint to the end of its footage, in one process or in several.

The violations of a camera are stored before its checkpoint. After a kill at any time the run is started again with the same command: it
continues at the checkpoints, and what is found again has the same ids, which the run has already. Several hosts may process one run at the
same time: each camera is locked in the database while a process has it.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ProcessPoolExecutor, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final, Protocol

from etle.errors import ConfigError, SourceError
from etle.protocols import Clock
from etle.runs.plan import ReprocessPlan
from etle.storage.runs import PostgresRuns
from etle.types import CameraId
from pipeline.reprocess.camera import CameraReprocess, ReprocessJob, RunResources, stored_counts

_TICK_S: Final = 0.2


class OpenResources(Protocol):
    """A function at module level, so that another process can call it."""

    def __call__(self, job: ReprocessJob, /) -> AbstractContextManager[RunResources]: ...


class ReprocessProgress(Protocol):
    """Shows the progress of each camera."""

    def started(self, camera: str, done: int, total: int | None) -> None:
        """`done`: frames that were processed before; `total`: all frames, None if unknown."""
        ...

    def advance(self, camera: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Event:
    """Of one camera: its start with the frames done and in total, or (`done` None) one more frame."""

    camera: str
    done: int | None = None
    total: int | None = None


Report = Callable[[_Event], None]


def start_run(runs: PostgresRuns, job: ReprocessJob, started_by: str, clock: Clock) -> ReprocessPlan:
    """Record the run, or continue the one of that name; returns the plan in effect. Raises ConfigError if it is a run of other work."""
    if runs.start(job.run, job.plan.site, job.plan.to_json(), started_by, clock.now()):
        return job.plan
    stored = runs.run(job.run)
    assert stored is not None, "runs are never deleted"
    plan = ReprocessPlan.of(stored.plan)
    if not plan.is_same_work(job.plan):
        raise ConfigError(
            f"there is a run {job.run!r} with another range, other cameras, rules, models or another version of etle, whose results would"
            " be mixed: choose another name with --run"
        )
    return plan


def reprocess(
    job: ReprocessJob, runs: PostgresRuns, open_resources: OpenResources, workers: int, progress: ReprocessProgress, stop: threading.Event,
    clock: Clock,
) -> list[str]:  # fmt: skip
    """Process what is left of the run, until it is finished or `stop` is set. Returns what went wrong with single cameras."""
    stored = runs.run(job.run)
    assert stored is not None, "the run was started"
    finished = {each.camera for each in stored.cameras if each.finished_at}
    cameras = [each.camera for each in job.plan.cameras if each.camera not in finished]
    report = _Shown(progress)
    if workers == 1 or len(cameras) < 2:
        problems = _in_this_process(job, open_resources, cameras, report, stop)
    else:
        problems = _in_processes(job, open_resources, cameras, min(workers, len(cameras)), report, stop)
    done = runs.run(job.run)
    assert done is not None
    if {each.camera for each in done.cameras if each.finished_at} >= {each.camera for each in job.plan.cameras}:
        runs.finish(job.run, clock.now())
    return problems


class _Shown:
    """Passes events on to the progress bars."""

    def __init__(self, progress: ReprocessProgress) -> None:
        self._progress = progress

    def __call__(self, event: _Event) -> None:
        if event.done is None:
            self._progress.advance(event.camera)
        else:
            self._progress.started(event.camera, event.done, event.total)


def _in_this_process(
    job: ReprocessJob, open_resources: OpenResources, cameras: Sequence[CameraId], report: Report, stop: threading.Event
) -> list[str]:  # fmt: skip
    if not cameras:
        return []
    with open_resources(job) as resources:
        problems = [_process_if_free(job, resources, camera, report, stop.is_set) for camera in cameras]
    return [problem for problem in problems if problem]


def _process_if_free(
    job: ReprocessJob, resources: RunResources, camera: CameraId, report: Report, stopped: Callable[[], bool]
) -> str | None:  # fmt: skip
    """Nothing if another process has the camera, or has finished it meanwhile."""
    with resources.runs.camera_lock(job.run, camera) as free:
        if not free or stopped() or stored_counts(resources.runs, job.run, camera).finished_at:
            return None
        return _run_camera(CameraReprocess(job, resources, camera, _Reported(report)), camera, stopped)


def _run_camera(reprocess: CameraReprocess, camera: CameraId, stopped: Callable[[], bool]) -> str | None:
    """Returns why the footage could not be read to its end."""
    try:
        for _ in reprocess.steps():
            if stopped():
                reprocess.stop()
    except SourceError as error:
        return f"{camera}: {error}"
    return None


class _Reported:
    """A CameraProgress that sends events, which another process can read."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def begun(self, camera: CameraId, done: int, count: Callable[[], int | None]) -> None:
        self._report(_Event(camera=camera, done=done, total=count()))

    def frame(self, camera: CameraId) -> None:
        self._report(_Event(camera=camera))


def _in_processes(
    job: ReprocessJob, open_resources: OpenResources, cameras: Sequence[CameraId], workers: int, report: Report, stop: threading.Event
) -> list[str]:  # fmt: skip
    context = multiprocessing.get_context("spawn")
    events, stopped = context.SimpleQueue(), context.Event()
    reader = threading.Thread(target=_forward, args=(events, report), name="etle-progress", daemon=True)
    reader.start()
    with ProcessPoolExecutor(workers, context, _begin_process, (job, open_resources, events, stopped)) as pool:
        futures = [pool.submit(_process_camera, camera) for camera in cameras]
        _wait(futures, stop, stopped.set)
    events.put(None)
    reader.join()
    return [problem for future in futures if (problem := future.result())]


def _wait(futures: "Sequence[Future[str | None]]", stop: threading.Event, stop_all: Callable[[], None]) -> None:
    """Until all are done. If one fails, the others stop at their next frame."""
    pending = set(futures)
    while pending:
        done, pending = wait(pending, timeout=_TICK_S, return_when=FIRST_EXCEPTION)
        if stop.is_set() or any(future.exception() for future in done):
            stop_all()


def _forward(events: Any, report: Report) -> None:
    while (event := events.get()) is not None:
        report(event)


_process: Any = None
"""In a process of its own: job, resources, where events go, and whether to stop."""


def _begin_process(job: ReprocessJob, open_resources: OpenResources, events: Any, stopped: Any) -> None:
    """The parent decides when to stop; if it is killed, this process ends at once."""
    global _process
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    opened = open_resources(job)
    _process = job, opened.__enter__(), events, stopped, opened


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _process_camera(camera: CameraId) -> str | None:
    job, resources, events, stopped, _ = _process
    return _process_if_free(job, resources, camera, events.put, stopped.is_set)
