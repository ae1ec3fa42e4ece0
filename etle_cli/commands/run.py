"""`etle run`: a site's cameras, files or folders, from frames to cases, in one process."""

import argparse
import logging
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from etle.clock import SystemClock
from etle.config.site import CameraSettings, Site, load_site
from etle.errors import ConfigError, SourceBroken
from etle.types import CameraId, Frame, Violation
from etle_cli.options.storage import add_storage_options, data_folder, open_stores
from pipeline.assembly import build_stage, made_by, open_engines, shipped_law

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from etle.protocols import FrameSource
    from etle.storage.stores import Stores
    from ingest.frame_loss import FrameLossCounter
    from pipeline.workers.embedded import CameraRun

log = logging.getLogger(__name__)
LIVE_BUFFER_FRAMES: Final = 50
"""Room between a live camera and its stage: two seconds at 25 a second."""
_TICK_S: Final = 1.0


@dataclass(slots=True)
class RunOutcome:
    """What one run did. Only counted up, by several threads under the lock."""

    frames: int = 0
    new: list[Violation] = field(default_factory=list)
    known: int = 0
    """Violations that an earlier run had found already."""
    problems: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "run",
        help="watch a site's cameras, videos or folders and make cases of what is found",
        description="Reads every source of the site file (video file, folder of pictures, RTSP or MJPEG camera, snapshots), finds "
        "violations, and keeps them with their evidence. Started again, it goes on where it was: nothing is lost, nothing twice. "
        "Files end; cameras are watched until Ctrl-C.",
        epilog="A first site file:  etle init VIDEO.  What was found:  etle violations list.  To decide:  etle review.",
    )
    parser.add_argument("site", metavar="SITE.yaml", type=Path, help="the site file; `etle init VIDEO` writes one with comments")
    parser.add_argument("--camera", action="append", metavar="ID", help="only this camera of the site (may be given several times)")
    parser.add_argument("--from-start", action="store_true", help="forget how far earlier runs came; what they found stays, once")
    add_storage_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from etle_cli.tables.violations import table_of, wide_console

    console = wide_console()
    site = only(load_site(args.site), args.camera)
    with open_stores(args) as stores:
        outcome = run_site(site, stores, console, from_start=args.from_start)
        cases = [case for case in map(stores.cases.case, (violation.id for violation in outcome.new)) if case]
    if cases:
        console.print(table_of(sorted(cases, key=lambda case: case.violation.occurred_at)))
    console.print(_summary(outcome), highlight=False)
    if cases:
        console.print(f"Decide them:  etle review --data {data_folder(args.data)}", highlight=False, soft_wrap=True)
    for problem in outcome.problems:
        console.print(f"[red]{problem}", highlight=False, soft_wrap=True)
    return 1 if outcome.problems else 0


def _summary(outcome: RunOutcome) -> str:
    if not outcome.frames and not outcome.problems:
        return "Nothing new: every frame was looked at in an earlier run (--from-start looks again)."
    return f"{outcome.frames} frames; {len(outcome.new)} new violations, {outcome.known} known already."


def only(site: Site, cameras: Sequence[str] | None) -> Site:
    """The site with those cameras. Raises ConfigError for one that it does not have."""
    if not cameras:
        return site
    known = {camera.id for camera in site.cameras}
    if absent := [name for name in cameras if name not in known]:
        raise ConfigError(f"the site has no camera {absent[0]!r}; it has: {', '.join(sorted(known))}")
    return site.model_copy(update={"cameras": tuple(camera for camera in site.cameras if camera.id in cameras)})


def run_site(site: Site, stores: "Stores", console: "Console", *, from_start: bool = False) -> RunOutcome:
    """Until every source has ended, or Ctrl-C. A camera's broken source does not stop the others; a failing model or store does."""
    from ingest.frame_loss import FrameLossCounter

    outcome, losses = RunOutcome(), FrameLossCounter()
    with _progress(console) as progress:
        jobs = [_Job(site, camera, stores, losses, outcome, progress, from_start) for camera in site.cameras]
        with ThreadPoolExecutor(_workers(site), thread_name_prefix="etle") as pool, _stopping(jobs):
            _watch([pool.submit(job) for job in jobs], jobs, losses, stores)
    return outcome


def _workers(site: Site) -> int:
    """A thread for each live camera, which cannot wait; files share the processors."""
    live = sum(camera.source.live for camera in site.cameras)
    return live + min(len(site.cameras) - live, os.cpu_count() or 1)


def _watch(futures: "list[Future[None]]", jobs: "list[_Job]", losses: "FrameLossCounter", stores: "Stores") -> None:
    told: dict[tuple[CameraId, str], int] = {}
    pending = set(futures)
    while pending:
        done, pending = wait(pending, timeout=_TICK_S, return_when=FIRST_EXCEPTION)
        if any(future.exception() for future in done):
            for job in jobs:
                job.stop()
        if not pending:
            _tell_losses(losses, stores, told)
    for future in futures:
        future.result()


def _tell_losses(losses: "FrameLossCounter", stores: "Stores", told: dict[tuple[CameraId, str], int]) -> None:
    """Adds what was counted since the last time."""
    for camera, counts in losses.snapshot().items():
        for reason, times in counts.items():
            known = told.get((camera, reason), 0)
            stores.losses.add(camera, reason, times - known, SystemClock().now())
            told[camera, reason] = times


class _Job:
    """One camera in its thread."""

    def __init__(
        self,
        site: Site,
        camera: CameraSettings,
        stores: "Stores",
        losses: "FrameLossCounter",
        outcome: RunOutcome,
        progress: "Progress",
        from_start: bool,
    ) -> None:
        self._site = site
        self._camera = camera
        self._stores = stores
        self._losses = losses
        self._outcome = outcome
        self._progress = progress
        self._task: TaskID = progress.add_task(camera.id, total=camera.source.expected_frames())
        self._from_start = from_start
        self._run: CameraRun | None = None
        self._source: FrameSource | None = None
        self._stopped = False
        self._accepted = 0
        self._refused = ""
        """Why the last frame was set aside."""

    def __call__(self) -> None:
        if self._stopped:
            return
        self._run = self._prepared()
        try:
            self._run.run()
        except SourceBroken as error:
            self._note_problem(str(error))
        if self._refused and not self._accepted:
            self._note_problem(f"{self._camera.id}: not one frame could be used. {self._refused}")

    def stop(self) -> None:
        from ingest.sources.live_buffer import LiveBuffer

        self._stopped = True
        if self._run is not None:
            self._run.stop()
        if isinstance(self._source, LiveBuffer):
            self._source.close()

    def _prepared(self) -> "CameraRun":
        from etle.storage.evidence.manifest import make_manifest
        from pipeline.evidence.writer import Writer
        from pipeline.workers.embedded import CameraRun, RunCallbacks, last_checkpoint

        site, camera, stores = self._site, self._camera, self._stores
        engines = open_engines(site.detect)
        mark, stream = made_by(site, camera, engines), stream_of(site, camera)
        start = last_checkpoint(None if self._from_start else stores.checkpoints, stream, mark)
        stage = build_stage(site, camera, engines, shipped_law(), start.memory)
        self._source = self._opened(site, camera)
        self._progress.update(self._task, completed=start.memory.processed + 1 if not camera.source.live else 0)
        sink = Writer(stores.cases, stores.evidence, lambda violation, files: make_manifest(violation, files, stores.signer))
        reports = RunCallbacks(frame=self._done, broken=self._broken, violation=self._found)
        return CameraRun(stage, self._source, sink, stores.checkpoints, SystemClock(), stream, start.after, reports)

    def _opened(self, site: Site, camera: CameraSettings) -> "FrameSource":
        from ingest.sources.live_buffer import LiveBuffer
        from ingest.sources.open import open_source

        source = open_source(camera.camera_id, camera.source, SystemClock(), self._losses, timezone=ZoneInfo(site.timezone))
        return LiveBuffer(source, LIVE_BUFFER_FRAMES, self._losses) if source.live else source

    def _done(self, frame: Frame) -> None:
        self._progress.advance(self._task)
        self._accepted += 1
        with self._outcome.lock:
            self._outcome.frames += 1

    def _broken(self, frame: Frame, reason: str) -> None:
        from ingest.frame_loss import LossReason

        self._refused = reason
        self._losses.count(frame.camera, LossReason.UNDECODABLE, reason)

    def _found(self, violation: Violation, new: bool) -> None:
        with self._outcome.lock:
            if new:
                self._outcome.new.append(violation)
            else:
                self._outcome.known += 1

    def _note_problem(self, text: str) -> None:
        with self._outcome.lock:
            self._outcome.problems.append(text)


def stream_of(site: Site, camera: CameraSettings) -> str:
    """The name under which a checkpoint is kept: a file is known by name and size, a camera by itself."""
    return f"{site.site}/{camera.id}{camera.source.stream_suffix()}"


def _progress(console: "Console") -> "Progress":
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console)


@contextmanager
def _stopping(jobs: "Sequence[_Job]") -> Iterator[None]:
    """Ctrl-C and SIGTERM end the run in good order: the frame in work is finished, and a checkpoint is left behind."""

    def stop(number: int, frame: object) -> None:
        for job in jobs:
            job.stop()

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
