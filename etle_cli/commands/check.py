"""`etle check`: find configuration and environment problems before a site is started."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from etle.config.site import Site, load_site
from etle.errors import ConfigError, MissingExtra
from etle_cli.check.feeds import check_feeds
from etle_cli.check.result import CheckResult, CheckState, ok, problem
from etle_cli.check.servers import check_broker, check_database, check_evidence
from etle_cli.check.site import check_device_key, check_known_keys, check_manifest_key, check_rules, check_vendors, check_weights
from etle_cli.check.sources import check_sources, check_spool_disk
from etle_cli.commands.ingest import add_data_option
from etle_cli.options.storage import data_folder

Check = Callable[[Site, Path, float], Iterator[CheckResult]]
CHECKS: Final[dict[str, Check]] = {
    "rules": lambda site, data, timeout_s: check_rules(site),
    "weights": lambda site, data, timeout_s: check_weights(site),
    "sources": lambda site, data, timeout_s: check_sources(site, timeout_s),
    "signal feeds": lambda site, data, timeout_s: check_feeds(site, timeout_s),
    "spool disk": lambda site, data, timeout_s: check_spool_disk(site, data),
    "device key": lambda site, data, timeout_s: check_device_key(site, data),
    "signatures": lambda site, data, timeout_s: check_known_keys(site),
    "vendors": lambda site, data, timeout_s: check_vendors(site),
    "broker": lambda site, data, timeout_s: check_broker(site, timeout_s),
    "database": lambda site, data, timeout_s: check_database(site, timeout_s),
    "evidence": lambda site, data, timeout_s: check_evidence(site, timeout_s),
    "manifest key": lambda site, data, timeout_s: check_manifest_key(site),
}
ROLES: Final = {
    "ingest": ("sources", "signal feeds", "spool disk", "device key", "broker"),
    "vendor": ("vendors", "spool disk", "device key", "broker"),
    "detect": ("rules", "weights", "signatures", "broker"),
    "write": ("broker", "database", "evidence", "manifest key"),
    "review": ("database", "evidence"),
}
"""The checks that apply to the host of each role."""
_TIMEOUT_S: Final = 10.0


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "check",
        help="find problems of a site before it is started",
        description="Checks the site file, each camera's rules and geometry, the model weights, one frame of each camera with its size and "
        "clock, a message of each signal's controller, Kafka with its topics, the database, the evidence location, disks and keys. Prints "
        "one line per check; the exit code is 1 if there is a problem.",
    )
    parser.add_argument("site", metavar="SITE.yaml", type=Path, help="the site file")
    parser.add_argument("--role", action="append", choices=tuple(ROLES), help="only the checks for this role's host (default: all roles)")
    parser.add_argument(
        "--timeout", metavar="SECONDS", type=float, default=_TIMEOUT_S, help=f"per camera and server (default: {_TIMEOUT_S:g})"
    )
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    add_data_option(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    results = []
    for result in check_results(args.site, args.role or tuple(ROLES), data_folder(args.data), args.timeout):
        results.append(result)
        if not args.json:
            sys.stdout.write(f"{result.state.value:8} {result.subject}: {result.message}\n")
            sys.stdout.flush()
    problems = sum(result.state is CheckState.PROBLEM for result in results)
    if args.json:
        rows = [{"subject": each.subject, "state": each.state.value, "said": each.message} for each in results]
        sys.stdout.write(json.dumps({"problems": problems, "findings": rows}, indent=2, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(f"{problems} problems\n" if problems else "no problems\n")
    return 1 if problems else 0


def check_results(path: Path, roles: "tuple[str, ...] | list[str]", data: Path, timeout_s: float) -> Iterator[CheckResult]:
    """Yields each result as soon as it is known. If the site file does not load, its errors are the only results."""
    try:
        site = load_site(path)
    except ConfigError as error:
        yield from (problem("site file", line) for line in str(error).splitlines())
        return
    yield ok("site file", f"{path}: site {site.site}, {len(site.cameras)} cameras")
    selected = {name for role in roles for name in ROLES[role]}
    for name, check in CHECKS.items():
        if name in selected:
            yield from _run(name, check, site, data, timeout_s)


def _run(name: str, check: Check, site: Site, data: Path, timeout_s: float) -> Iterator[CheckResult]:
    try:
        yield from check(site, data, timeout_s)
    except MissingExtra as error:
        yield problem(name, str(error))
