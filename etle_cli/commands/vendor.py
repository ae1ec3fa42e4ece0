"""`etle vendor`: the door for vendors' boxes, and what a vendor needs to build for it."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from etle.clock import SystemClock
from etle.config.site import Site, load_site
from etle.errors import ConfigError
from etle_cli.commands.ingest import add_data_option, box_signer, publisher_to
from etle_cli.commands.vendor_events import add_events
from etle_cli.options.broker import broker_connection
from etle_cli.options.observability import Observability, add_observability_options, open_observability
from etle_cli.options.storage import data_folder
from etle_cli.shutdown import stop_on_signals

if TYPE_CHECKING:
    from ingest.delivery.sender import ClosablePublisher
    from ingest.push_api.api import PushApi
    from ingest.push_api.conformance import CheckOutcome

_PORT: Final = 8443


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("vendor", help="take frames and events that vendors' boxes push; check that a door keeps the contract")
    deeds = parser.add_subparsers(dest="deed", required=True, metavar="DEED")
    _add_serve(deeds)
    _add_check(deeds)
    add_events(deeds)
    schema = deeds.add_parser("schema", help="print the JSON Schema of an event", description="Prints the JSON Schema of a vendor's event.")
    schema.add_argument("--out", metavar="FILE", type=Path, help="write it there instead")
    schema.set_defaults(run=run_schema)


def _add_serve(deeds: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = deeds.add_parser(
        "serve",
        help="the door: HTTP for vendors' boxes",
        description="Takes the frames and events that vendors' boxes push, checks and signs them, and sends them to Kafka. A box has its "
        "answer when what it sent is safe. While Kafka is away it is kept on the disk.",
        epilog="The contract is docs/vendors.md; `etle vendor check` tests a door against it.",
    )
    parser.add_argument("site", metavar="SITE.yaml", type=Path, help="the site file, with ingest.vendors")
    parser.add_argument("--host", default="0.0.0.0", help="address to listen on (default: all)")
    parser.add_argument("--port", type=int, default=_PORT, help=f"port to listen on; 0: any free one (default: {_PORT})")
    parser.add_argument("--certificate", metavar="FILE", type=Path, help="certificate (PEM), for HTTPS")
    parser.add_argument("--key", metavar="FILE", type=Path, help="its private key (PEM)")
    parser.add_argument("--dry", action="store_true", help="check and answer, but send nothing on: for vendors to try their boxes against")
    add_data_option(parser)
    add_observability_options(parser)
    parser.set_defaults(run=run_serve)


def _add_check(deeds: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = deeds.add_parser(
        "check",
        help="test a door against the contract",
        description="Sends good requests and bad ones to a door, and says of each whether what came back is what the contract says. The "
        "good frames are taken: use a camera that is not in service, or a door that was started with --dry. The exit code is 1 if "
        "something was not as it should be.",
    )
    parser.add_argument("url", metavar="URL", help="the door, such as https://etle.example.go.id:8443")
    parser.add_argument("--camera", metavar="ID", required=True, help="a camera of that vendor")
    parser.add_argument("--size", metavar="WxH", type=_size, default=(1920, 1080), help="its frame_size (default: 1920x1080)")
    parser.add_argument("--key", metavar="SECRET", help="the vendor's secret (default: ETLE_VENDOR_KEY, which no list of processes shows)")
    parser.add_argument("--quota", action="store_true", help="also use the quota up, to see what the door says then")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the results there too")
    parser.set_defaults(run=run_check)


def run_serve(args: argparse.Namespace) -> int:
    from ingest.push_api.serve import BoundServer, serve

    if (args.certificate is None) != (args.key is None):
        raise ConfigError("--certificate and --key belong together")
    site = load_site(args.site)
    if not site.ingest.vendors:
        raise ConfigError(f"{args.site}: ingest.vendors is empty: nobody may come in by the door")
    listening = BoundServer(host=args.host, port=args.port, certificate=args.certificate, key=args.key)
    with open_observability(args.metrics) as seen, stop_on_signals() as stop, _app(site, args, seen) as app:
        serve(app, listening, stop, _say_port)
    return 0


def _say_port(port: int) -> None:
    sys.stderr.write(f"etle: the door is open on port {port}\n")
    sys.stderr.flush()


@contextmanager
def _app(site: Site, args: argparse.Namespace, seen: Observability) -> Iterator["PushApi"]:
    from ingest.push_api.build import ServiceDeps, open_push_service

    data = data_folder(args.data)
    parts = ServiceDeps(
        folder=data / ("vendor-dry" if args.dry else "vendor"),
        connect=_nowhere() if args.dry else publisher_to(broker_connection(site.broker)),
        sign=box_signer(site, data).sign,
        clock=SystemClock(),
        metrics=seen.metrics,
        health=seen.health,
    )
    with open_push_service(site, parts) as app:
        yield app


def _nowhere() -> "Callable[[], ClosablePublisher]":
    from ingest.push_api.null_publisher import NullPublisher

    return NullPublisher


def run_check(args: argparse.Namespace) -> int:
    from ingest.push_api.client import PushClient
    from ingest.push_api.conformance import ConformanceSuite

    secret = args.key or os.environ.get("ETLE_VENDOR_KEY")
    if not secret:
        raise ConfigError("no secret: set ETLE_VENDOR_KEY, or give --key")
    kit = ConformanceSuite(PushClient(args.url).ask, args.camera, args.size, secret, SystemClock())
    results = [_shown(result) for result in kit.run()]
    if args.quota:
        results.append(_shown(kit.quota()))
    failed = [result for result in results if not result.passed]
    sys.stdout.write(f"{len(results)} checks, {len(failed)} not as they should be\n")
    if args.json is not None:
        told = [{"name": each.name, "passed": each.passed, "wanted": each.wanted, "came": each.came} for each in results]
        args.json.write_text(json.dumps({"url": args.url, "checks": len(results), "failed": len(failed), "results": told}, indent=2) + "\n")
    return 1 if failed else 0


def run_schema(args: argparse.Namespace) -> int:
    text = event_schema_text()
    if args.out is None:
        sys.stdout.write(text)
    else:
        args.out.write_text(text, encoding="utf-8")
    return 0


def event_schema_text() -> str:
    from ingest.push_api.contract import event_schema

    return json.dumps(event_schema(), indent=2) + "\n"


def _shown(result: "CheckOutcome") -> "CheckOutcome":
    line = f"{'ok  ' if result.passed else 'FAIL'}  {result.name}"
    sys.stdout.write(line + ("\n" if result.passed else f": wanted {result.wanted}; came {result.came}\n"))
    sys.stdout.flush()
    return result


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise argparse.ArgumentTypeError(f"{text!r} is no size; 1920x1080 is one")
    return int(width), int(height)
