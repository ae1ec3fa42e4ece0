"""One camera of a run: its footage through a session of the detect stage, with a checkpoint in the database.

The violations are stored before the checkpoint. Whoever processes the camera next continues there, and what is found again has the same
ids, which the run has already. A run may be processed piece by piece: up to the end of a segment, where the session is saved with its
tracks, its red phases and its pending findings, and continued at the next one.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from etle.config.site import Site
from etle.errors import SourceError
from etle.protocols import CheckpointStore, Clock, EvidenceStore
from etle.runs.plan import PlannedCamera, ReprocessPlan
from etle.storage.runs import PostgresRuns, RunCamera
from etle.types import CameraId, Frame, Violation
from pipeline.reprocess.footage import RecordedFootage
from pipeline.reprocess.sink import RunSink
from pipeline.workers.embedded import CameraRun, RunCallbacks, load_checkpoint, resume_session
from pipeline.workers.session import StageFactory


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


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedRun:
    """A run with what a process needs for its cameras."""

    job: ReprocessJob
    resources: RunResources


class CameraProgress(Protocol):
    """Learns how far a camera is."""

    def begun(self, camera: CameraId, done: int, count: Callable[[], int | None]) -> None:
        """`done`: frames that were processed before; `count` reads how many there are in all, None if unknown."""
        ...

    def frame(self, camera: CameraId) -> None:
        """One more frame was processed."""
        ...


class CameraReprocess:
    """Processes one camera from its checkpoint on."""

    def __init__(
        self, job: ReprocessJob, resources: RunResources, camera: CameraId, progress: CameraProgress, *,
        last_segment: int | None = None, retries: bool = True,
    ) -> None:  # fmt: skip
        """`last_segment`: number of the segment of the archive at whose end to stop; None: process the camera to its end.

        `retries`: see `CameraRun`.
        """
        planned = job.plan.camera(camera)
        self._ends = last_segment is None or last_segment >= len(planned.segments) - 1
        self._job = job
        self._resources = resources
        self._camera = camera
        self._progress = progress
        self._footage = resources.open_footage(planned if self._ends else planned.until_segment(last_segment or 0), self._on_damaged)
        self._counts = stored_counts(resources.runs, job.run, camera)
        self._working_since = time.monotonic()
        self._stopped = False
        self.ended = False
        """Everything that was asked for is processed and saved."""
        self._run = self._camera_run(retries)

    def run(self) -> None:
        """Raises SourceError after what was read is saved, ConfigError, InferenceError, StoreError."""
        for _ in self.steps():
            pass

    def steps(self) -> Iterator[None]:
        """As `run`, frame by frame: the caller decides when the next one is processed."""
        self._progress.begun(self._camera, self._counts.frames, self._footage.count)
        try:
            for _ in self._run.steps():
                waits_since = time.monotonic()
                yield
                self._working_since += time.monotonic() - waits_since
        except SourceError:
            self._save_counts()
            raise
        self._save_counts(finished=self._ends and not self._stopped)
        self.ended = not self._stopped

    def stop(self) -> None:
        """Finish the current frame, save a checkpoint and return."""
        self._stopped = True
        self._run.stop()

    def save(self, stream: str, position: int, state: bytes) -> None:
        """As a CheckpointStore: the counts of the run are those at the checkpoint."""
        self._resources.runs.save_progress(self._job.run, self._updated_counts(), stream, position, state)

    def load(self, stream: str) -> tuple[int, bytes] | None:
        return self._resources.checkpoints.load(stream)

    def _camera_run(self, retries: bool) -> CameraRun:
        resources, job = self._resources, self._job
        stream = checkpoint_name(job.run, self._camera)
        session = resume_session(resources.stages, self._camera, load_checkpoint(self, stream), resources.clock.now())
        sink = RunSink(job.run, job.plan, resources.runs, resources.files, resources.clock)
        callbacks = RunCallbacks(frame=self._on_frame, rejected=self._on_rejected, violation=_ignore)
        return CameraRun(
            session, self._footage, sink, self, resources.clock, stream, callbacks, self._numbered, retries=retries
        )  # fmt: skip

    def _numbered(self, after: int) -> Iterator[tuple[int, Frame]]:
        yield from self._footage.numbered(after)
        if not self._ends:
            self._run.stop()  # what is pending waits for the next segment

    def _on_frame(self, frame: Frame) -> None:
        self._counts = replace(self._counts, frames=self._counts.frames + 1)
        self._progress.frame(self._camera)

    def _on_rejected(self, frame: Frame, reason: str) -> None:
        self._on_damaged()

    def _on_damaged(self) -> None:
        self._counts = replace(self._counts, frames=self._counts.frames + 1, rejected=self._counts.rejected + 1)
        self._progress.frame(self._camera)

    def _save_counts(self, *, finished: bool = False) -> None:
        finished_at = self._resources.clock.now() if finished else None
        self._resources.runs.save_camera(self._job.run, replace(self._updated_counts(), finished_at=finished_at))

    def _updated_counts(self) -> RunCamera:
        now = time.monotonic()
        busy_s = self._counts.busy_s + now - self._working_since
        self._counts, self._working_since = replace(self._counts, busy_s=busy_s), now
        return self._counts


def _ignore(violation: Violation, new: bool) -> None:
    """Violations are counted where they are stored."""


def checkpoint_name(run: str, camera: CameraId) -> str:
    return f"run/{run}/{camera}"


def stored_counts(runs: PostgresRuns, run: str, camera: CameraId) -> RunCamera:
    stored = runs.run(run)
    known = next((each for each in stored.cameras if each.camera == camera), None) if stored else None
    return known or RunCamera(camera=camera)
