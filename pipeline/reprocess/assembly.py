"""Assembles a run: its plan, and in each process its models, stores and footage.

What needs other packages than this one, the sources of a site and its broker, is passed in as functions at module level, so that they can
be sent to another process.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

from etle.clock import SystemClock
from etle.config.site import CameraSettings, Site
from etle.errors import ConfigError, WireError
from etle.kafka.protocols import TopicHistory
from etle.kafka.topics import TopicNames
from etle.protocols import FrameSource
from etle.runs.plan import FootageKind, Part, PlannedCamera, ReprocessPlan, SiteVariant, camera_plans
from etle.signing import frame_verifier
from etle.storage.archive.holds import ArchiveHolds, Hold
from etle.storage.archive.opening import ArchivePlace, archive_settings, open_archive_holds, open_archive_reader
from etle.storage.archive.segment import SegmentName
from etle.storage.checkpoints import PostgresCheckpoints
from etle.storage.database import Database
from etle.storage.evidence.backend import open_evidence
from etle.storage.runs import PostgresRuns
from etle.types import CameraId
from pipeline.assembly import Engines, fingerprint, open_site_engines, shipped_law
from pipeline.reprocess.camera import OpenedRun, ReprocessJob, RunResources
from pipeline.reprocess.footage import ArchiveFootage, RecordedFootage, SourceFootage, TopicFootage, with_margins
from pipeline.reprocess.variants import with_variant, without_plates
from pipeline.rules import candidate_rules
from pipeline.workers.stages import SiteStageFactory


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What is to be processed."""

    source: FootageKind
    part: Part
    since: datetime | None
    until: datetime | None
    variant: SiteVariant = field(default_factory=SiteVariant)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlaces:
    """Where a process of a run finds the data."""

    database: str
    results: str | Path
    archive: ArchivePlace | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FootageOpeners:
    """Functions at module level."""

    source: Callable[[Site, CameraSettings], FrameSource]
    history: Callable[[Site], AbstractContextManager[TopicHistory]]
    """What the broker of the site still holds."""


def archive_place(site: Site, request: RunRequest, data: Path) -> ArchivePlace | None:
    """Where the archive is; None if the run reads something else. Raises ConfigError if the site has no archive."""
    if request.part is Part.PLATES or request.source is not FootageKind.ARCHIVE:
        return None
    return ArchivePlace.of(archive_settings(site), data)


def plan_run(site: Site, request: RunRequest, place: ArchivePlace | None) -> ReprocessPlan:
    """`site`: with the rules and models of the run. Raises ConfigError if there is nothing to process, WeightsMissing, MissingExtra."""
    if request.part is not Part.PLATES:
        _check_source(site, request)
    segments = _segments(site, request, place) if place else {}
    engines = open_site_engines(site)
    fingerprints = {camera.camera_id: fingerprint(site, camera, engines) for camera in site.cameras}
    return ReprocessPlan(
        site=site.site,
        source=request.source,
        part=request.part,
        since=request.since,
        until=request.until,
        cameras=camera_plans(site, fingerprints, segments),
        variant=request.variant,
        not_applied=tuple(sorted(candidate_rules())) if request.part is Part.RULES else (),
    )


def run_engines(site: Site, plan: ReprocessPlan) -> Engines:
    """The models of one process."""
    return _for_part(open_site_engines(site), plan)


def _for_part(engines: Engines, plan: ReprocessPlan) -> Engines:
    return without_plates(engines) if plan.part is Part.RULES else engines


@contextmanager
def open_resources(places: RunPlaces, openers: FootageOpeners, job: ReprocessJob) -> Iterator[RunResources]:
    """Models and stores of one process."""
    database = Database(places.database)
    try:
        yield RunResources(
            stages=SiteStageFactory(job.site, run_engines(job.site, job.plan), shipped_law()),
            runs=PostgresRuns(database),
            checkpoints=PostgresCheckpoints(database),
            files=open_evidence(places.results),
            open_footage=partial(open_footage, job.site, job.plan, places.archive, openers),
            clock=SystemClock(),
        )
    finally:
        database.close()


def open_footage(
    site: Site, plan: ReprocessPlan, place: ArchivePlace | None, openers: FootageOpeners, camera: PlannedCamera,
    on_damaged: Callable[[], None],
) -> RecordedFootage:  # fmt: skip
    """Nothing is read before its frames are. Raises ConfigError."""
    verify = frame_verifier(site.ingest)
    if plan.source is FootageKind.KAFKA:
        frames = TopicNames(site.broker.prefix).frames
        return TopicFootage(partial(openers.history, site), frames, plan, camera.camera, verify, on_damaged)
    if place is None:
        settings = site.with_cameras([camera.camera]).cameras[0]
        return SourceFootage(openers.source(site, settings), plan, settings.source.expected_frames())
    return ArchiveFootage(open_archive_reader(site, place), plan, camera, verify, lambda frame: on_damaged())


@contextmanager
def open_stored_run(
    site: Site, database: Database, run: str, results: Callable[[str], str | Path], place: ArchivePlace, openers: FootageOpeners
) -> Iterator[OpenedRun]:  # fmt: skip
    """A run that another host has planned, with the models of this one. `results`: where the files of a run are.

    Raises WireError if the database has no such run; ConfigError if this host would process it differently; WeightsMissing, MissingExtra.
    """
    stored = PostgresRuns(database).run(run)
    if stored is None:
        raise WireError(f"work item: the database has no run {run!r}")
    plan = ReprocessPlan.of(stored.plan)
    if plan.site != site.site:
        raise ConfigError(f"the run {run!r} is of the site {plan.site!r}, and this worker has the site file of {site.site!r}")
    own = with_variant(site, plan.variant, f"run {run}").with_cameras([each.camera for each in plan.cameras])
    engines = open_site_engines(own)
    _require_same_fingerprints(own, plan, run, engines)
    yield OpenedRun(
        job=ReprocessJob(run=run, site=own, plan=plan),
        resources=RunResources(
            stages=SiteStageFactory(own, _for_part(engines, plan), shipped_law()),
            runs=PostgresRuns(database),
            checkpoints=PostgresCheckpoints(database),
            files=open_evidence(results(run)),
            open_footage=partial(open_footage, own, plan, place, openers),
            clock=SystemClock(),
        ),
    )


def _require_same_fingerprints(site: Site, plan: ReprocessPlan, run: str, engines: Engines) -> None:
    for camera in site.cameras:
        if fingerprint(site, camera, engines) != plan.camera(camera.camera_id).fingerprint:
            raise ConfigError(
                f"the run {run!r} was started with another version of etle, other models or another configuration of camera {camera.id!r}"
                " than this worker has, and results would be mixed: use the same version and the same site file, or give the run up with"
                f" --skip {run}"
            )


@contextmanager
def holding_segments(job: ReprocessJob, place: ArchivePlace | None, runs: PostgresRuns, by: str) -> Iterator[None]:
    """Keeps the segments of the plan from being deleted until the run is finished, also while it is interrupted."""
    if place is None:
        yield
        return
    hold_segments(job, place, by)
    yield
    done = runs.run(job.run)
    if done is not None and done.finished_at is not None:
        release_segments(job, place, by)


def hold_segments(job: ReprocessJob, place: ArchivePlace, by: str) -> None:
    """Does nothing if they are held for this run already."""
    holds = open_archive_holds(job.site, place, SystemClock())
    if not _of_run(holds, job):
        names = [name for camera in job.plan.cameras for path in camera.segments if (name := SegmentName.parse(path))]
        holds.place(None, min(name.begins_at for name in names), max(name.ends_at for name in names), _reason(job), by)


def release_segments(job: ReprocessJob, place: ArchivePlace, by: str) -> None:
    holds = open_archive_holds(job.site, place, SystemClock())
    for hold in _of_run(holds, job):
        holds.release(hold.id, by)


def _of_run(holds: ArchiveHolds, job: ReprocessJob) -> Sequence[Hold]:
    return [hold for hold in holds.all() if hold.reason == _reason(job) and hold.released_at is None]


def _reason(job: ReprocessJob) -> str:
    return f"run {job.run}"


def _check_source(site: Site, request: RunRequest) -> None:
    if request.source is FootageKind.KAFKA and not (request.since and request.until):
        raise ConfigError("from Kafka a run needs --from and --to: its topic has no beginning and no end of its own")
    if request.source is FootageKind.FILES and (live := [camera.id for camera in site.cameras if camera.source.live]):
        raise ConfigError(f"camera {live[0]!r} is live: its frames cannot be read again from its source")


def _segments(site: Site, request: RunRequest, place: ArchivePlace) -> Mapping[CameraId, Sequence[str]]:
    reader, margins = open_archive_reader(site, place), with_margins(request.since, request.until)
    found = {camera.camera_id: [each.name.video for each in reader.segments(camera.camera_id, *margins)] for camera in site.cameras}
    if not any(found.values()):
        raise ConfigError("the archive has no frames of these cameras in this range; `etle archive list SITE.yaml` shows what it has")
    return found
