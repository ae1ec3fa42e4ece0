"""`etle vendor`: the push API for vendor devices, its conformance checks and its event schema."""

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
from etle_cli.commands.ingest import add_data_option, device_signer, publisher_to
from etle_cli.commands.vendor_events import add_events
from etle_cli.options.broker import broker_connection
from etle_cli.options.law import open_law
from etle_cli.options.listen import LOOPBACK, warn_of_plain_http
from etle_cli.options.observability import Observability, add_observability_options, open_observability
from etle_cli.options.storage import data_folder
from etle_cli.shutdown import stop_on_signals

if TYPE_CHECKING:
    from ingest.delivery.sender import ClosablePublisher
    from ingest.push_api.api import PushApi
    from ingest.push_api.conformance import CheckOutcome

_PORT: Final = 8443


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("vendor", help="serve the push API for vendor devices; check a server against its contract")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    _add_serve(actions)
    _add_check(actions)
    add_events(actions)
    schema = actions.add_parser(
        "schema", help="print the JSON Schema of a vendor event", description="Prints the JSON Schema of a vendor event."
    )
    schema.add_argument("--out", metavar="FILE", type=Path, help="write to this file instead")
    schema.set_defaults(run=run_schema)


def _add_serve(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = actions.add_parser(
        "serve",
        help="serve the push API over HTTP or HTTPS",
        description="Receives frames and events that vendor devices push, validates and signs them, and publishes them to Kafka. A request "
        "is answered when its data is stored: in Kafka or, while Kafka is unavailable, in the spool on disk.",
        epilog="The contract is docs/vendors.md; `etle vendor check` tests a server against it.",
    )
    parser.add_argument("site", metavar="SITE.yaml", type=Path, help="the site file, with ingest.vendors")
    parser.add_argument("--host", default=LOOPBACK, help="address to listen on (default: %(default)s, this machine only)")
    parser.add_argument("--port", type=int, default=_PORT, help=f"port to listen on; 0: any free one (default: {_PORT})")
    parser.add_argument("--tls-cert", metavar="FILE", type=Path, help="TLS certificate (PEM), for HTTPS")
    parser.add_argument("--tls-key", metavar="FILE", type=Path, help="private key of the certificate (PEM)")
    parser.add_argument("--dry-run", action="store_true", help="validate and answer, but publish nothing: to test vendor devices")
    add_data_option(parser)
    add_observability_options(parser)
    parser.set_defaults(run=run_serve)


def _add_check(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = actions.add_parser(
        "check",
        help="test a server against the push API contract",
        description="Sends valid and invalid requests and checks each response against the contract. The valid frames are accepted: use a "
        "camera that is not in service, or a server that was started with --dry-run. The exit code is 1 if a check fails.",
    )
    parser.add_argument("url", metavar="URL", help="address of the server, such as https://etle.example.go.id:8443")
    parser.add_argument("--camera", metavar="ID", required=True, help="a camera of that vendor")
    parser.add_argument("--size", metavar="WxH", type=_size, default=(1920, 1080), help="its frame_size (default: 1920x1080)")
    parser.add_argument("--key", metavar="SECRET", help="the vendor's secret (default: ETLE_VENDOR_KEY, which process lists do not show)")
    parser.add_argument("--quota", action="store_true", help="also exceed the request quota and check the response")
    parser.add_argument("--json", metavar="FILE", type=Path, help="also write the results to this file")
    parser.set_defaults(run=run_check)


def run_serve(args: argparse.Namespace) -> int:
    from ingest.push_api.serve import BoundServer, serve

    if (args.tls_cert is None) != (args.tls_key is None):
        raise ConfigError("--tls-cert and --tls-key must be given together")
    site = load_site(args.site)
    if not site.ingest.vendors:
        raise ConfigError(f"{args.site}: ingest.vendors is empty: no vendor may push to it")
    if args.tls_cert is None:
        warn_of_plain_http("the push API", args.host, "Give --tls-cert and --tls-key.")
    server = BoundServer(host=args.host, port=args.port, certificate=args.tls_cert, key=args.tls_key)
    with (
        open_observability(args.metrics) as observability,
        stop_on_signals() as stop,
        _open_api(site, args.dry_run, data_folder(args.data), observability) as app,
    ):
        serve(app, server, stop, _print_port)
    return 0


def _print_port(port: int) -> None:
    sys.stderr.write(f"etle: push API on port {port}\n")
    sys.stderr.flush()


@contextmanager
def _open_api(site: Site, dry_run: bool, data: Path, observability: Observability) -> Iterator["PushApi"]:
    from etle.signing import Signer
    from ingest.push_api.build import ServiceDeps, open_push_service

    deps = ServiceDeps(
        folder=data / ("vendor-dry" if dry_run else "vendor"),
        connect=_null_publisher() if dry_run else publisher_to(broker_connection(site.broker)),
        sign=device_signer(site, data).sign,
        law=open_law(),
        sign_violation=Signer.read(key).sign if (key := site.custody.signing_key) else None,
        clock=SystemClock(),
        metrics=observability.metrics,
        health=observability.health,
    )
    with open_push_service(site, deps) as app:
        yield app


def _null_publisher() -> "Callable[[], ClosablePublisher]":
    from ingest.push_api.null_publisher import NullPublisher

    return NullPublisher


def run_check(args: argparse.Namespace) -> int:
    from ingest.push_api.client import PushClient
    from ingest.push_api.conformance import ConformanceSuite

    secret = args.key or os.environ.get("ETLE_VENDOR_KEY")
    if not secret:
        raise ConfigError("no secret: set ETLE_VENDOR_KEY, or give --key")
    suite = ConformanceSuite(PushClient(args.url).send, args.camera, args.size, secret, SystemClock())
    results = [_print_result(result) for result in suite.run()]
    if args.quota:
        results.append(_print_result(suite.quota()))
    failed = [result for result in results if not result.passed]
    sys.stdout.write(f"{len(results)} checks, {len(failed)} failed\n")
    if args.json is not None:
        rows = [{"name": each.name, "passed": each.passed, "wanted": each.expected, "came": each.actual} for each in results]
        args.json.write_text(json.dumps({"url": args.url, "checks": len(results), "failed": len(failed), "results": rows}, indent=2) + "\n")
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


def _print_result(result: "CheckOutcome") -> "CheckOutcome":
    line = f"{'ok  ' if result.passed else 'FAIL'}  {result.name}"
    sys.stdout.write(line + ("\n" if result.passed else f": expected {result.expected}; received {result.actual}\n"))
    sys.stdout.flush()
    return result


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a size; an example is 1920x1080")
    return int(width), int(height)
