"""`etle ingest`: the cameras of a box, into the broker."""

import argparse
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from etle.clock import SystemClock
from etle.config.deployment import IngestSettings
from etle.config.site import CameraSettings, Site, load_site
from etle.errors import ConfigError
from etle_cli.commands.run import only, stream_of
from etle_cli.options.broker import broker_connection
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
        help="watch a site's cameras and send their frames to Kafka",
        description="Reads the cameras, videos and folders of the site file and sends their frames, signed, to Kafka. While Kafka is away "
        "frames of live cameras wait on the disk, in order; films wait where they are. Started again, films go on where they were. "
        "Each camera has a thread of its own: one that hangs or lies disturbs no other.",
        epilog="Before the first start:  etle check SITE.yaml.  For the frames of vendors' boxes:  etle vendor serve SITE.yaml.",
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

    site = only(load_site(args.site), args.camera)
    cameras = own_cameras(site)
    with open_observability(args.metrics) as seen, stop_on_signals() as stop:
        around = GatewayDeps(
            folder=data_folder(args.data) / "ingest",
            connect=publisher_to(broker_connection(site.broker)),
            sign=box_signer(site, data_folder(args.data)).sign,
            clock=SystemClock(),
            metrics=seen.metrics,
            health=seen.health,
            source_name=lambda camera: stream_of(site, camera),
        )
        problems = EdgeGateway(site, cameras, around).run(stop)
    for problem in problems:
        sys.stderr.write(f"etle: {problem}\n")
    return 1 if problems else 0


def own_cameras(site: Site) -> Sequence[CameraSettings]:
    """Those that this box reads itself. Raises ConfigError if there is none."""
    cameras = [camera for camera in site.cameras if camera.source.vendor is None]
    if not cameras:
        raise ConfigError("every camera named is a vendor's, who pushes its frames: start `etle vendor serve`")
    return cameras


def box_key(settings: IngestSettings, data: Path) -> Path:
    return settings.signing_key or data / "keys" / "ingest.pem"


def box_signer(site: Site, data: Path) -> "Signer":
    """The box's key, made where there is none. Raises ConfigError."""
    from etle.signing import Signer

    return Signer.from_file(box_key(site.ingest, data))


def publisher_to(connection: "BrokerConnection") -> "Callable[[], ClosablePublisher]":
    """Connects anew at each call, which raises BrokerError."""
    from etle.kafka.client import KafkaPublisher
    from etle.kafka.reachability import require_reachable

    def connected() -> KafkaPublisher:
        require_reachable(connection.servers)
        return KafkaPublisher(connection, f"etle-ingest-{socket.gethostname()}")

    return connected
