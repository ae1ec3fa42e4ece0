"""Frames per second of one worker of detect, one worker of a run and two of them, on the same frames."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from benchmark import report
from benchmark.distributed_runs.deployment import RunningRole, RunsDeployment, running_runs_deployment, wait_until
from benchmark.distributed_runs.footage import SimulatedFootage

_MEASURED_SHARE: Final = 0.9
_FPS: Final = 5.0
_ENDED_S: Final = 15.0
"""Time in which detect notices that the cameras have ended, and completes what is pending."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameRate:
    per_s: float
    """From when every worker has processed a frame to nine tenths of the frames: without loading the models, and without the last ones."""
    per_cpu_s: float
    """To the end, with all violations; without loading the models."""


def measure(folder: Path, cameras: int, seconds: float) -> dict[str, Any]:
    """`seconds` of footage of each camera."""
    footage, begin, length = SimulatedFootage(cameras, _FPS), datetime.now(UTC) - timedelta(hours=3), timedelta(seconds=seconds)
    with running_runs_deployment(folder, footage.cameras) as deployment:
        total = deployment.publish(footage.frames(begin, length))
        deployment.archive(footage.frames(begin, length))
        live = _live(deployment, total)
        one, two = (_run(deployment, name, workers, total) for name, workers in (("one", 1), ("two", 2)))
    rows = [
        {"": name, "frames/s": rate.per_s, "frames/s of CPU": rate.per_cpu_s}
        for name, rate in (("detect", live), ("one reprocess-worker", one), ("two", two))
    ]
    report.show(f"{total} frames of {cameras} cameras", rows)
    figures = {"frames": total, "worker_per_live": one.per_s / live.per_s, "worker_per_live_cpu": one.per_cpu_s / live.per_cpu_s}
    figures["two_per_one"] = two.per_s / one.per_s
    print(
        f"worker / live: {figures['worker_per_live']:.3f} by wall time, {figures['worker_per_live_cpu']:.3f} by CPU time;"
        f" two workers / one: {figures['two_per_one']:.2f}"
    )
    return {**figures, "rates": rows}


def _live(deployment: RunsDeployment, total: int) -> FrameRate:
    role = deployment.start("detect", "--idle-timeout", "1")

    def has_ended() -> bool:
        """All frames are processed, and each camera had its time to end."""
        if _done(role, "etle_frames_total") < total:
            return False
        time.sleep(_ENDED_S)
        return True

    return _rate([role], "etle_frames_total", total, has_ended)


def _run(deployment: RunsDeployment, name: str, workers: int, total: int) -> FrameRate:
    roles = [deployment.start("reprocess-worker", "--live-lag", "0", "--nice", "0") for _ in range(workers)]
    deployment.distribute(name)
    return _rate(roles, "etle_reprocessed_frames_total", total, lambda: deployment.is_finished(name))


def _rate(roles: Sequence[RunningRole], metric: str, total: int, has_ended: Callable[[], bool]) -> FrameRate:
    def done() -> float:
        return sum(_done(role, metric) for role in roles)

    def cpu_s() -> float:
        return sum(role.cpu_s for role in roles)

    wait_until(lambda: all(_done(role, metric) for role in roles), "starting the workers")
    first, first_cpu_s, started = done(), cpu_s(), time.monotonic()
    wait_until(lambda: done() >= _MEASURED_SHARE * total, "the measurement")
    per_s = (done() - first) / (time.monotonic() - started)
    wait_until(has_ended, "the end of the measurement")
    rate = FrameRate(per_s=per_s, per_cpu_s=(total - first) / (cpu_s() - first_cpu_s))
    for role in roles:
        role.stop()
    return rate


def _done(role: RunningRole, metric: str) -> float:
    outcomes = [('outcome="processed"',), ('outcome="gated"',)] if metric == "etle_frames_total" else [()]
    return sum(role.metric(metric, *labels) for labels in outcomes)
