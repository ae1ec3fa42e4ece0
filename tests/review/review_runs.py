"""Runs in the review application's database, with the pictures of the cases that they see differently."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest

from review_app import RunningReview

from etle.runs.plan import FootageKind, Part, PlannedCamera, ReprocessPlan
from etle.storage.evidence.folder import FolderEvidence
from etle.storage.runs import PostgresRuns, RunCamera
from etle.types import Digest, Violation


def add_run(review: RunningReview, name: str, found: Sequence[Violation], plates: Sequence[str | None] = ()) -> None:
    """A finished run of everything. `plates`: what it reads on the first violations, instead of what they have; None: the same."""
    runs, now = PostgresRuns(review.database), review.clock.now()
    cameras = sorted({row[0] for row in review.rows("SELECT DISTINCT camera FROM violations")})
    plan = ReprocessPlan(
        site=found[0].site, source=FootageKind.ARCHIVE, part=Part.ALL, since=None, until=None,
        cameras=tuple(PlannedCamera(camera=camera, fingerprint=Digest("a" * 64)) for camera in cameras),
    )  # fmt: skip
    assert runs.start(name, plan.site, plan.to_json(), "sari", now)
    files = FolderEvidence(review.folder / "evidence-runs" / name, reserve_bytes=0)
    for violation, plate in zip_longest(found, plates):
        for picture in violation.pictures:
            files.put(review.evidence.get(picture.sha256), ".jpg")
        runs.add_violation(name, replace(violation, plate=replace(violation.plate, text=plate or violation.plate.text)), now)
    for camera in cameras:
        runs.save_camera(name, RunCamera(camera=camera, frames=36_000, busy_s=1200.0, finished_at=now))
    runs.finish(name, now)
