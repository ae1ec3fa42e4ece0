"""Reprocessing of drawn footage from an archive, with a real database; can be called in a process of its own."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
from archives import archive_all
from drawn import ColourDetector, stage
from workers import DrawnStages, of_camera

from etle.clock import SystemClock
from etle.config import site as config
from etle.protocols import PlateReader
from etle.runs.plan import FootageKind, Part, PlannedCamera, ReprocessPlan
from etle.storage.archive.files import FolderFiles
from etle.storage.archive.reader import ArchiveReader
from etle.storage.checkpoints import PostgresCheckpoints
from etle.storage.database import Database
from etle.storage.evidence.folder import FolderEvidence
from etle.storage.runs import PostgresRuns, StoredRun
from etle.types import CameraId, CharacterRead, Digest, PlateRead
from etle.wire import violation_to_json
from pipeline.detect.stage import CameraStage
from pipeline.detect.state import StageState
from pipeline.reprocess.camera import ReprocessJob, RunResources
from pipeline.reprocess.footage import ArchiveFootage
from pipeline.reprocess.run import reprocess, start_run
from pipeline.workers.site_run import NoProgress

SITE = "tes"
CAMERAS = ("cam-1", "cam-2")


@dataclass(frozen=True, slots=True)
class FixedReader:
    """Reads the same text in every crop."""

    text: str = "B1234XYZ"
    name: str = "fixed"
    digest: Digest = field(default=Digest("f" * 64))

    def read(self, crops: Sequence[np.ndarray]) -> Sequence[PlateRead]:
        characters = tuple(CharacterRead(character=character, probability=0.99) for character in self.text)
        return [PlateRead(reader=self.name, text=self.text, characters=characters) for _ in crops]


class ReadingStages(DrawnStages):
    """A StageFactory with a plate reader for each camera."""

    def __init__(self, readers: Mapping[str, PlateReader]) -> None:
        super().__init__(*CAMERAS)
        self._readers = readers

    def build(self, camera: CameraId, state: StageState) -> CameraStage:
        settings: config.CameraSettings = self._watched.cameras[0].model_copy(update={"id": camera})
        watched = self._watched.model_copy(update={"cameras": (settings,)})
        return stage(watched, state, ColourDetector(), reader=self._readers[camera])


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Where the archive, the database and the files of runs are, and which plates are read."""

    folder: Path
    database: str
    readers: Mapping[str, PlateReader] = field(default_factory=lambda: dict.fromkeys(CAMERAS, FixedReader()))
    since: Any = None
    until: Any = None

    @property
    def reader(self) -> ArchiveReader:
        return ArchiveReader((FolderFiles(self.folder / "archive"),), SITE)

    def plan(self) -> ReprocessPlan:
        cameras = tuple(
            PlannedCamera(
                camera=CameraId(name),
                fingerprint=Digest("a" * 64),
                segments=tuple(segment.name.video for segment in self.reader.segments(CameraId(name))),
            )
            for name in CAMERAS
        )
        return ReprocessPlan(
            site=SITE, source=FootageKind.ARCHIVE, part=Part.ALL, since=self.since, until=self.until, cameras=cameras
        )  # fmt: skip


@contextmanager
def resources(setting: Setting, job: ReprocessJob) -> Iterator[RunResources]:
    database = Database(setting.database)
    yield RunResources(
        stages=ReadingStages(setting.readers),
        runs=PostgresRuns(database),
        checkpoints=PostgresCheckpoints(database),
        files=FolderEvidence(setting.folder / "runs" / job.run, 0),
        open_footage=lambda camera, damaged: ArchiveFootage(setting.reader, job.plan, camera, None, lambda frame: damaged()),
        clock=SystemClock(),
    )
    database.close()


def run(setting: Setting, name: str, workers: int = 1, stop: Event | None = None) -> StoredRun:
    """The run, processed as far as it gets."""
    database, clock = Database(setting.database), SystemClock()
    runs, watched = PostgresRuns(database), DrawnStages()._watched
    job = ReprocessJob(run=name, site=watched, plan=setting.plan())
    job = replace(job, plan=start_run(runs, job, "sari", clock))
    problems = reprocess(job, runs, partial(resources, setting), workers, NoProgress(), stop or Event(), clock)
    stored = runs.run(name)
    database.close()
    assert stored is not None and not problems
    return stored


def plan_run(setting: Setting, name: str) -> ReprocessJob:
    """A run that is recorded and not begun."""
    database = Database(setting.database)
    job = ReprocessJob(run=name, site=DrawnStages()._watched, plan=setting.plan())
    plan = start_run(PostgresRuns(database), job, "sari", SystemClock())
    database.close()
    return replace(job, plan=plan)


def stored(setting: Setting, name: str) -> StoredRun:
    database = Database(setting.database)
    run = PostgresRuns(database).run(name)
    database.close()
    assert run is not None
    return run


def found(setting: Setting, name: str) -> dict[str, str]:
    """Documents of the run's violations by id."""
    database = Database(setting.database)
    documents = {str(each.id): violation_to_json(each) for each in PostgresRuns(database).violations(name)}
    database.close()
    return documents


def archive_street(folder: Path, *, cameras: Sequence[str] = CAMERAS, change: Callable[[Any], Any] = lambda frame: frame) -> None:
    for camera in cameras:
        archive_all(folder / "archive", [change(frame) for frame in of_camera(camera)])


def archive_in_parts(folder: Path, borders: Sequence[int], *, cameras: Sequence[str] = CAMERAS) -> None:
    """Each camera in several segments of one hour, cut before the frames with these numbers."""
    for camera in cameras:
        frames = of_camera(camera)
        for first, last in pairwise((0, *borders, len(frames))):
            part = folder / f"part-{first}"
            archive_all(part, frames[first:last])
            for file in [each for each in (part / SITE / camera).rglob("*.*") if each.is_file() and not each.name.startswith(".")]:
                place = folder / "archive" / file.relative_to(part)
                place.parent.mkdir(parents=True, exist_ok=True)
                file.rename(place)
