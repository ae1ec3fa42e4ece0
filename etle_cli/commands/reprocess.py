"""`etle reprocess`: process recorded frames again, and keep what is found as a run beside the cases."""

import argparse
import os
import re
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from etle.clock import SystemClock
from etle.config.site import Site, load_site
from etle.errors import ConfigError
from etle_cli.options.broker import broker_connection
from etle_cli.options.operator import operator
from etle_cli.options.period import add_period_options, period
from etle_cli.options.storage import add_storage_options, data_folder, storage_options
from etle_cli.shutdown import stop_on_signals

if TYPE_CHECKING:
    import threading

    from rich.progress import Progress, TaskID

    from etle.kafka.protocols import TopicHistory
    from etle.storage.archive.opening import ArchivePlace
    from etle.storage.runs import PostgresRuns
    from etle.storage.stores import StorageOptions, Stores
    from etle.types import CameraId
    from pipeline.assembly import Engines
    from pipeline.reprocess.estimate import ReprocessEstimate
    from pipeline.reprocess.footage import RecordedFootage
    from pipeline.reprocess.plan import PlannedCamera, ReprocessPlan
    from pipeline.reprocess.run import ReprocessJob, RunResources

_TRIAL_FRAMES = 60


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "reprocess",
        help="process recorded frames again, beside the cases",
        description="Processes frames of the archive (of Kafka, or of the site files) again, through the same stages with the "
        "same ids as live, and stores what is found as a run beside the cases. When it was interrupted, start it again with the same "
        "command: it continues. Compare the run:  etle runs compare live NAME.",
    )
    parser.add_argument("site", metavar="SITE.yaml", type=Path, help="the site file")
    parser.add_argument("--run", dest="run_name", metavar="NAME", type=_run_name, help="name of the run (required without --dry-run)")
    parser.add_argument("--camera", action="append", metavar="ID", help="only this camera (may be given several times)")
    add_period_options(parser)
    parser.add_argument(
        "--source", choices=("archive", "kafka", "files"), default="archive", help="where the frames come from (default: archive)"
    )
    parser.add_argument(
        "--rules", metavar="FILE", type=Path, help="YAML with `cameras: [{id, rules, lines, ...}]`: what differs from the site file"
    )
    parser.add_argument("--models", metavar="FILE", type=Path, help="YAML with the keys of `detect` that differ from the site file")
    parser.add_argument(
        "--only",
        choices=("rules", "plates"),
        help="rules: read no plates. plates: read the plates of stored cases again, in their evidence",
    )
    parser.add_argument(
        "--workers", metavar="N", type=_workers, default=1, help="number of processes, each for one camera at a time (default: 1)"
    )
    parser.add_argument("--dry-run", action="store_true", help="say how much there is and how long it takes, and store nothing")
    parser.add_argument("--price", metavar="AMOUNT", type=float, help="with --dry-run: what an hour of one worker costs")
    add_storage_options(parser)
    parser.set_defaults(run=run)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReprocessOptions:
    """What the command line says besides site and stores."""

    source: str
    only: str | None
    since: datetime | None
    until: datetime | None
    workers: int
    price: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlaces:
    """Where a process of a run finds the data; can be sent to another process."""

    database: str
    results: str | Path
    archive: "ArchivePlace | None"


def run(args: argparse.Namespace) -> int:
    from etle.storage.stores import open_stores
    from pipeline.reprocess.variants import with_models, with_rules

    site = load_site(args.site).with_cameras(args.camera or ())
    site = with_models(site, args.models) if args.models else site
    site = with_rules(site, args.rules) if args.rules else site
    since, until = period(args, site)
    options = ReprocessOptions(source=args.source, only=args.only, since=since, until=until, workers=args.workers, price=args.price)
    if args.run_name is None and not args.dry_run:
        raise ConfigError("a run needs a name: give one with --run, or --dry-run to store nothing")
    storage = storage_options(args, site.store)
    with open_stores(storage) as stores:
        plan = _plan(site, options, _place(site, storage, options))
        if args.dry_run:
            return _show_estimate(site, plan, options, storage, stores)
        return _reprocess(args.run_name, site, plan, options, storage, stores)


def _reprocess(name: str, site: Site, plan: "ReprocessPlan", options: ReprocessOptions, storage: "StorageOptions", stores: "Stores") -> int:
    from etle.files import FileLock
    from etle.storage.runs import PostgresRuns
    from pipeline.reprocess.run import ReprocessJob, reprocess, start_run

    runs, clock = PostgresRuns(stores.database), SystemClock()
    plan = start_run(runs, ReprocessJob(run=name, site=site, plan=plan), operator(), clock)
    job = ReprocessJob(run=name, site=site, plan=plan)
    (storage.data / "locks").mkdir(parents=True, exist_ok=True)
    lock = FileLock(storage.data / "locks" / f"run-{name}")
    if not lock.acquire(blocking=False):
        raise ConfigError(f"the run {name!r} is being processed by another process")
    with stop_on_signals() as stop, _progress_bars() as progress, _held(site, plan, _place(site, storage, options), name, runs):
        if options.only == "plates":
            problems = _read_plates(job, storage, stores, progress, stop)
        else:
            places = RunPlaces(database=stores.database_url, results=storage.results_address(name), archive=_place(site, storage, options))
            problems = reprocess(job, runs, partial(open_resources, places), options.workers, progress, stop, clock)
    lock.close()
    done = runs.run(name)
    assert done is not None
    frames = sum(camera.frames for camera in done.cameras)
    rejected = sum(camera.rejected for camera in done.cameras)
    state = "finished" if done.finished_at else "not finished; the same command continues it"
    sys.stdout.write(f"run {name}: {frames} frames, of which {rejected} could not be used; {done.violations} violations; {state}.\n")
    sys.stdout.write(
        f"Compare it with the cases:  etle runs compare live {name} --data {data_folder(storage.data)}\n" if done.finished_at else ""
    )
    sys.stderr.write("".join(f"{problem}\n" for problem in problems))
    return 1 if problems or not done.finished_at else 0


@contextmanager
def _held(site: Site, plan: "ReprocessPlan", place: "ArchivePlace | None", name: str, runs: "PostgresRuns") -> Iterator[None]:
    """Keeps the segments of the plan from being deleted until the run is finished, also while it is interrupted."""
    if place is None:
        yield
        return
    from etle.storage.archive.opening import open_archive_holds
    from etle.storage.archive.segment import SegmentName

    holds, reason = open_archive_holds(site, place, SystemClock()), f"run {name}"
    own = next((hold for hold in holds.all() if hold.reason == reason and hold.released_at is None), None)
    segments = [segment for camera in plan.cameras for path in camera.segments if (segment := SegmentName.parse(path))]
    if own is None:
        since, until = min(segment.begins_at for segment in segments), max(segment.ends_at for segment in segments)
        own = holds.place(None, since, until, reason, operator())
    yield
    done = runs.run(name)
    if done is not None and done.finished_at is not None:
        holds.release(own.id, operator())


@contextmanager
def open_resources(places: RunPlaces, job: "ReprocessJob") -> "Iterator[RunResources]":
    """Models and stores of one process."""
    from etle.storage.checkpoints import PostgresCheckpoints
    from etle.storage.database import Database
    from etle.storage.evidence.backend import open_evidence
    from etle.storage.runs import PostgresRuns
    from pipeline.assembly import shipped_law
    from pipeline.reprocess.run import RunResources
    from pipeline.workers.stages import SiteStageFactory

    database = Database(places.database)
    try:
        yield RunResources(
            stages=SiteStageFactory(job.site, _engines(job.site, job.plan), shipped_law()),
            runs=PostgresRuns(database),
            checkpoints=PostgresCheckpoints(database),
            files=open_evidence(places.results),
            open_footage=partial(_footage, job.site, job.plan, places.archive),
            clock=SystemClock(),
        )
    finally:
        database.close()


def _footage(
    site: Site, plan: "ReprocessPlan", place: "ArchivePlace | None", camera: "PlannedCamera", on_damaged: Callable[[], None]
) -> "RecordedFootage":  # fmt: skip
    from pipeline.reprocess.footage import ArchiveFootage, SourceFootage
    from pipeline.reprocess.plan import FootageKind

    if plan.source is FootageKind.KAFKA:
        return _topic_footage(site, plan, camera, on_damaged)
    if place is None:
        from ingest.sources.provider import SiteSources

        settings = site.with_cameras([camera.camera]).cameras[0]
        return SourceFootage(SiteSources(site, SystemClock()).open(settings), plan, settings.source.expected_frames())
    from etle.signing import frame_verifier
    from etle.storage.archive.opening import open_archive_reader

    return ArchiveFootage(open_archive_reader(site, place), plan, camera, frame_verifier(site.ingest), lambda frame: on_damaged())


def _topic_footage(site: Site, plan: "ReprocessPlan", camera: "PlannedCamera", on_damaged: Callable[[], None]) -> "RecordedFootage":
    from etle.kafka.topics import TopicNames
    from etle.signing import frame_verifier
    from pipeline.reprocess.footage import TopicFootage

    names, verify = TopicNames(site.broker.prefix), frame_verifier(site.ingest)
    return TopicFootage(partial(_topic_history, site), names.frames, plan, camera.camera, verify, on_damaged)


@contextmanager
def _topic_history(site: Site) -> "Iterator[TopicHistory]":
    from etle.kafka.client import KafkaTopicReader

    reader = KafkaTopicReader(broker_connection(site.broker), f"reprocess-{socket.gethostname()}-{os.getpid()}")
    try:
        yield reader
    finally:
        reader.close()


def _engines(site: Site, plan: "ReprocessPlan") -> "Engines":
    from pipeline.assembly import open_engines
    from pipeline.reprocess.plan import Part
    from pipeline.reprocess.variants import without_plates

    engines = open_engines(site.detect)
    return without_plates(engines) if plan.part is Part.RULES else engines


def _place(site: Site, storage: "StorageOptions", options: ReprocessOptions) -> "ArchivePlace | None":
    """Where the archive is; None if the run reads something else. Raises ConfigError."""
    from etle.storage.archive.opening import ArchivePlace, archive_settings

    if options.only == "plates" or options.source != "archive":
        return None
    return ArchivePlace.of(archive_settings(site), storage.data)


def _plan(site: Site, options: ReprocessOptions, place: "ArchivePlace | None") -> "ReprocessPlan":
    from etle.storage.archive.opening import open_archive_reader
    from pipeline.assembly import fingerprint, open_engines
    from pipeline.reprocess.footage import with_margins
    from pipeline.reprocess.plan import FootageKind, Part, ReprocessPlan, camera_plans

    part = Part(options.only) if options.only else Part.ALL
    segments: dict[CameraId, list[str]] = {}
    if place is not None:
        reader, margins = open_archive_reader(site, place), with_margins(options.since, options.until)
        segments = {
            camera.camera_id: [segment.name.video for segment in reader.segments(camera.camera_id, *margins)] for camera in site.cameras
        }
        if not any(segments.values()):
            raise ConfigError("the archive has no frames of these cameras in this range; `etle archive list SITE.yaml` shows what it has")
    elif options.source == "kafka" and not (options.since and options.until):
        raise ConfigError("from Kafka a run needs --from and --to: its topic has no beginning and no end of its own")
    elif options.source == "files" and (live := [camera.id for camera in site.cameras if camera.source.live]):
        raise ConfigError(f"camera {live[0]!r} is live: its frames cannot be read again from its source")
    engines = open_engines(site.detect)
    fingerprints = {camera.camera_id: fingerprint(site, camera, engines) for camera in site.cameras}
    return ReprocessPlan(
        site=site.site,
        source=FootageKind(options.source),
        part=part,
        since=options.since,
        until=options.until,
        cameras=camera_plans(site, fingerprints, segments),
    )


def _read_plates(
    job: "ReprocessJob", storage: "StorageOptions", stores: "Stores", progress: "_ProgressBars", stop: "threading.Event"
) -> list[str]:
    from etle.storage.evidence.backend import open_evidence
    from etle.storage.runs import PostgresRuns, RunCamera
    from pipeline.assembly import open_engines
    from pipeline.reprocess.plates import PlateReprocess
    from pipeline.reprocess.sink import RunSink

    runs, clock, problems = PostgresRuns(stores.database), SystemClock(), list[str]()
    sink = RunSink(job.run, job.plan, runs, open_evidence(storage.results_address(job.run)), clock)
    reading = PlateReprocess(job.plan, stores.cases, stores.evidence, open_engines(job.site.detect), job.site.detect.plate_reads, sink)
    for camera in (each.camera for each in job.plan.cameras):
        started, cases = clock.now(), reading.count(camera)
        progress.started(camera, 0, cases)
        reading.run(camera, partial(progress.advance, camera), lambda violation, why: problems.append(f"case {violation.id}: {why}"), stop)
        if not stop.is_set():
            busy_s = (clock.now() - started).total_seconds()
            runs.save_camera(
                job.run, RunCamera(camera=camera, frames=cases, rejected=len(problems), busy_s=busy_s, finished_at=clock.now())
            )
    if not stop.is_set():
        runs.finish(job.run, clock.now())
    return problems


def _show_estimate(site: Site, plan: "ReprocessPlan", options: ReprocessOptions, storage: "StorageOptions", stores: "Stores") -> int:
    from pipeline.reprocess.plan import Part

    if plan.part is Part.PLATES:
        found = sum(stores.cases.found(camera=camera.id, since=plan.since, until=plan.until, limit=10**9) for camera in site.cameras)
        sys.stdout.write(f"{found} cases would be read again.\n")
        return 0
    estimate, unknown = _estimate(site, plan, options, storage, stores)
    duration_s = estimate.duration_s(min(options.workers, len(site.cameras)))
    rate = f"One worker processes {estimate.frames_per_s:.1f} frames/s ({estimate.measured_on})"
    sys.stdout.write(f"{estimate.frames} frames of {len(site.cameras)} cameras{unknown}. {rate}.\n")
    sys.stdout.write(f"Duration with {options.workers} workers: {_duration(duration_s)}; of one: {_duration(estimate.duration_s(1))}.\n")
    if options.price is not None:
        sys.stdout.write(f"Cost: {estimate.duration_s(1) / 3600 * options.price:.2f} at {options.price:g} per worker and hour.\n")
    return 0


def _estimate(
    site: Site, plan: "ReprocessPlan", options: ReprocessOptions, storage: "StorageOptions", stores: "Stores"
) -> "tuple[ReprocessEstimate, str]":  # fmt: skip
    """With the amount of footage in words. Raises ConfigError if there is none."""
    from etle.storage.runs import PostgresRuns
    from pipeline.assembly import shipped_law
    from pipeline.reprocess.estimate import ReprocessEstimate, earlier_rate, measured_rate
    from pipeline.workers.stages import SiteStageFactory

    footage = {camera.camera: _footage(site, plan, _place(site, storage, options), camera, _nothing) for camera in plan.cameras}
    counts = {camera: each.count() for camera, each in footage.items()}
    frames = sum(count or 0 for count in counts.values())
    rate = earlier_rate(PostgresRuns(stores.database).runs(), plan)
    if rate is None:
        stages = SiteStageFactory(site, _engines(site, plan), shipped_law())
        camera = max(counts, key=lambda each: counts[each] or 0)
        rate = measured_rate(stages, camera, footage[camera], _TRIAL_FRAMES)
    if rate is None:
        raise ConfigError("there are no frames in this range")
    unknown = [camera for camera, count in counts.items() if count is None]
    words = f" (without those of {', '.join(unknown)}, whose number is not known)" if unknown else ""
    return ReprocessEstimate(frames=frames, frames_per_s=rate[0], measured_on=rate[1]), words


def _nothing() -> None:
    """A damaged frame does not change an estimate."""


def _duration(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours} h {rest // 60} min" if hours else f"{rest // 60} min {rest % 60} s"


def _run_name(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,62}", text) or text == "live":
        raise argparse.ArgumentTypeError(f"{text!r} is no name of a run: lower-case letters, digits, dot, hyphen, underscore; not `live`")
    return text


def _workers(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 256:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of workers from 1 to 256")
    return int(text)


class _ProgressBars:
    """A ReprocessProgress with a bar for each camera: frames, rate, remaining time."""

    def __init__(self, progress: "Progress") -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def started(self, camera: str, done: int, total: int | None) -> None:
        self._tasks[camera] = self._progress.add_task(camera, total=total, completed=done)

    def advance(self, camera: str) -> None:
        self._progress.advance(self._tasks[camera])


@contextmanager
def _progress_bars() -> Iterator[_ProgressBars]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TaskProgressColumn(show_speed=True), TimeRemainingColumn()
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield _ProgressBars(progress)
