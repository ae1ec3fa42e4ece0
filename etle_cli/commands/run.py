"""`etle run`: all roles in one process, from a site's cameras, files or folders to cases."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from etle.clock import SystemClock
from etle.config.site import Site, load_site
from etle_cli.options.broker import topic_tail
from etle_cli.options.storage import add_storage_options, data_folder, open_stores
from etle_cli.progress import CameraProgressBars
from etle_cli.shutdown import stop_on_signals

if TYPE_CHECKING:
    from rich.console import Console

    from etle.storage.stores import Stores
    from pipeline.workers.site_run import RunOptions, RunOutcome, SourceProvider


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "run",
        help="find violations in a site's cameras, videos or folders, and store them as cases",
        description="Reads every source of the site file (video file, folder of pictures, RTSP or MJPEG camera, snapshots), finds "
        "violations, and stores them with their evidence. A second run continues where the first one stopped; each violation is stored "
        "once. The run ends with the last file; cameras are read until Ctrl-C.",
        epilog="Write a site file:  etle init VIDEO.  List violations:  etle violations list.  Decide them:  etle review.",
    )
    parser.add_argument("site", metavar="SITE.yaml", type=Path, help="the site file; `etle init VIDEO` writes one with comments")
    parser.add_argument("--camera", action="append", metavar="ID", help="only this camera of the site (may be given several times)")
    parser.add_argument(
        "--from-start", action="store_true", help="ignore earlier runs' progress; violations that they stored are not stored again"
    )
    add_storage_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from rich.markup import escape

    from etle_cli.tables.violations import table_of, wide_console
    from pipeline.workers.site_run import RunOptions

    console = wide_console()
    site = load_site(args.site).with_cameras(args.camera or ())
    with open_stores(args) as stores:
        outcome = run_with_progress(site, stores, console, RunOptions(from_start=args.from_start))
        cases = [case for case in map(stores.cases.case, (violation.id for violation in outcome.new)) if case]
    if cases:
        console.print(table_of(sorted(cases, key=lambda case: case.violation.occurred_at)))
    console.print(_summary(outcome), highlight=False)
    if cases:
        console.print(f"Decide them:  etle review --data {data_folder(args.data)}", highlight=False, soft_wrap=True)
    for sentence in _limitations(site, outcome, args.site):
        console.print(f"[yellow]{escape(sentence)}", highlight=False, soft_wrap=True)
    for problem in outcome.problems:
        console.print(f"[red]{problem}", highlight=False, soft_wrap=True)
    return 1 if outcome.problems else 0


def _limitations(site: Site, outcome: "RunOutcome", path: Path) -> list[str]:
    """What the cameras could not see, in words."""
    from pipeline.detect.visibility_report import limitations

    seen = [
        limitations(camera, visibility, outcome.losses.get(camera, {}), timezone=site.timezone, site_file=path.name)
        for camera, visibility in outcome.visibility.items()
    ]
    return [sentence for sentences in seen for sentence in sentences]


def run_with_progress(site: Site, stores: "Stores", console: "Console", options: "RunOptions") -> "RunOutcome":
    """Run the site with a progress bar for each camera. Ctrl-C and SIGTERM finish the current frames and save checkpoints."""
    from ingest.sources.provider import SiteSources
    from pipeline.assembly import open_site_engines, shipped_law
    from pipeline.evidence.writer import Writer
    from pipeline.shadow.engines import with_shadow
    from pipeline.workers.archiving import ArchivedSources
    from pipeline.workers.site_run import RunStores, run_site
    from pipeline.workers.stages import SiteStageFactory

    clock = SystemClock()
    run_stores = RunStores(
        sink=Writer.with_signer(stores.cases, stores.evidence, stores.signer), checkpoints=stores.checkpoints, losses=stores.losses
    )
    sources = SiteSources(site, clock, partial(topic_tail, site.broker))
    with (
        stores.exporting_heads(stores.signer),
        _archived(site, stores, sources, clock) as read,
        _progress_bars(console) as progress,
        stop_on_signals() as stop,
    ):
        outcome = run_site(
            site,
            lambda: SiteStageFactory(site, with_shadow(open_site_engines(site), site.detect), shipped_law()),
            read,
            run_stores,
            clock,
            progress,
            stop,
            options,
        )
        outcome.problems += read.problems() if isinstance(read, ArchivedSources) else []
    return outcome


@contextmanager
def _archived(site: Site, stores: "Stores", sources: "SourceProvider", clock: SystemClock) -> "Iterator[SourceProvider]":
    """The sources, whose frames are archived if the site file says so."""
    if site.archive is None:
        yield sources
        return
    from etle.storage.archive.opening import ArchivePlace, open_archive_writer
    from pipeline.workers.archiving import ArchivedSources, regular_sync

    place = ArchivePlace.of(site.archive, stores.data)
    with open_archive_writer(site, place, clock, evidence=stores.evidence_address) as writer, regular_sync(writer):
        yield ArchivedSources(sources, writer)


def _summary(outcome: "RunOutcome") -> str:
    if not outcome.frames and not outcome.problems:
        return "Nothing new: an earlier run has processed every frame (--from-start processes them again)."
    return f"{outcome.frames} frames; {len(outcome.new)} new violations, {outcome.known} known already."


@contextmanager
def _progress_bars(console: "Console") -> Iterator[CameraProgressBars]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        yield CameraProgressBars(progress)
