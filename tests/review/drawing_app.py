"""The drawing pages for the tests: a real web server and database, a site file in a folder, and footage and trials in memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from databases import TestDatabases
from fastapi import FastAPI
from review_app import FAST_PASSWORDS, CountingEvidence, running

from etle.config.law import load_law
from etle.config.packaged import configs_folder
from etle.config.site_versions import SiteFile
from etle.errors import SourceUnavailable
from etle.site_desk import PictureList, ScenePicture, ScenePictures, Trials, TrialState
from etle.storage.campaigns import PostgresCampaigns
from etle.storage.cases import PostgresCases
from etle.storage.database import Database
from etle.storage.users import UserRole, Users
from etle.testing import ManualClock
from etle.types import CameraId
from pipeline.site_setup.assessor import SiteAssessor
from review.app import create_app
from review.drawing.desk import SiteDesk

START = datetime(2026, 11, 29, 3, 0, tzinfo=UTC)
PEOPLE = {"budi": UserRole.OPS, "sri": UserRole.OPS, "rina": UserRole.REVIEWER, "sari": UserRole.SUPERVISOR}
PEOPLE |= {"agus": UserRole.AUDITOR, "admin": UserRole.ADMIN}
CAMERA = "demo-masuk"
DEMO = (configs_folder() / "demo" / "site.yaml").read_text()


class MemoryPictures:
    """ScenePictures in memory."""

    def __init__(self, jpegs: dict[str, bytes], *, live: bool = False) -> None:
        self.jpegs = jpegs
        self.live = live

    def listed(self, camera: CameraId) -> PictureList:
        return PictureList(pictures=tuple(ScenePicture(key=key, captured_at=START) for key in self.jpegs), pending=False, live=self.live)

    def take(self, camera: CameraId) -> PictureList:
        if not self.live:
            raise SourceUnavailable(f"camera {camera!r} is a recording")
        self.jpegs[f"{len(self.jpegs) + 1}"] = b"\xff\xd8 now"
        return self.listed(camera)

    def jpeg(self, camera: CameraId, key: str) -> bytes | None:
        return self.jpegs.get(key)


@dataclass
class MemoryTrials:
    """Trials that the test ends."""

    started: list[tuple[str, CameraId, float, str]] = field(default_factory=list)
    present: TrialState = field(default_factory=lambda: TrialState(running=False))
    pictures: dict[str, bytes] = field(default_factory=dict)

    def start(self, text: str, camera: CameraId, seconds: float, by: str) -> bool:
        if self.present.running:
            return False
        self.started.append((text, camera, seconds, by))
        self.present = TrialState(running=True, by=by)
        return True

    def state(self, camera: CameraId) -> TrialState:
        return self.present

    def stop(self) -> None:
        self.present = TrialState(running=False, problem="stopped")

    def picture(self, camera: CameraId, name: str) -> bytes | None:
        return self.pictures.get(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningDrawing:
    url: str
    app: FastAPI
    desk: SiteDesk
    trials: Any
    pictures: Any
    clock: ManualClock
    database: Database

    def browser(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=30)

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        with self.database.transaction() as cursor:
            cursor.execute(sql)
            return [tuple(row) for row in cursor.fetchall()]


@contextmanager
def running_drawing(
    databases: TestDatabases, folder: Path, pictures: ScenePictures, trials: Trials, text: str = DEMO
) -> Iterator[RunningDrawing]:
    """The pages for a site file in the folder, by default a copy of the demo's."""
    path = folder / "site.yaml"
    path.write_text(text)
    with databases.create() as database_url:
        database = Database(database_url)
        clock, users = ManualClock(START), Users(database)
        for name, role in PEOPLE.items():
            users.add(name, role, FAST_PASSWORDS.hash(f"kata sandi {name}"), clock.now())
        desk = SiteDesk(
            file=SiteFile(path, clock),
            cameras=(CameraId(CAMERA), CameraId("demo-keluar")),
            timezone="Asia/Jakarta",
            pictures=pictures,
            assessor=SiteAssessor(path),
            trials=trials,
        )
        app = create_app(
            cases=PostgresCases(database),
            evidence=CountingEvidence(folder / "evidence"),
            users=users,
            campaigns=PostgresCampaigns(database),
            law=load_law(configs_folder() / "law"),
            clock=clock,
            passwords=FAST_PASSWORDS,
            drawing=desk,
        )
        with running(app) as url:
            yield RunningDrawing(url=url, app=app, desk=desk, trials=trials, pictures=pictures, clock=clock, database=database)
        database.close()
