"""What a run would process and how long it would take, without storing anything."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from etle.clock import SystemClock
from etle.storage.runs import StoredRun
from etle.types import CameraId
from pipeline.reprocess.footage import RecordedFootage
from pipeline.reprocess.plan import ReprocessPlan
from pipeline.workers.session import CameraSession, StageFactory


@dataclass(frozen=True, slots=True, kw_only=True)
class ReprocessEstimate:
    frames: int
    frames_per_s: float
    """Of one worker."""
    measured_on: str
    """Where the rate comes from."""

    def duration_s(self, workers: int) -> float:
        return self.frames / self.frames_per_s / workers


def earlier_rate(runs: Sequence[StoredRun], plan: ReprocessPlan) -> tuple[float, str] | None:
    """Frames per second of one worker in the latest finished run of the same part of the pipeline on this site; None without one."""
    for run in runs:
        busy_s = sum(camera.busy_s for camera in run.cameras)
        frames = sum(camera.frames for camera in run.cameras)
        if run.finished_at and run.site == plan.site and busy_s > 0 and frames and ReprocessPlan.of(run.plan).part is plan.part:
            return frames / busy_s, f"run {run.name}"
    return None


def measured_rate(stages: StageFactory, camera: CameraId, footage: RecordedFootage, frames: int) -> tuple[float, str] | None:
    """Frames per second on the first frames of the footage; None if it has none."""
    clock = SystemClock()
    session = CameraSession(stages, camera, None, 0, clock.now())
    started, done = time.monotonic(), 0
    for offset, frame in islice(footage.numbered(-1), frames):
        session.process(frame, offset, clock.now())
        done += 1
    return (done / (time.monotonic() - started), f"{done} frames of {camera}") if done else None
