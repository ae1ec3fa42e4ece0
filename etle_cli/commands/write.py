"""`etle write`: a worker that stores the violations of Kafka as cases, in PostgreSQL and the evidence store."""

import argparse
import logging
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from etle.clock import SystemClock
from etle.config.deployment import BrokerSettings, CustodySettings, StorageSettings
from etle_cli.options.broker import broker_connection
from etle_cli.options.observability import add_observability_options, open_observability
from etle_cli.options.storage import add_storage_options, storage_options
from etle_cli.shutdown import stop_on_signals

log = logging.getLogger(__name__)


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "write",
        help="run a worker that stores Kafka's violations as cases",
        description="Reads violations from Kafka and stores them: evidence files first, then the case. It is the only role that writes "
        "evidence. Several may run. While the database or the evidence store is unavailable, it waits. Ctrl-C and SIGTERM stop it after "
        "the current violation.",
    )
    parser.add_argument("site", metavar="SITE.yaml", type=Path, nargs="?", help="the site file, for its `broker` and `store`")
    add_storage_options(parser)
    add_observability_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from etle.observability.metrics import EvidenceError
    from etle.signing import message_verifier
    from etle.storage.stores import open_stores
    from pipeline.evidence.writer import Writer
    from pipeline.workers.supervise import open_when_available, run_worker
    from pipeline.workers.write import STAGE, SignaturePolicy, open_write_worker

    broker, store, custody = _settings(args.site)
    if not custody.detect_keys:
        log.warning("violations need no signature: whoever can write to Kafka can forge one. Name the keys in `custody.detect_keys`")
    policy = SignaturePolicy(verify=message_verifier(custody.detect_keys), unsigned=custody.unsigned)
    connection, clock = broker_connection(broker), SystemClock()
    options = storage_options(args, store)
    with open_observability(args.metrics) as seen, stop_on_signals() as stop, ExitStack() as opened:
        metrics, health = seen.metrics, seen.health
        metrics.init_dead_letters(STAGE)
        stores = open_when_available(lambda: opened.enter_context(open_stores(options)), STAGE, stop, health, metrics)
        if stores is not None:
            signer = stores.signer
            opened.enter_context(stores.exporting_heads(signer, partial(metrics.evidence_error, EvidenceError.HEADS)))
            sink = Writer.with_signer(stores.cases, stores.evidence, signer)
            run_worker(lambda: open_write_worker(connection, sink, clock, metrics, policy), STAGE, stop, health, metrics)
    return 0


def _settings(site: Path | None) -> tuple[BrokerSettings, StorageSettings, CustodySettings]:
    from etle.config.site import load_site

    if site is None:
        return BrokerSettings(), StorageSettings(), CustodySettings()
    loaded = load_site(site)
    return loaded.broker, loaded.store, loaded.custody
