"""`etle detect`: a worker that turns a site's frames in Kafka into violations in Kafka. Start as many as there is work for."""

import argparse
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from etle.clock import SystemClock
from etle.config.site import Site, load_site
from etle.kafka.topics import TopicNames
from etle.types import CameraId, Digest
from etle_cli.options.broker import broker_connection, require_topics
from etle_cli.options.observability import add_observability_options, open_observability
from etle_cli.shutdown import stop_on_signals
from pipeline.assembly import Engines, build_stage, made_by, open_engines, shipped_law

if TYPE_CHECKING:
    from etle.config.law import Law
    from etle.kafka.security import BrokerConnection
    from etle.observability.metrics import Metrics
    from etle.protocols import VehicleDetector
    from pipeline.detect.stage import CameraStage
    from pipeline.detect.state import StageState
    from pipeline.workers.detect import DetectSettings, DetectWorker
    from pipeline.workers.session import StageFactory

SILENCE_S: Final = 60.0


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "detect",
        help="a worker between Kafka's frames and Kafka's violations",
        description="Takes frames of the site's cameras from Kafka, finds violations, and puts them back into Kafka, where `etle write` "
        "takes them. Workers share the cameras: start as many as there is work for, on as many hosts. One that dies is replaced by the "
        "others, which go on where it was. Ctrl-C and SIGTERM end it in good order.",
    )
    parser.add_argument("site", metavar="SITE.yaml", type=Path, help="the site file")
    parser.add_argument(
        "--idle-timeout",
        metavar="SECONDS",
        type=float,
        default=SILENCE_S,
        help=f"end a camera's session and complete its pending violations after so long without a frame (default: {SILENCE_S:g})",
    )
    add_observability_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from etle.signing import frame_verifier
    from pipeline.workers.detect import STAGE, DetectSettings
    from pipeline.workers.supervise import run_worker

    site = load_site(args.site)
    connection = broker_connection(site.broker)
    stages = SiteStageFactory(site, open_engines(site.detect), shipped_law())
    stages.check()
    settings = DetectSettings(names=TopicNames(site.broker.prefix), verify=frame_verifier(site.ingest), silence_s=args.idle_timeout)
    with open_observability(args.metrics) as seen, stop_on_signals() as stop:
        seen.metrics.expect_dead_letters(STAGE)
        run_worker(lambda: detect_worker(connection, stages, settings, seen.metrics), STAGE, stop, seen.health, seen.metrics)
    return 0


@contextmanager
def detect_worker(
    connection: "BrokerConnection", stages: "StageFactory", settings: "DetectSettings", metrics: "Metrics"
) -> "Iterator[DetectWorker]":
    """Raises BrokerUnavailable, ConfigError if a topic is missing."""
    from etle.kafka.client import KafkaTopicReader, KafkaPublisher, KafkaSubscriber
    from pipeline.workers.detect import DetectWorker

    require_topics(connection)
    client = f"detect-{socket.gethostname()}-{os.getpid()}"
    with ExitStack() as opened:
        publisher = KafkaPublisher(connection, client)
        opened.callback(publisher.close)
        history = KafkaTopicReader(connection, client)
        opened.callback(history.close)
        subscriber = KafkaSubscriber(connection, client, settings.names.frames, settings.names.detect_group)
        opened.callback(subscriber.close)
        yield DetectWorker(subscriber, publisher, history, stages, settings, SystemClock(), metrics)


class SiteStageFactory:
    """The stages of a site's cameras, all with the same models."""

    def __init__(self, site: Site, engines: Engines, law: "Law") -> None:
        self._site = site
        self._engines = engines
        self._law = law
        self._cameras = {camera.camera_id: camera for camera in site.cameras}
        self._made_by = {name: made_by(site, camera, engines) for name, camera in self._cameras.items()}
        self.cameras = frozenset(self._cameras)
        self.detector: VehicleDetector = engines.detector

    def check(self) -> None:
        """Raises ConfigError where a camera's drawings or rules are wrong: better now than at its first frame."""
        from pipeline.workers.checkpoint import first_memory

        for camera in self.cameras:
            self.build(camera, first_memory(self._made_by[camera], camera, 0))

    def made_by(self, camera: CameraId) -> Digest:
        return self._made_by[camera]

    def rules(self, camera: CameraId) -> frozenset[str]:
        return frozenset(entry.rule for entry in self._cameras[camera].rules)

    def build(self, camera: CameraId, memory: "StageState") -> "CameraStage":
        return build_stage(self._site, self._cameras[camera], self._engines, self._law, memory)
