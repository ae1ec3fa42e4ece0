"""`etle evidence`: verify that stored evidence is complete and unchanged."""

import argparse
import json
import sys
from typing import TYPE_CHECKING

from etle_cli.options.storage import add_storage_options, open_stores

if TYPE_CHECKING:
    from etle.storage.evidence.verify import EvidenceFinding


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("evidence", help="verify the evidence")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    verified = actions.add_parser(
        "verify",
        help="rehash every file and check every signature",
        description="Reports files that are missing, changed or belong to no case, and invalid signatures. The exit code is 1 if there is "
        "a finding. Files written while the command runs may be reported as orphaned: run it again.",
    )
    verified.add_argument("--json", action="store_true", help="print one JSON object per finding")
    verified.add_argument("--key", action="append", default=[], metavar="FINGERPRINT", help="also accept signatures of this former key")
    add_storage_options(verified)
    verified.set_defaults(run=run_verify)


def run_verify(args: argparse.Namespace) -> int:
    from rich.console import Console

    from etle.storage.evidence.verify import verify

    console, findings = Console(), 0
    with open_stores(args) as stores:
        for finding in verify(stores.cases, stores.evidence, {stores.signer.fingerprint, *args.key}):
            findings += 1
            if args.json:
                sys.stdout.write(json.dumps(as_json(finding)) + "\n")
            else:
                console.print(as_text(finding), markup=False, highlight=False, soft_wrap=True)
        if not args.json:
            summary = f"{findings} findings." if findings else "All evidence is present, unchanged and signed."
            console.print(f"{summary} Key fingerprint: {stores.signer.fingerprint}", highlight=False, soft_wrap=True)
    return 1 if findings else 0


def as_json(finding: "EvidenceFinding") -> dict[str, str | None]:
    return {
        "fault": finding.fault.value,
        "violation": str(finding.violation) if finding.violation else None,
        "digest": finding.digest,
        "detail": finding.detail,
    }


def as_text(finding: "EvidenceFinding") -> str:
    about = f"violation {finding.violation}: " if finding.violation else ""
    return f"{finding.fault}: {about}{finding.digest or ''} {finding.detail}"
