"""One trial: stream footage, inject faults, verify the results."""

import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmark.faults.deployment import FaultDeployment, running_deployment, wait_until
from benchmark.faults.footage import ExpectedViolation, Footage, FootageFrame, undisturbed
from benchmark.faults.roles import FaultKind, FaultTarget
from benchmark.faults.verification import Backlog, FaultReport, verify_results, violations_in
from etle.storage.database import Database
from etle.types import CameraId
from pipeline.assembly import open_site_engines, shipped_law
from pipeline.workers.stages import SiteStageFactory

FAULTS_PER_PASS: Final = 25
"""Number of faults during one pass over the clips."""
KINDS: Final = (FaultKind.KILL, FaultKind.KILL, FaultKind.STOP, FaultKind.FREEZE)
SETTLE_S: Final = 300
"""Time without progress after the last fault after which the trial gives up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    faults: dict[str, int]
    crashes: list[str]
    report: FaultReport
    seconds: float


def run(folder: Path, *, faults: int, seed: int, fps: float, detect_workers: int, verbose: bool) -> TrialResult:
    started, rng = time.monotonic(), random.Random(seed)
    footage = Footage(folder, fps)
    pictures = footage.pictures(max(1, round(faults / FAULTS_PER_PASS)))
    expected = undisturbed(footage, pictures, SiteStageFactory(footage.site, open_site_engines(footage.site), shipped_law()))
    with running_deployment(folder, footage, detect_workers) as deployment:
        injected = inject_faults(deployment, footage, pictures, faults, rng, verbose)
        drain(deployment, expected, verbose)
        for role in deployment.roles:
            role.stop()
        crashes = [crash for role in deployment.roles for crash in role.crashes]
        report = verify_results(expected, deployment.connection, deployment.database, deployment.data)
    return TrialResult(faults=dict(injected), crashes=crashes, report=report, seconds=time.monotonic() - started)


def inject_faults(
    deployment: FaultDeployment, footage: Footage, pictures: Sequence[FootageFrame], faults: int, rng: random.Random, verbose: bool
) -> Counter[str]:
    """Publishes more footage before each fault, so that there are always frames in process. Returns the faults by target and kind."""
    injected = Counter[str]()
    targets: list[FaultTarget] = [*deployment.roles, *deployment.servers]
    published = 0
    for number in range(faults):
        end = max(len(pictures) * (number + 1) // faults, _first_of_every_camera(pictures))
        for picture in pictures[published:end]:
            footage.publish(picture)
        published = end
        if not deployment.ingest.running:
            deployment.ingest.start()
        time.sleep(rng.uniform(0.3, 2.5))
        deployment.restart_crashed()
        target, fault = rng.choice(targets), rng.choice(KINDS)
        target.inject(fault)
        time.sleep(rng.uniform(0.2, 3.0))
        target.recover()
        injected[f"{target.name} {fault.value}"] += 1
        if verbose:
            print(f"{number + 1:4} {target.name:9} {fault.value}", flush=True)
    return injected


def _first_of_every_camera(pictures: Sequence[FootageFrame]) -> int:
    """Number of pictures up to the first one of each camera: ingest reports an empty folder as an error."""
    first: dict[CameraId, int] = {}
    for number, picture in enumerate(pictures, 1):
        first.setdefault(picture.camera, number)
    return max(first.values())


def drain(deployment: FaultDeployment, expected: ExpectedViolation, verbose: bool) -> None:
    """Waits until all frames are processed and all violations written, or until there is no progress for `SETTLE_S`."""
    backlog, database = Backlog(deployment.connection), Database(deployment.database)
    try:
        wait_until(lambda: not deployment.ingest.running, timeout_s=SETTLE_S, on_tick=deployment.restart_crashed)
        deployment.ingest.start()  # for pictures that were published after ingest had listed the folder
        wait_until(lambda: not deployment.ingest.running, timeout_s=SETTLE_S, on_tick=deployment.restart_crashed)
        last, progress_at = (0, 0, 0), time.monotonic()
        while time.monotonic() - progress_at < SETTLE_S:
            deployment.restart_crashed()
            now = backlog.messages(), backlog.ended(), len(violations_in(database))
            if now[:2] == (0, len(expected.frames)):
                break
            if now != last:
                last, progress_at = now, time.monotonic()
                if verbose:
                    print(
                        f"{now[0]} messages left, {now[1]} cameras ended, {now[2]} of {len(expected.violations)} violations written",
                        flush=True,
                    )
            time.sleep(1)
    finally:
        backlog.close()
        database.close()


def passed(result: TrialResult) -> bool:
    report = result.report
    errors = report.missing, report.doubled, report.unverified, report.frames_lost_uncounted, report.set_aside
    return report.expected > 0 and not any(errors) and not result.crashes
