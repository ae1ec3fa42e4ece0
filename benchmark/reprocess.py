"""Frames per second of a reprocessing worker relative to `etle run` on the same frames, and of two workers relative to one.

Both cameras of the bundled footage are archived. One worker: their frames with the same models, once from memory into cases, as `etle run`
stores them, and once from the archive into a run; by CPU time and by wall time. Two workers: both cameras at once in two processes, by
the time that each was busy, without the loading of models; needs two idle cores.
"""

import argparse
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from benchmark import report
from benchmark.archive import open_writer
from etle.clock import SystemClock
from etle.config.packaged import configs_folder
from etle.config.site import CameraSettings, Site, load_site
from etle.runs.plan import FootageKind, Part, ReprocessPlan, camera_plans
from etle.storage.archive.files import FolderFiles
from etle.storage.archive.opening import ArchivePlace
from etle.storage.archive.reader import ArchiveReader
from etle.storage.archive.segment import ArchivedMessage
from etle.storage.runs import PostgresRuns, StoredRun
from etle.storage.stores import StorageOptions, Stores, open_stores
from etle.testing import ListSource
from etle.types import CameraId, Frame
from etle.wire import frame_to_wire
from etle_cli.commands.reprocess import footage_openers
from ingest.sources.provider import SiteSources
from pipeline.assembly import fingerprint, open_site_engines, shipped_law
from pipeline.evidence.writer import Writer
from pipeline.reprocess.assembly import RunPlaces, open_resources
from pipeline.reprocess.camera import ReprocessJob
from pipeline.reprocess.run import reprocess, start_run
from pipeline.workers.embedded import CameraRun, RunCallbacks, resume_session
from pipeline.workers.site_run import NoProgress
from pipeline.workers.stages import SiteStageFactory


@dataclass(frozen=True, slots=True)
class Taken:
    cpu_s: float
    wall_s: float


@contextmanager
def measured() -> Iterator[list[Taken]]:
    taken: list[Taken] = []
    cpu, wall = time.process_time(), time.perf_counter()
    yield taken
    taken.append(Taken(time.process_time() - cpu, time.perf_counter() - wall))


def main() -> None:
    args = _arguments()
    site = load_site(configs_folder() / "demo" / "site.yaml")
    frames = {camera.camera_id: footage_of(site, camera, args.frames) for camera in site.cameras}
    with tempfile.TemporaryDirectory() as folder, open_stores(StorageOptions(data=Path(folder))) as stores:
        archive(Path(folder), site, frames)
        measurement = ReprocessMeasurement(site, stores, Path(folder), frames)
        live = measurement.live()
        one = measurement.one_worker()
        rates = measurement.two_workers() if args.two else {}
    ratio, total = live.cpu_s / one.cpu_s, sum(map(len, frames.values()))
    rows = [
        {"": name, "frames/s of CPU": total / each.cpu_s, "frames/s": total / each.wall_s}
        for name, each in (("live", live), ("worker", one))
    ]
    report.show(f"{total} frames of {len(frames)} cameras", rows)
    print(f"worker / live: {ratio:.3f} by CPU time, {live.wall_s / one.wall_s:.3f} by wall time")
    if rates:
        print(f"two workers / one: {rates['two'] / rates['one']:.2f}")
    report.save(args.json, {"ratio": ratio, "wall_ratio": live.wall_s / one.wall_s, "frames": total, "workers": rates})


class ReprocessMeasurement:
    def __init__(self, site: Site, stores: Stores, folder: Path, frames: dict[CameraId, Sequence[Frame]]) -> None:
        self._site = site
        self._stores = stores
        self._frames = frames
        self._place = ArchivePlace(folder=folder / "archive", bucket=None)
        self._engines = open_site_engines(site)
        self._stages = SiteStageFactory(site, self._engines, shipped_law())
        self._runs = PostgresRuns(stores.database)

    def live(self) -> Taken:
        callbacks = RunCallbacks(frame=lambda frame: None, rejected=lambda frame, why: None, violation=lambda violation, new: None)
        clock, stores = SystemClock(), self._stores
        sink = Writer.with_signer(stores.cases, stores.evidence, stores.signer)
        with measured() as taken:
            for camera, frames in self._frames.items():
                session = resume_session(self._stages, camera, None, clock.now())
                CameraRun(session, ListSource(list(frames)), sink, stores.checkpoints, clock, camera, callbacks).run()
        return taken[0]

    def one_worker(self) -> Taken:
        job = self._job("one")

        with open_resources(self._places(job), footage_openers(), job) as opened:
            resources = replace(opened, stages=self._stages)
            with measured() as taken:
                self._process(job, lambda _: nullcontext(resources), 1)
        return taken[0]

    def two_workers(self) -> dict[str, float]:
        """Frames per second by the time that the workers were busy."""
        for name, workers in (("alone", 1), ("both", 2)):
            job = self._job(name)
            self._process(job, partial(open_resources, self._places(job), footage_openers()), workers)
        alone, both = (self._stored(name) for name in ("alone", "both"))
        frames, busy_s = sum(each.frames for each in alone.cameras), sum(each.busy_s for each in alone.cameras)
        return {"one": frames / busy_s, "two": sum(each.frames / each.busy_s for each in both.cameras)}

    def _job(self, name: str) -> ReprocessJob:
        reader = ArchiveReader(self._place.files(), self._site.site)
        cameras = [camera.camera_id for camera in self._site.cameras]
        segments = {camera: [segment.name.video for segment in reader.segments(camera)] for camera in cameras}
        fingerprints = {camera.camera_id: fingerprint(self._site, camera, self._engines) for camera in self._site.cameras}
        plan = ReprocessPlan(
            site=self._site.site, source=FootageKind.ARCHIVE, part=Part.ALL, since=None, until=None,
            cameras=camera_plans(self._site, fingerprints, segments),
        )  # fmt: skip
        return ReprocessJob(run=name, site=self._site, plan=plan)

    def _places(self, job: ReprocessJob) -> RunPlaces:
        results = self._stores.options.results_address(job.run)
        return RunPlaces(database=self._stores.database_url, results=results, archive=self._place)

    def _process(self, job: ReprocessJob, resources: Any, workers: int) -> None:
        start_run(self._runs, job, "benchmark", SystemClock())
        problems = reprocess(job, self._runs, resources, workers, NoProgress(), threading.Event(), SystemClock())
        assert not problems, problems

    def _stored(self, name: str) -> StoredRun:
        run = self._runs.run(name)
        assert run is not None
        return run


def footage_of(site: Site, camera: CameraSettings, count: int) -> Sequence[Frame]:
    return list(islice(SiteSources(site, SystemClock()).open(camera).frames(), count))


def archive(folder: Path, site: Site, frames: dict[CameraId, Sequence[Frame]]) -> None:
    writer = open_writer(folder / "archive", site.site)
    for each in (frame for own in frames.values() for frame in own):
        headers, jpeg = frame_to_wire(each)
        writer.append(ArchivedMessage(headers=tuple(headers), jpeg=jpeg), each)
    writer.close()
    assert FolderFiles(folder / "archive").sizes(site.site)


def _arguments() -> argparse.Namespace:
    parser = report.parser("reprocess", __doc__)
    parser.add_argument("--frames", type=int, default=150, help="frames of each camera (default: %(default)s)")
    parser.add_argument("--two", action="store_true", help="also measure two workers; needs two idle cores")
    return parser.parse_args()


if __name__ == "__main__":
    main()
