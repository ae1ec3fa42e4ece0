"""How long live frames wait until detect has processed them: alone, while a run is reprocessed on the same host, and alone again."""

import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from benchmark import report
from benchmark.distributed_runs.deployment import RunningRole, RunsDeployment, running_runs_deployment, wait_until
from benchmark.distributed_runs.footage import SimulatedFootage
from etle.kafka.client import KafkaPublisher
from etle.kafka.topics import TopicNames
from etle.wire import frame_to_wire

_SAMPLE_S: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveLag:
    mean_s: float
    p95_s: float
    frames_per_s: float
    """That the run processed meanwhile."""
    yielded: float
    """Share of the time in which the run waited for live traffic."""


def measure(folder: Path, cameras: int, fps: float, seconds: float, footage_s: float) -> dict[str, Any]:
    """`seconds`: of each of the three phases; `footage_s`: of each camera in the archive, more than the run gets done meanwhile."""
    footage, begin = SimulatedFootage(cameras, fps), datetime.now(UTC) - timedelta(hours=3) - timedelta(seconds=footage_s)
    with running_runs_deployment(folder, footage.cameras) as deployment:
        deployment.archive(footage.frames(begin, timedelta(seconds=footage_s)))
        detect = deployment.start("detect")
        with _live(deployment, footage):
            wait_until(lambda: detect.metric("etle_frames_total") > 10 * cameras, "starting detect")
            before = _sample(detect, None, seconds)
            worker = deployment.start("reprocess-worker")
            deployment.distribute("again")
            wait_until(lambda: worker.metric("etle_reprocessed_frames_total") > 0, "starting the run")
            during = _sample(detect, worker, seconds)
            if deployment.is_finished("again"):
                print("the run was finished before the measurement: give it more --footage")
            worker.stop()
            after = _sample(detect, None, seconds)
    normal_s = (before.mean_s + after.mean_s) / 2
    rows = [
        {
            "live lag": name,
            "mean, s": lag.mean_s,
            "p95, s": lag.p95_s,
            "run, frames/s": lag.frames_per_s,
            "run yielded": f"{lag.yielded:.0%}",
        }
        for name, lag in (("alone", before), ("during a run", during), ("alone again", after))
    ]
    report.show(f"{cameras} live cameras at {fps:g} frames/s", rows)
    print(f"live lag during a run / alone: {during.mean_s / normal_s:.2f}")
    return {"ratio": during.mean_s / normal_s, "phases": rows}


def _sample(detect: RunningRole, worker: RunningRole | None, seconds: float) -> LiveLag:
    lags, yielded, started = [], [], time.monotonic()
    first = worker.metric("etle_reprocessed_frames_total") if worker else 0.0
    while time.monotonic() - started < seconds:
        time.sleep(_SAMPLE_S)
        lags.append(detect.metric("etle_lag_seconds"))
        if worker is not None and len(lags) % 10 == 0:
            yielded.append(worker.metric("etle_yields_to_live"))
    done = worker.metric("etle_reprocessed_frames_total") - first if worker else 0.0
    return LiveLag(
        mean_s=statistics.mean(lags),
        p95_s=statistics.quantiles(lags, n=20)[18],
        frames_per_s=done / seconds,
        yielded=statistics.mean(yielded) if yielded else 0.0,
    )


@contextmanager
def _live(deployment: RunsDeployment, footage: SimulatedFootage) -> Iterator[None]:
    """Publishes the frames of all cameras at their times."""
    stop = threading.Event()
    thread = threading.Thread(target=_publish, args=(deployment, footage, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _publish(deployment: RunsDeployment, footage: SimulatedFootage, stop: threading.Event) -> None:
    publisher, topic = KafkaPublisher(deployment.connection, "live"), TopicNames(deployment.site.broker.prefix).frames
    for frame in footage.frames(datetime.now(UTC), timedelta(days=1)):
        if stop.wait(max(0.0, (frame.captured_at - datetime.now(UTC)).total_seconds())):
            break
        headers, value = frame_to_wire(replace(frame, received_at=datetime.now(UTC)))
        publisher.publish(topic, value, key=frame.camera.encode(), headers=headers)
    publisher.close()
