"""`etle ingest`: publish the frames of an edge gateway's cameras to Kafka."""

import argparse
import socket
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from etle.clock import SystemClock
from etle.config.deployment import IngestSettings
from etle.config.site import CameraSettings, Site, load_site
from etle.errors import ConfigError
from etle_cli.options.broker import broker_connection, topic_tail
from etle_cli.options.observability import add_observability_options, open_observability
from etle_cli.options.storage import data_folder
from etle_cli.shutdown import stop_on_signals

if TYPE_CHECKING:
    from etle.kafka.security import BrokerConnection
    from etle.signing import Signer
    from ingest.delivery.sender import ClosablePublisher


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "ingest",
        help="publish the frames of a site's cameras to Kafka",
        description="Reads the cameras, videos and folders of the site file and publishes their signed frames to Kafka. While Kafka is "
        "unavailable, frames of live cameras are spooled to disk in order, and files are not read further. After a restart, files continue "
        "at the last delivered frame. Each camera runs in its own thread, so a camera that hangs does not affect the others.",
        epilog="Before the first start:  etle check SITE.yaml.  For frames that vendor devices push:  etle vendor serve SITE.yaml.",
    )
    parser.add_argument("site", metavar="SITE.yaml", type=Path, help="the site file")
    parser.add_argument("--camera", action="append", metavar="ID", help="only this camera of the site (may be given several times)")
    add_data_option(parser)
    add_observability_options(parser)
    parser.set_defaults(run=run)


def add_data_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", metavar="DIR", type=Path, help="folder of spool, positions and signing key (default: ETLE_DATA, otherwise ./etle-data)"
    )


def run(args: argparse.Namespace) -> int:
    from ingest.gateway import EdgeGateway, GatewayDeps

    site = load_site(args.site).with_cameras(args.camera or ())
    cameras = own_cameras(site)
    with open_observability(args.metrics) as observability, stop_on_signals() as stop:
        deps = GatewayDeps(
            folder=data_folder(args.data) / "ingest",
            connect=publisher_to(broker_connection(site.broker)),
            sign=device_signer(site, data_folder(args.data)).sign,
            clock=SystemClock(),
            metrics=observability.metrics,
            health=observability.health,
            source_names=lambda camera: (site.stream_name(camera), site.earlier_stream_names(camera)),
            open_tail=partial(topic_tail, site.broker),
        )
        problems = EdgeGateway(site, cameras, deps).run(stop)
    for problem in problems:
        sys.stderr.write(f"etle: {problem}\n")
    return 1 if problems else 0


def own_cameras(site: Site) -> Sequence[CameraSettings]:
    """The cameras that this gateway reads itself. Raises ConfigError if there is none."""
    cameras = [camera for camera in site.cameras if camera.source.pushed_by is None]
    if not cameras:
        raise ConfigError("all selected cameras are pushed by vendor devices: start `etle vendor serve` instead")
    return cameras


def device_key(settings: IngestSettings, data: Path) -> Path:
    return settings.signing_key or data / "keys" / "ingest.pem"


def device_signer(site: Site, data: Path) -> "Signer":
    """The private key of this device, generated if the file does not exist. Raises ConfigError."""
    from etle.signing import Signer

    return Signer.from_file(device_key(site.ingest, data))


def publisher_to(connection: "BrokerConnection") -> "Callable[[], ClosablePublisher]":
    """A function that opens a new connection on each call and raises BrokerError, also if there is no topic for the frames."""
    from etle.kafka.admin import KafkaTopicAdmin
    from etle.kafka.client import KafkaPublisher, require_reachable
    from etle.kafka.topics import TopicNames, require_topic_exists

    def connect() -> KafkaPublisher:
        require_reachable(connection.servers)
        frames = TopicNames(connection.broker.prefix).frames
        require_topic_exists(frames, KafkaTopicAdmin(connection).partitions(frames))
        return KafkaPublisher(connection, f"etle-ingest-{socket.gethostname()}")

    return connect
