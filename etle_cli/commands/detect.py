"""`etle detect`: a worker that reads a site's frames from Kafka and publishes violations to Kafka. Several share the cameras."""

import argparse
import logging
from pathlib import Path
from typing import Final

from etle.clock import SystemClock
from etle.config.site import load_site
from etle.kafka.topics import TopicNames
from etle_cli.options.broker import broker_connection
from etle_cli.options.observability import add_observability_options, open_observability
from etle_cli.shutdown import stop_on_signals

log = logging.getLogger(__name__)
IDLE_TIMEOUT_S: Final = 60.0


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "detect",
        help="run a worker that finds violations in Kafka's frames",
        description="Reads frames of the site's cameras from Kafka, finds violations, and publishes them to Kafka for `etle write`. "
        "Start as many workers as the load requires, on one or several hosts: they share the cameras. If one stops, the others continue "
        "from its checkpoints. Ctrl-C and SIGTERM stop it after the current frames.",
    )
    parser.add_argument("site", metavar="SITE.yaml", type=Path, help="the site file")
    parser.add_argument(
        "--idle-timeout",
        metavar="SECONDS",
        type=float,
        default=IDLE_TIMEOUT_S,
        help=f"end a camera's session and complete its pending violations after so long without a frame (default: {IDLE_TIMEOUT_S:g})",
    )
    add_observability_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from etle.signing import Signer, frame_verifier
    from pipeline.assembly import open_site_engines, shipped_law
    from pipeline.shadow.engines import with_shadow
    from pipeline.workers.detect import STAGE, DetectSettings, open_detect_worker
    from pipeline.workers.stages import SiteStageFactory, measured
    from pipeline.workers.supervise import run_worker

    site, clock = load_site(args.site), SystemClock()
    if not site.ingest.devices:
        log.warning("frames need no signature: whoever can write to Kafka can forge them. Name the devices' keys in `ingest.devices`")
    connection = broker_connection(site.broker)
    engines = with_shadow(open_site_engines(site), site.detect)
    if site.custody.signing_key is None:
        log.warning("violations are published unsigned: whoever can write to Kafka can forge one. Set `custody.signing_key`")
    settings = DetectSettings(
        names=TopicNames(site.broker.prefix),
        verify=frame_verifier(site.ingest),
        sign=Signer.read(site.custody.signing_key).sign if site.custody.signing_key else None,
        idle_timeout_s=args.idle_timeout,
    )
    with open_observability(args.metrics) as seen, stop_on_signals() as stop:
        stages = SiteStageFactory(site, measured(engines, seen.metrics.time_inference), shipped_law())
        stages.check()
        seen.metrics.init_dead_letters(STAGE)
        run_worker(lambda: open_detect_worker(connection, stages, settings, clock, seen.metrics), STAGE, stop, seen.health, seen.metrics)
    return 0
