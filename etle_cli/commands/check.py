"""`etle check`: everything that would go wrong at a site, found before it does."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from etle.config.site import Site, load_site
from etle.errors import ConfigError, MissingExtra
from etle_cli.check.result import CheckResult, CheckState, ok, problem
from etle_cli.check.servers import check_broker, check_database, check_evidence
from etle_cli.check.site import check_box_key, check_known_keys, check_manifest_key, check_rules, check_vendors, check_weights
from etle_cli.check.sources import check_box_disk, check_sources
from etle_cli.commands.ingest import add_data_option
from etle_cli.options.storage import data_folder

Look = Callable[[Site, Path, float], Iterator[CheckResult]]
LOOKS: Final[dict[str, Look]] = {
    "rules": lambda site, data, timeout_s: check_rules(site),
    "weights": lambda site, data, timeout_s: check_weights(site),
    "sources": lambda site, data, timeout_s: check_sources(site, timeout_s),
    "box disk": lambda site, data, timeout_s: check_box_disk(site, data),
    "box key": lambda site, data, timeout_s: check_box_key(site, data),
    "signatures": lambda site, data, timeout_s: check_known_keys(site),
    "vendors": lambda site, data, timeout_s: check_vendors(site),
    "broker": lambda site, data, timeout_s: check_broker(site, timeout_s),
    "database": lambda site, data, timeout_s: check_database(site, timeout_s),
    "evidence": lambda site, data, timeout_s: check_evidence(site, timeout_s),
    "manifest key": lambda site, data, timeout_s: check_manifest_key(site),
}
ROLES: Final = {
    "ingest": ("sources", "box disk", "box key", "broker"),
    "vendor": ("vendors", "box disk", "box key", "broker"),
    "detect": ("rules", "weights", "signatures", "broker"),
    "write": ("broker", "database", "evidence", "manifest key"),
    "review": ("database", "evidence"),
}
"""What each role needs on its host."""
_TIMEOUT_S: Final = 10.0


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "check",
        help="find what would go wrong at a site before it is started",
        description="Looks at everything that a site needs: the site file, each camera's rules and drawings, the models' weights, one "
        "picture of each camera with its size and clock, Kafka with its topics, the database, the place for evidence, disks and keys. One "
        "line for each; the exit code is 1 if there is a problem.",
    )
    parser.add_argument("site", metavar="SITE.yaml", type=Path, help="the site file")
    parser.add_argument("--role", action="append", choices=tuple(ROLES), help="only what this role needs on its host (default: all roles)")
    parser.add_argument(
        "--timeout", metavar="SECONDS", type=float, default=_TIMEOUT_S, help=f"for each camera and server (default: {_TIMEOUT_S:g})"
    )
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    add_data_option(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    findings = []
    for finding in findings_of(args.site, args.role or tuple(ROLES), data_folder(args.data), args.timeout):
        findings.append(finding)
        if not args.json:
            sys.stdout.write(f"{finding.state.value:8} {finding.subject}: {finding.said}\n")
            sys.stdout.flush()
    problems = sum(finding.state is CheckState.PROBLEM for finding in findings)
    if args.json:
        told = [{"subject": each.subject, "state": each.state.value, "said": each.said} for each in findings]
        sys.stdout.write(json.dumps({"problems": problems, "findings": told}, indent=2, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(f"{problems} problems\n" if problems else "nothing stands in the way\n")
    return 1 if problems else 0


def findings_of(path: Path, roles: "tuple[str, ...] | list[str]", data: Path, timeout_s: float) -> Iterator[CheckResult]:
    """Each as soon as it is known. A site file that does not load is all that can be said."""
    try:
        site = load_site(path)
    except ConfigError as error:
        yield from (problem("site file", line) for line in str(error).splitlines())
        return
    yield ok("site file", f"{path}: site {site.site}, {len(site.cameras)} cameras")
    wanted = {look for role in roles for look in ROLES[role]}
    for name, look in LOOKS.items():
        if name in wanted:
            yield from _looked(name, look, site, data, timeout_s)


def _looked(name: str, look: Look, site: Site, data: Path, timeout_s: float) -> Iterator[CheckResult]:
    try:
        yield from look(site, data, timeout_s)
    except MissingExtra as error:
        yield problem(name, str(error))
