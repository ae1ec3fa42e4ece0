"""The embedded profile for a whole site: a thread for each camera, until all sources have ended or the run is stopped."""

import logging
import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import Final, Protocol, runtime_checkable

from etle.config.site import CameraSettings, Site
from etle.errors import SourceError
from etle.protocols import CheckpointStore, Clock, FrameSource, ViolationSink
from etle.types import CameraId, Frame, Violation
from pipeline.detect.visibility import Visibility
from pipeline.workers.checkpoint import Checkpoint
from pipeline.workers.embedded import CameraRun, RunCallbacks, load_checkpoint, resume_session
from pipeline.workers.session import CameraSession, StageFactory

log = logging.getLogger(__name__)
_TICK_S: Final = 0.5


class SourceProvider(Protocol):
    """Opens a site's sources and counts what they lose. The implementation is in `ingest`, which this package does not import."""

    def open(self, camera: CameraSettings) -> FrameSource: ...

    def count_undecodable(self, camera: CameraId, reason: str) -> None: ...

    def losses(self) -> Mapping[CameraId, Mapping[str, int]]:
        """Number of losses since the start, by camera and reason."""
        ...


@runtime_checkable
class ClosableSource(Protocol):
    """A source that can be ended while another thread waits for its next frame."""

    def close(self) -> None: ...


class LossStore(Protocol):
    def add(self, camera: CameraId, reason: str, times: int, at: datetime) -> None: ...


class RunProgress(Protocol):
    """Shows the progress of each camera. Called from several threads."""

    def started(self, camera: str, done: int, total: int | None) -> None:
        """`done`: frames that earlier runs processed; `total`: frames of the source, None if unknown."""
        ...

    def advance(self, camera: str) -> None: ...


class NoProgress:
    """A RunProgress that shows nothing."""

    def started(self, camera: str, done: int, total: int | None) -> None: ...

    def advance(self, camera: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStores:
    sink: ViolationSink
    checkpoints: CheckpointStore
    losses: LossStore


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    from_start: bool = False
    """Ignore checkpoints: read every source from its beginning."""


@dataclass(slots=True)
class RunOutcome:
    """Counters of one run. Written by several threads under the lock."""

    frames: int = 0
    new: list[Violation] = field(default_factory=list)
    known: int = 0
    """Number of violations that an earlier run had stored."""
    problems: list[str] = field(default_factory=list)
    visibility: dict[CameraId, Visibility] = field(default_factory=dict)
    """What each camera could and could not see: of a recorded source since its beginning, of a live camera in this run."""
    losses: Mapping[CameraId, Mapping[str, int]] = field(default_factory=dict)
    """Number of frames that each source lost in this run, by reason."""
    lock: threading.Lock = field(default_factory=threading.Lock)


def run_site(
    site: Site, open_stages: Callable[[], StageFactory], sources: SourceProvider, stores: RunStores, clock: Clock,
    progress: RunProgress, stop: threading.Event, options: RunOptions = RunOptions(),
) -> RunOutcome:  # fmt: skip
    """Run until every source has ended, or `stop` is set: the current frames are then finished and checkpoints are saved.

    A source that fails does not stop the other cameras; an error of a model or a store stops the run and is raised.
    `open_stages` is called in each camera's thread: models are not shared between threads.
    """
    outcome = RunOutcome()
    jobs = [_CameraJob(site, camera, open_stages, sources, stores, clock, progress, options, outcome) for camera in site.cameras]
    losses = _LossRecorder(sources, stores.losses, clock)
    with ThreadPoolExecutor(_threads(site), thread_name_prefix="etle") as pool:
        _wait([pool.submit(job) for job in jobs], jobs, losses, stop)
    outcome.losses = sources.losses()
    return outcome


def _threads(site: Site) -> int:
    """One for each live camera, which cannot wait; recorded sources share the processors."""
    live = sum(camera.source.live for camera in site.cameras)
    return live + min(len(site.cameras) - live, os.cpu_count() or 1)


def _wait(futures: "list[Future[None]]", jobs: "list[_CameraJob]", losses: "_LossRecorder", stop: threading.Event) -> None:
    pending, stopping = set(futures), False
    while pending:
        done, pending = wait(pending, timeout=_TICK_S, return_when=FIRST_EXCEPTION)
        stopping = stopping or stop.is_set() or any(future.exception() for future in done)
        if stopping:
            for job in jobs:
                job.stop()
        if not pending:
            losses.record()
    for future in futures:
        future.result()


class _LossRecorder:
    """Stores the losses that were counted since it was last called."""

    def __init__(self, sources: SourceProvider, store: LossStore, clock: Clock) -> None:
        self._sources = sources
        self._store = store
        self._clock = clock
        self._recorded: dict[tuple[CameraId, str], int] = {}

    def record(self) -> None:
        for camera, counts in self._sources.losses().items():
            for reason, times in counts.items():
                known = self._recorded.get((camera, reason), 0)
                self._store.add(camera, reason, times - known, self._clock.now())
                self._recorded[camera, reason] = times


class _CameraJob:
    """One camera in its thread."""

    def __init__(
        self, site: Site, camera: CameraSettings, open_stages: Callable[[], StageFactory], sources: SourceProvider, stores: RunStores,
        clock: Clock, progress: RunProgress, options: RunOptions, outcome: RunOutcome,
    ) -> None:  # fmt: skip
        self._site = site
        self._camera = camera
        self._open_stages = open_stages
        self._sources = sources
        self._stores = stores
        self._clock = clock
        self._progress = progress
        self._options = options
        self._stream = site.stream_name(camera)
        self._outcome = outcome
        self._run: CameraRun | None = None
        self._source: FrameSource | None = None
        self._stopped = False
        self._processed = 0
        self._rejection = ""
        """Reason for which the last frame was rejected."""

    def __call__(self) -> None:
        if self._stopped:
            return
        self._run = self._prepare()
        if self._stopped:
            self._run.stop()
        try:
            self._run.run()
        except SourceError as error:
            if self._camera.source.live or len(self._site.cameras) > 1:
                log.error("%s", error)
            self._add_problem(str(error))
        with self._outcome.lock:
            self._outcome.visibility[self._camera.camera_id] = self._run.visibility
        if self._rejection and not self._processed:
            self._add_problem(f"{self._camera.id}: not one frame could be used. {self._rejection}")

    def stop(self) -> None:
        self._stopped = True
        if self._run is not None:
            self._run.stop()
        if isinstance(self._source, ClosableSource):
            self._source.close()

    def _prepare(self) -> CameraRun:
        camera, live = self._camera, self._camera.source.live
        session = self._open_session()
        self._progress.started(camera.id, 0 if live else session.processed + 1, camera.source.expected_frames())
        self._source = self._sources.open(camera)
        callbacks = RunCallbacks(frame=self._on_frame, rejected=self._on_rejected, violation=self._on_violation)
        return CameraRun(session, self._source, self._stores.sink, self._stores.checkpoints, self._clock, self._stream, callbacks)

    def _open_session(self) -> CameraSession:
        checkpoint = None if self._options.from_start else self._load_checkpoint()
        return resume_session(self._open_stages(), self._camera.camera_id, checkpoint, self._clock.now())

    def _load_checkpoint(self) -> Checkpoint | None:
        """Of this footage, or of what was there before more was added to it."""
        names = chain((self._stream,), self._site.earlier_stream_names(self._camera))
        return next((found for name in names if (found := load_checkpoint(self._stores.checkpoints, name)) is not None), None)

    def _on_frame(self, frame: Frame) -> None:
        self._progress.advance(self._camera.id)
        self._processed += 1
        with self._outcome.lock:
            self._outcome.frames += 1

    def _on_rejected(self, frame: Frame, reason: str) -> None:
        self._rejection = reason
        self._sources.count_undecodable(frame.camera, reason)

    def _on_violation(self, violation: Violation, new: bool) -> None:
        with self._outcome.lock:
            if new:
                self._outcome.new.append(violation)
            else:
                self._outcome.known += 1

    def _add_problem(self, text: str) -> None:
        with self._outcome.lock:
            self._outcome.problems.append(text)
