"""One trial: footage and faults, then the reckoning."""

import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmark.faults.deployment import FaultDeployment, standing, wait_until
from benchmark.faults.footage import ExpectedViolation, Footage, FootageFrame, undisturbed
from benchmark.faults.roles import FaultKind, FaultTarget
from benchmark.faults.verification import Backlog, FaultReport, reckon, violations_in
from etle.storage.database import Database
from etle.types import CameraId
from etle_cli.commands.detect import SiteStageFactory
from pipeline.assembly import open_engines, shipped_law

FAULTS_A_PASS: Final = 25
"""So many faults while one pass over the clips is streamed."""
KINDS: Final = (FaultKind.KILL, FaultKind.KILL, FaultKind.STOP, FaultKind.FREEZE)
SETTLE_S: Final = 300
"""Without any progress, after the last fault, before it is given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    faults: dict[str, int]
    crashes: list[str]
    reckoning: FaultReport
    seconds: float


def run(folder: Path, *, faults: int, seed: int, fps: float, detect_workers: int, say: bool) -> TrialResult:
    began, chance = time.monotonic(), random.Random(seed)
    footage = Footage(folder, fps)
    pictures = footage.pictures(max(1, round(faults / FAULTS_A_PASS)))
    expected = undisturbed(footage, pictures, SiteStageFactory(footage.site, open_engines(footage.site.detect), shipped_law()))
    with standing(folder, footage, detect_workers) as stand:
        done = disturb(stand, footage, pictures, faults, chance, say)
        drain(stand, expected, say)
        for role in stand.roles:
            role.stop()
        crashes = [crash for role in stand.roles for crash in role.crashes]
        reckoning = reckon(expected, stand.connection, stand.database, stand.data)
    return TrialResult(faults=dict(done), crashes=crashes, reckoning=reckoning, seconds=time.monotonic() - began)


def disturb(
    stand: FaultDeployment, footage: Footage, pictures: Sequence[FootageFrame], faults: int, chance: random.Random, say: bool
) -> Counter[str]:
    """Before each fault some more of the footage is laid out, so that there is always something in work."""
    done = Counter[str]()
    targets: list[FaultTarget] = [*stand.roles, *stand.servers]
    laid = 0
    for number in range(faults):
        upto = max(len(pictures) * (number + 1) // faults, _all_begun(pictures))
        for picture in pictures[laid:upto]:
            footage.lay(picture)
        laid = upto
        if not stand.ingest.running:
            stand.ingest.start()
        time.sleep(chance.uniform(0.3, 2.5))
        stand.look()
        target, fault = chance.choice(targets), chance.choice(KINDS)
        target.disturb(fault)
        time.sleep(chance.uniform(0.2, 3.0))
        target.mend()
        done[f"{target.name} {fault.value}"] += 1
        if say:
            print(f"{number + 1:4} {target.name:9} {fault.value}", flush=True)
    return done


def _all_begun(pictures: Sequence[FootageFrame]) -> int:
    """How many it takes until every camera has one: ingest calls an empty folder a mistake, and is right."""
    first: dict[CameraId, int] = {}
    for number, picture in enumerate(pictures, 1):
        first.setdefault(picture.camera, number)
    return max(first.values())


def drain(stand: FaultDeployment, expected: ExpectedViolation, say: bool) -> None:
    """Until everything is sent, looked at, ended and written; or until nothing has moved for long."""
    backlog, database = Backlog(stand.connection), Database(stand.database)
    try:
        wait_until(lambda: not stand.ingest.running, within_s=SETTLE_S, look=stand.look)
        stand.ingest.start()  # pictures that were laid after it had looked what there is
        wait_until(lambda: not stand.ingest.running, within_s=SETTLE_S, look=stand.look)
        last, moved_at = (0, 0, 0), time.monotonic()
        while time.monotonic() - moved_at < SETTLE_S:
            stand.look()
            now = backlog.messages(), backlog.ended(), len(violations_in(database))
            if now[:2] == (0, len(expected.frames)):
                break
            if now != last:
                last, moved_at = now, time.monotonic()
                if say:
                    print(
                        f"{now[0]} messages to go, {now[1]} cameras have ended, {now[2]} of {len(expected.violations)} are written",
                        flush=True,
                    )
            time.sleep(1)
    finally:
        backlog.close()
        database.close()


def sound(outcome: TrialResult) -> bool:
    reckoning = outcome.reckoning
    wrong = reckoning.missing, reckoning.doubled, reckoning.unverified, reckoning.frames_lost_uncounted, reckoning.set_aside
    return reckoning.expected > 0 and not any(wrong) and not outcome.crashes
