"""`etle reprocess-worker`: a worker that processes the work items of `etle reprocess --distribute`."""

import argparse
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from etle.clock import SystemClock
from etle.config.site import Site, load_site
from etle_cli.commands.reprocess import footage_openers
from etle_cli.options.broker import broker_connection
from etle_cli.options.observability import add_observability_options, open_observability
from etle_cli.options.operator import operator
from etle_cli.options.storage import add_storage_options, storage_options
from etle_cli.shutdown import stop_on_signals

if TYPE_CHECKING:
    from etle.storage.archive.opening import ArchivePlace
    from etle.storage.database import Database
    from etle.storage.stores import StorageOptions
    from pipeline.reprocess.camera import OpenedRun
    from pipeline.reprocess.worker import RunCache

_NICE: Final = 10
_LIVE_LAG_S: Final = 5.0


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "reprocess-worker",
        help="run a worker that processes the segments of distributed runs",
        description="Processes the work items of `etle reprocess --distribute` in a consumer group: several may run, on one or several "
        "hosts, with the same database, evidence store and archive. Live traffic comes first: the worker pauses while frames of live "
        "cameras wait in Kafka. Ctrl-C and SIGTERM stop it.",
    )
    parser.add_argument("site", metavar="SITE.yaml", type=Path, help="the site file")
    parser.add_argument(
        "--live-lag",
        metavar="SECONDS",
        type=float,
        default=_LIVE_LAG_S,
        help="pause while a live frame has waited longer in Kafka for a worker of detect; 0: never pause (default: %(default)g)",
    )
    parser.add_argument(
        "--nice",
        metavar="N",
        type=int,
        choices=range(20),
        default=_NICE,
        help=f"how much the worker yields to live processes of this host, from 0 (not at all) to 19 (default: {_NICE})",
    )
    parser.add_argument(
        "--skip", metavar="RUN", action="append", default=[], help="give up this run: its work items become dead letters; may be repeated"
    )
    add_storage_options(parser)
    add_observability_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from etle.storage.archive.opening import ArchivePlace, archive_settings
    from etle.storage.stores import open_migrated_database
    from pipeline.reprocess.assembly import release_segments
    from pipeline.reprocess.worker import STAGE, open_reprocess_worker
    from pipeline.workers.supervise import open_when_available, run_worker

    site, clock = load_site(args.site), SystemClock()
    connection, storage = broker_connection(site.broker), storage_options(args, site.store)
    storage.require_shared_results()
    place = ArchivePlace.of(archive_settings(site), storage.data)

    def finished(opened: "OpenedRun") -> None:
        release_segments(opened.job, place, operator())

    with open_observability(args.metrics) as seen, stop_on_signals() as stop, ExitStack() as opened:
        metrics, health = seen.metrics, seen.health
        metrics.init_dead_letters(STAGE)
        found = open_when_available(lambda: opened.enter_context(open_migrated_database(storage)), STAGE, stop, health, metrics)
        if found is None:
            return 0
        os.nice(args.nice)  # not before the database is open: an embedded one serves live processes too
        runs = opened.enter_context(_runs(site, found[0], storage, place))
        run_worker(
            lambda: open_reprocess_worker(connection, runs, args.live_lag, clock, metrics, finished, args.skip),
            STAGE, stop, health, metrics,
        )  # fmt: skip
    return 0


@contextmanager
def _runs(site: Site, database: "Database", storage: "StorageOptions", place: "ArchivePlace") -> "Iterator[RunCache]":
    """The runs of the database, opened when an item needs them."""
    from pipeline.reprocess.assembly import open_stored_run
    from pipeline.reprocess.worker import RunCache

    openers = footage_openers()

    def open_run(name: str) -> "AbstractContextManager[OpenedRun]":
        return open_stored_run(site, database, name, storage.results_address, place, openers)

    cache = RunCache(open_run)
    try:
        yield cache
    finally:
        cache.close()
