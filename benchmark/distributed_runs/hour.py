"""Simulated cameras through the live roles, archived and processed again by distributed workers: what differs.

The same code on the same frames has to find the same. With another plate reader only plates may differ, and their certainty.
"""

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from benchmark import report
from benchmark.distributed_runs.deployment import RunningRole, RunsDeployment, running_runs_deployment, wait_until
from benchmark.distributed_runs.footage import SimulatedFootage

_IDLE_TIMEOUT_S: Final = 5.0
_WORKERS: Final = 2
_PLATES: Final = {"plate", "certainty"}


def measure(folder: Path, cameras: int, fps: float, minutes: float, reader: str) -> dict[str, Any]:
    footage, length = SimulatedFootage(cameras, fps), timedelta(minutes=minutes)
    begin = datetime.now(UTC) - length - timedelta(hours=1)
    with running_runs_deployment(folder, footage.cameras) as deployment:
        total, live_s = _live(deployment, footage, begin, length)
        models = folder / "models.yaml"
        models.write_text(json.dumps({"readers": [reader]}))
        workers = [deployment.start("reprocess-worker", "--live-lag", "0", "--nice", "0") for _ in range(_WORKERS)]
        runs = {name: _run(deployment, name, *options) for name, options in (("again", ()), ("other", ("--models", str(models))))}
        for worker in workers:
            worker.stop()
    rows = [_row(name, found) for name, found in runs.items()]
    report.show(f"{total} frames: {minutes:g} minutes of {cameras} cameras at {fps:g} frames/s; live took {live_s:.0f} s", rows)
    same = not any(len(runs["again"][kind]) for kind in ("only_a", "only_b", "changed"))
    plates = not runs["other"]["only_a"] and not runs["other"]["only_b"]
    plates = plates and all(set(pair["differences"]) <= _PLATES for pair in runs["other"]["changed"])
    print(f"the same code finds the same: {same}; with {reader} only plates differ: {plates}")
    return {"frames": total, "same": same, "only_plates_differ": plates, "runs": rows}


def _live(deployment: RunsDeployment, footage: SimulatedFootage, begin: datetime, length: timedelta) -> tuple[int, float]:
    """All frames through detect, write and the archive; returns their number and how long it took."""
    detect = [deployment.start("detect", "--idle-timeout", str(_IDLE_TIMEOUT_S)) for _ in range(_WORKERS)]
    write, archive = deployment.start("write"), deployment.start("archive", "record")
    started = time.monotonic()
    total = deployment.publish(footage.frames(begin, length))
    wait_until(lambda: _processed(detect) >= total, "detect")
    live_s = time.monotonic() - started
    wait_until(lambda: archive.metric("etle_archived_frames_total", 'outcome="archived"') >= total, "the archive")
    time.sleep(4 * _IDLE_TIMEOUT_S)  # then each camera has ended, and its pending findings are complete
    found = sum(role.metric("etle_violations_total", 'outcome="found"') for role in detect)
    wait_until(lambda: write.metric("etle_violations_total") >= found, "the writer")
    for role in (*detect, write, archive):
        role.stop()
    return total, live_s


def _processed(detect: list[RunningRole]) -> float:
    return sum(role.metric("etle_frames_total", f'outcome="{outcome}"') for role in detect for outcome in ("processed", "gated", "dead"))


def _run(deployment: RunsDeployment, name: str, *options: str) -> dict[str, Any]:
    started = time.monotonic()
    deployment.distribute(name, *options)
    wait_until(lambda: deployment.is_finished(name), f"the run {name}")
    comparison: dict[str, Any] = json.loads(deployment.etle("runs", "compare", "live", name, "--json"))
    return {**comparison, "seconds": time.monotonic() - started}


def _row(name: str, found: dict[str, Any]) -> dict[str, Any]:
    counts = {kind.replace("_", " "): len(found[kind]) for kind in ("only_a", "only_b", "changed")}
    return {"run": name, "same": found["same"], **counts, "seconds": found["seconds"]}
