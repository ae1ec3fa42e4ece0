"""Drives a run: each camera from its checkpoint to the end of its footage, in one process or in several.

The violations of a camera are stored before its checkpoint. After a kill at any time the run is started again with the same command: it
continues at the checkpoints, and what is found again has the same ids, which the run has already. Several hosts may process one run at the
same time: each camera is locked in the database while a process has it.
"""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ProcessPoolExecutor, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from etle.config.site import Site
from etle.errors import ConfigError, SourceError
from etle.protocols import CheckpointStore, Clock, EvidenceStore
from etle.storage.runs import PostgresRuns, RunCamera
from etle.types import CameraId, Frame, Violation
from pipeline.reprocess.footage import RecordedFootage
from pipeline.reprocess.plan import PlannedCamera, ReprocessPlan
from pipeline.reprocess.sink import RunSink
from pipeline.workers.embedded import CameraRun, RunCallbacks, load_checkpoint, resume_session
from pipeline.workers.session import StageFactory

_TICK_S: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class ReprocessJob:
    """What every process of a run gets."""

    run: str
    site: Site
    """With the rules and models of the run."""
    plan: ReprocessPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResources:
    """What one process needs for its cameras, one after the other."""

    stages: StageFactory
    runs: PostgresRuns
    checkpoints: CheckpointStore
    files: EvidenceStore
    """The files of this run."""
    open_footage: Callable[[PlannedCamera, Callable[[], None]], RecordedFootage]
    """The second argument is called for each frame that is damaged."""
    clock: Clock


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
        if not free or stopped() or _stored_counts(resources.runs, job.run, camera).finished_at:
            return None
        return _CameraReprocess(job, resources, camera, report, stopped).run()


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


class _CameraReprocess:
    """One camera of a run."""

    def __init__(self, job: ReprocessJob, resources: RunResources, camera: CameraId, report: Report, stopped: Callable[[], bool]) -> None:
        self._job = job
        self._resources = resources
        self._camera = camera
        self._report = report
        self._stopped = stopped
        self._footage = resources.open_footage(job.plan.camera(camera), self._on_damaged)
        self._counts = _stored_counts(resources.runs, job.run, camera)
        self._started_at = time.monotonic()
        self._run: CameraRun | None = None

    def run(self) -> str | None:
        """Returns why the footage could not be read to its end. Raises ConfigError, InferenceError, StoreError."""
        self._report(_Event(camera=self._camera, done=self._counts.frames, total=self._footage.count()))
        self._run = self._camera_run()
        try:
            self._run.run()
        except SourceError as error:
            self._save_counts()
            return f"{self._camera}: {error}"
        self._save_counts(finished=not self._stopped())
        return None

    def save(self, stream: str, position: int, state: bytes) -> None:
        """As a CheckpointStore: the counts of the run are those at the checkpoint."""
        self._resources.checkpoints.save(stream, position, state)
        self._save_counts()

    def load(self, stream: str) -> tuple[int, bytes] | None:
        return self._resources.checkpoints.load(stream)

    def _camera_run(self) -> CameraRun:
        resources, job = self._resources, self._job
        stream = f"run/{job.run}/{self._camera}"
        session = resume_session(resources.stages, self._camera, load_checkpoint(self, stream), resources.clock.now())
        sink = RunSink(job.run, job.plan, resources.runs, resources.files, resources.clock)
        callbacks = RunCallbacks(frame=self._on_frame, rejected=self._on_rejected, violation=_ignore)
        return CameraRun(session, self._footage, sink, self, resources.clock, stream, callbacks, self._footage.numbered)

    def _on_frame(self, frame: Frame) -> None:
        self._counts = replace(self._counts, frames=self._counts.frames + 1)
        self._report(_Event(camera=self._camera))
        if self._stopped() and self._run is not None:
            self._run.stop()

    def _on_rejected(self, frame: Frame, reason: str) -> None:
        self._on_damaged()

    def _on_damaged(self) -> None:
        self._counts = replace(self._counts, frames=self._counts.frames + 1, rejected=self._counts.rejected + 1)
        self._report(_Event(camera=self._camera))

    def _save_counts(self, *, finished: bool = False) -> None:
        now = time.monotonic()
        busy_s = self._counts.busy_s + now - self._started_at
        self._counts, self._started_at = replace(self._counts, busy_s=busy_s), now
        finished_at = self._resources.clock.now() if finished else None
        self._resources.runs.save_camera(self._job.run, replace(self._counts, finished_at=finished_at))


def _ignore(violation: Violation, new: bool) -> None:
    """Violations are counted where they are stored."""


def _stored_counts(runs: PostgresRuns, run: str, camera: CameraId) -> RunCamera:
    stored = runs.run(run)
    known = next((each for each in stored.cameras if each.camera == camera), None) if stored else None
    return known or RunCamera(camera=camera)
