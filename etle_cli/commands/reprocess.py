"""`etle reprocess`: process recorded frames again, and keep what is found as a run beside the cases."""

import argparse
import os
import re
import socket
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from etle.clock import SystemClock
from etle.config.site import CameraSettings, Site, load_site
from etle.errors import ConfigError
from etle_cli.options.broker import broker_connection
from etle_cli.options.operator import operator
from etle_cli.options.period import add_period_options, period
from etle_cli.options.storage import add_storage_options, storage_options
from etle_cli.progress import CameraProgressBars
from etle_cli.shutdown import stop_on_signals

if TYPE_CHECKING:
    import threading

    from etle.kafka.protocols import TopicHistory
    from etle.protocols import FrameSource
    from etle.runs.plan import ReprocessPlan
    from etle.storage.archive.opening import ArchivePlace
    from etle.storage.runs import PostgresRuns, StoredRun
    from etle.storage.stores import Stores
    from pipeline.reprocess.assembly import FootageOpeners
    from pipeline.reprocess.camera import ReprocessJob


_NICE: Final = 10


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
    parser.add_argument(
        "--nice",
        metavar="N",
        type=int,
        choices=range(20),
        default=_NICE,
        help=f"how much the run yields to live processes of this host, from 0 (not at all) to 19 (default: {_NICE})",
    )
    parser.add_argument(
        "--distribute",
        action="store_true",
        help="process nothing here: publish the segments as work items in Kafka, for the workers of `etle reprocess-worker`",
    )
    parser.add_argument("--dry-run", action="store_true", help="say how much there is and how long it takes, and store nothing")
    parser.add_argument("--price", metavar="AMOUNT", type=float, help="with --dry-run: what an hour of one worker costs")
    add_storage_options(parser)
    parser.set_defaults(run=run)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReprocessOptions:
    """What the command line says besides the site, the stores and the request."""

    name: str | None
    """None: only estimate."""
    workers: int
    nice: int
    price: float | None
    distribute: bool
    """Leave the work to the workers of other processes."""


def run(args: argparse.Namespace) -> int:
    from etle.runs.plan import FootageKind, Part
    from etle.storage.stores import open_stores
    from pipeline.reprocess.assembly import RunRequest, archive_place, plan_run
    from pipeline.reprocess.variants import read_variant, with_variant

    site = load_site(args.site).with_cameras(args.camera or ())
    variant = read_variant(site, args.rules, args.models)
    site = with_variant(site, variant, str(args.rules or args.models))
    since, until = period(args, site)
    request = RunRequest(
        source=FootageKind(args.source), part=Part(args.only or Part.ALL), since=since, until=until, variant=variant
    )  # fmt: skip
    options = ReprocessOptions(
        name=None if args.dry_run else args.run_name, workers=args.workers, nice=args.nice, price=args.price, distribute=args.distribute
    )
    if options.distribute and (request.source is not FootageKind.ARCHIVE or request.part is Part.PLATES):
        raise ConfigError("--distribute is for footage of the archive: leave out --source and --only plates")
    if options.name is None and not args.dry_run:
        raise ConfigError("a run needs a name: give one with --run, or --dry-run to store nothing")
    storage = storage_options(args, site.store)
    if options.distribute:
        storage.require_shared_results()
    with open_stores(storage) as stores:
        place = archive_place(site, request, storage.data)
        plan = plan_run(site, request, place)
        if options.name is None:
            return _show_estimate(site, plan, place, options, stores)
        return _reprocess(options.name, site, plan, place, options, stores)


def _reprocess(
    name: str, site: Site, plan: "ReprocessPlan", place: "ArchivePlace | None", options: ReprocessOptions, stores: "Stores"
) -> int:  # fmt: skip
    from etle.storage.runs import PostgresRuns
    from pipeline.reprocess.assembly import holding_segments
    from pipeline.reprocess.camera import ReprocessJob
    from pipeline.reprocess.run import start_run

    runs, clock = PostgresRuns(stores.database), SystemClock()
    plan = start_run(runs, ReprocessJob(run=name, site=site, plan=plan), operator(), clock)
    job = ReprocessJob(run=name, site=site, plan=plan)
    if options.distribute:
        assert place is not None, "only footage of the archive is distributed"
        return _distribute(job, place, runs)
    os.nice(options.nice)  # not before the stores are open: an embedded database serves live processes too
    with stop_on_signals() as stop, _progress_bars() as progress, holding_segments(job, place, runs, operator()):
        problems = _process(job, place, options.workers, stores, progress, stop)
    done = runs.run(name)
    assert done is not None, "runs are never deleted"
    _show_result(done, stores.data)
    sys.stderr.write("".join(f"{problem}\n" for problem in problems))
    return 1 if problems or not done.finished_at else 0


def _distribute(job: "ReprocessJob", place: "ArchivePlace", runs: "PostgresRuns") -> int:
    """Publishes what is left of the run as work items."""
    from etle.kafka.admin import KafkaTopicAdmin
    from etle.kafka.client import KafkaPublisher
    from etle.kafka.topics import TopicNames, require_topics_exist
    from pipeline.reprocess.assembly import hold_segments
    from pipeline.reprocess.work_items import publish_work_items

    connection = broker_connection(job.site.broker)
    admin = KafkaTopicAdmin(connection)
    require_topics_exist(connection.broker, admin, reprocess=True)
    hold_segments(job, place, operator())
    stored, topic = runs.run(job.run), TopicNames(connection.broker.prefix).reprocess
    assert stored is not None, "runs are never deleted"
    finished = {each.camera for each in stored.cameras if each.finished_at}
    with closing(KafkaPublisher(connection, f"reprocess-{socket.gethostname()}-{os.getpid()}")) as publisher:
        count = publish_work_items(publisher, topic, admin.partitions(topic), job.run, job.plan, finished)
    sys.stdout.write(f"run {job.run}: {count} work items are in {topic}. Workers process them:  etle reprocess-worker SITE.yaml\n")
    sys.stdout.write(f"How far the run is:  etle runs show {job.run}\n")
    return 0


def _process(
    job: "ReprocessJob",
    place: "ArchivePlace | None",
    workers: int,
    stores: "Stores",
    progress: "CameraProgressBars",
    stop: "threading.Event",
) -> list[str]:  # fmt: skip
    """Returns what went wrong with single cameras or cases."""
    from etle.runs.plan import Part
    from etle.storage.evidence.backend import open_evidence
    from etle.storage.runs import PostgresRuns
    from pipeline.assembly import open_engines
    from pipeline.reprocess.assembly import RunPlaces, open_resources
    from pipeline.reprocess.plates import PlateReprocess
    from pipeline.reprocess.run import reprocess
    from pipeline.reprocess.sink import RunSink

    runs, clock, results, detect = PostgresRuns(stores.database), SystemClock(), stores.options.results_address(job.run), job.site.detect
    if job.plan.part is Part.PLATES:
        sink = RunSink(job.run, job.plan, runs, open_evidence(results), clock)
        reading = PlateReprocess(job.plan, stores.cases, stores.evidence, open_engines(detect), detect.plate_reads, sink)
        return reading.run(runs, job.run, progress, stop, clock)
    places = RunPlaces(database=stores.database_url, results=results, archive=place)
    return reprocess(job, runs, partial(open_resources, places, footage_openers()), workers, progress, stop, clock)


def footage_openers() -> "FootageOpeners":
    """The sources of a site, and its broker."""
    from pipeline.reprocess.assembly import FootageOpeners

    return FootageOpeners(source=_open_source, history=_open_history)


def _open_source(site: Site, camera: CameraSettings) -> "FrameSource":
    from ingest.sources.provider import SiteSources

    return SiteSources(site, SystemClock()).open(camera)


@contextmanager
def _open_history(site: Site) -> "Iterator[TopicHistory]":
    from etle.kafka.client import KafkaTopicReader

    reader = KafkaTopicReader(broker_connection(site.broker), f"reprocess-{socket.gethostname()}-{os.getpid()}")
    try:
        yield reader
    finally:
        reader.close()


def _show_result(done: "StoredRun", data: Path) -> None:
    frames = sum(camera.frames for camera in done.cameras)
    rejected = sum(camera.rejected for camera in done.cameras)
    state = "finished" if done.finished_at else "not finished; the same command continues it, unless another process has the rest"
    sys.stdout.write(f"run {done.name}: {frames} frames, of which {rejected} could not be used; {done.violations} violations; {state}.\n")
    if done.finished_at:
        sys.stdout.write(f"Compare it with the cases:  etle runs compare live {done.name} --data {data}\n")


def _show_estimate(
    site: Site, plan: "ReprocessPlan", place: "ArchivePlace | None", options: ReprocessOptions, stores: "Stores"
) -> int:  # fmt: skip
    from etle.runs.plan import Part
    from etle.storage.runs import PostgresRuns
    from pipeline.assembly import shipped_law
    from pipeline.reprocess.assembly import open_footage, run_engines
    from pipeline.reprocess.estimate import estimate_run
    from pipeline.workers.stages import SiteStageFactory

    if plan.part is Part.PLATES:
        found = sum(stores.cases.found(camera=camera.id, since=plan.since, until=plan.until, limit=10**9) for camera in site.cameras)
        sys.stdout.write(f"{found} cases would be read again.\n")
        return 0
    footage = {each.camera: open_footage(site, plan, place, footage_openers(), each, _nothing) for each in plan.cameras}
    runs = PostgresRuns(stores.database).runs()
    estimate = estimate_run(lambda: SiteStageFactory(site, run_engines(site, plan), shipped_law()), footage, runs, plan)
    unknown = f" (without those of {', '.join(estimate.unknown)}, whose number is not known)" if estimate.unknown else ""
    rate = f"One worker processes {estimate.frames_per_s:.1f} frames/s ({estimate.measured_on})"
    sys.stdout.write(f"{estimate.frames} frames of {len(site.cameras)} cameras{unknown}. {rate}.\n")
    together = _duration(estimate.duration_s(min(options.workers, len(site.cameras))))
    sys.stdout.write(f"Duration with {options.workers} workers: {together}; of one: {_duration(estimate.duration_s(1))}.\n")
    if options.price is not None:
        sys.stdout.write(f"Cost: {estimate.duration_s(1) / 3600 * options.price:.2f} at {options.price:g} per worker and hour.\n")
    return 0


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


@contextmanager
def _progress_bars() -> Iterator[CameraProgressBars]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TaskProgressColumn(show_speed=True), TimeRemainingColumn()
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield CameraProgressBars(progress)
