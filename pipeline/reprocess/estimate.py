"""What a run would process and how long it would take, without storing anything."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from etle.clock import SystemClock
from etle.errors import ConfigError
from etle.runs.plan import ReprocessPlan
from etle.storage.runs import StoredRun
from etle.types import CameraId
from pipeline.reprocess.footage import RecordedFootage
from pipeline.workers.session import CameraSession, StageFactory

TRIAL_FRAMES: Final = 60
"""Frames on which the rate is measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReprocessEstimate:
    frames: int
    unknown: tuple[CameraId, ...]
    """Cameras whose number of frames is not known."""
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


def estimate_run(
    stages: Callable[[], StageFactory], footage: Mapping[CameraId, RecordedFootage], runs: Sequence[StoredRun], plan: ReprocessPlan
) -> ReprocessEstimate:  # fmt: skip
    """`stages` is called only if there is no earlier run to take the rate from. Raises ConfigError if there are no frames."""
    counts = {camera: each.count() for camera, each in footage.items()}
    rate = earlier_rate(runs, plan)
    if rate is None:
        camera = max(counts, key=lambda each: counts[each] or 0)
        rate = measured_rate(stages(), camera, footage[camera], TRIAL_FRAMES)
    if rate is None:
        raise ConfigError("there are no frames in this range")
    unknown = tuple(camera for camera, count in counts.items() if count is None)
    return ReprocessEstimate(
        frames=sum(count or 0 for count in counts.values()), unknown=unknown, frames_per_s=rate[0], measured_on=rate[1]
    )  # fmt: skip
