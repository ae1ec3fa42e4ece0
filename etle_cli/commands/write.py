"""`etle write`: a worker that makes cases of Kafka's violations, in PostgreSQL and the evidence store."""

import argparse
import logging
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from etle.clock import SystemClock
from etle.config.deployment import BrokerSettings, StorageSettings
from etle.errors import StoreUnavailable
from etle.kafka.topics import TopicNames
from etle_cli.options.broker import broker_connection, require_topics
from etle_cli.options.observability import add_observability_options, open_observability
from etle_cli.options.storage import add_storage_options, storage_options
from etle_cli.shutdown import stop_on_signals

if TYPE_CHECKING:
    from etle.kafka.security import BrokerConnection
    from etle.observability.health import Health
    from etle.observability.metrics import Metrics
    from etle.protocols import ViolationSink
    from etle.storage.stores import StorageOptions, Stores
    from pipeline.workers.write import WriteWorker

log = logging.getLogger(__name__)


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "write",
        help="a worker between Kafka's violations and the database",
        description="Takes violations from Kafka and makes cases of them: evidence files first, then the case. It is the only role that "
        "writes evidence. Several may run. A database or store that is away is waited for. Ctrl-C and SIGTERM end it in good order.",
    )
    parser.add_argument("site", metavar="SITE.yaml", type=Path, nargs="?", help="the site file, for its `broker` and `store`")
    add_storage_options(parser)
    add_observability_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from pipeline.workers.supervise import run_worker
    from pipeline.workers.write import STAGE

    broker, store = _settings(args.site)
    connection = broker_connection(broker)
    options = storage_options(args, store)
    with open_observability(args.metrics) as seen, stop_on_signals() as stop, ExitStack() as opened:
        seen.metrics.expect_dead_letters(STAGE)
        stores = _opened_patiently(options, opened, stop, seen.health, seen.metrics)
        if stores is not None:
            sink = _sink(stores)
            run_worker(lambda: write_worker(connection, sink, seen.metrics), STAGE, stop, seen.health, seen.metrics)
    return 0


@contextmanager
def write_worker(connection: "BrokerConnection", sink: "ViolationSink", metrics: "Metrics") -> "Iterator[WriteWorker]":
    """Raises BrokerUnavailable, ConfigError if a topic is missing."""
    from etle.kafka.client import KafkaPublisher, KafkaSubscriber
    from pipeline.workers.write import WriteWorker

    require_topics(connection)
    client, names = f"write-{socket.gethostname()}-{os.getpid()}", TopicNames(connection.broker.prefix)
    with ExitStack() as opened:
        publisher = KafkaPublisher(connection, client)
        opened.callback(publisher.close)
        subscriber = KafkaSubscriber(connection, client, names.violations, names.write_group)
        opened.callback(subscriber.close)
        worker = WriteWorker(subscriber, publisher, sink, names, SystemClock(), metrics)
        opened.callback(worker.close)
        yield worker


def _settings(site: Path | None) -> tuple[BrokerSettings, StorageSettings]:
    from etle.config.site import load_site

    if site is None:
        return BrokerSettings(), StorageSettings()
    loaded = load_site(site)
    return loaded.broker, loaded.store


def _opened_patiently(
    options: "StorageOptions", opened: ExitStack, stop: threading.Event, health: "Health", metrics: "Metrics"
) -> "Stores | None":
    """The stores, as soon as the database answers; None if told to stop before. Raises ConfigError."""
    from etle.observability.metrics import Dependency
    from etle.storage.stores import open_stores
    from pipeline.workers.supervise import STUCK_S, Pauses
    from pipeline.workers.write import STAGE

    pauses = Pauses()
    health.watch(STAGE, STUCK_S)
    while not stop.is_set():
        try:
            return opened.enter_context(open_stores(options))
        except StoreUnavailable as error:
            pause_s = pauses.next_s()
            log.warning("%s Trying again in %g s.", error, pause_s)
            with metrics.waiting_for(Dependency.DATABASE):
                stop.wait(pause_s)
            health.turned(STAGE)
    return None


def _sink(stores: "Stores") -> "ViolationSink":
    from etle.storage.evidence.manifest import make_manifest
    from pipeline.evidence.writer import Writer

    return Writer(stores.cases, stores.evidence, lambda violation, files: make_manifest(violation, files, stores.signer))
