"""`etle check`: find configuration and environment problems before a site is started."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from etle.config.site import Site, load_site
from etle.errors import ConfigError, MissingExtra
from etle_cli.check.feeds import check_feeds
from etle_cli.check.result import CheckResult, CheckState, ok, problem
from etle_cli.check.servers import check_archive, check_broker, check_database, check_evidence
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
    "archive": lambda site, data, timeout_s: check_archive(site, data),
    "manifest key": lambda site, data, timeout_s: check_manifest_key(site),
}
ROLES: Final = {
    "run": ("rules", "weights", "sources", "signal feeds", "archive"),
    "ingest": ("sources", "signal feeds", "spool disk", "device key", "broker"),
    "vendor": ("vendors", "spool disk", "device key", "broker"),
    "detect": ("rules", "weights", "signatures", "broker"),
    "write": ("broker", "database", "evidence", "manifest key"),
    "archive": ("signatures", "broker", "archive"),
    "review": ("database", "evidence"),
}
"""The checks that apply to the host of each role; `run`: `etle run`, all roles in one process with an embedded database."""
PROFILES: Final = {"embedded": ("run",), "distributed": tuple(role for role in ROLES if role != "run")}
"""The roles of each profile. Single-host is distributed in this respect: it has Kafka, PostgreSQL and an evidence location, too."""
_TIMEOUT_S: Final = 10.0


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "check",
        help="find problems of a site before it is started",
        description="Checks what `etle run` needs: the site file, each camera's rules and geometry, the model weights, one frame of each "
        "camera with its size and clock, a message of each signal's controller. For the roles of the distributed profile also Kafka with "
        "its topics, the database, the evidence location, disks and keys. Prints one line per check; the exit code is 1 if there is a "
        "problem. With --footage: says what would be seen in a recording of a camera, and stores nothing.",
    )
    parser.add_argument("site", metavar="SITE.yaml", type=Path, help="the site file")
    parser.add_argument("--profile", choices=tuple(PROFILES), help="check all roles of this profile (default: embedded, as for `etle run`)")
    parser.add_argument("--role", action="append", choices=tuple(ROLES), help="only the checks for this role's host")
    parser.add_argument("--footage", metavar="FILE", type=Path, help="run the stage over this recording and say what it could not see")
    parser.add_argument("--camera", action="append", metavar="ID", default=[], help="the camera that recorded the footage")
    parser.add_argument(
        "--timeout", metavar="SECONDS", type=float, default=_TIMEOUT_S, help=f"per camera and server (default: {_TIMEOUT_S:g})"
    )
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    add_data_option(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    roles = args.role or PROFILES[args.profile or "embedded"]
    results = []
    for result in _results(args, roles):
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
        if not (args.role or args.profile or args.footage):
            sys.stdout.write("checked for `etle run`; Kafka, PostgreSQL and the evidence location: --profile distributed\n")
    return 1 if problems else 0


def _results(args: argparse.Namespace, roles: Sequence[str]) -> Iterator[CheckResult]:
    if args.footage is None:
        yield from check_results(args.site, roles, data_folder(args.data), args.timeout)
        return
    from etle_cli.check.footage import check_footage

    yield from check_footage(args.site, args.camera, args.footage)


def check_results(path: Path, roles: Sequence[str], data: Path, timeout_s: float) -> Iterator[CheckResult]:
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
