"""`etle evidence`: is everything that is kept still there and unchanged?"""

import argparse
import json
import sys
from typing import TYPE_CHECKING

from etle_cli.options.storage import add_storage_options, open_stores

if TYPE_CHECKING:
    from etle.storage.evidence.verify import EvidenceFinding


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("evidence", help="verify the evidence")
    deeds = parser.add_subparsers(dest="deed", required=True, metavar="DEED")
    verified = deeds.add_parser(
        "verify",
        help="hash every file again and check every signature",
        description="Reports files that are missing, changed or belong to no case, and signatures that do not hold."
        " The exit code is 1 if anything is wrong. What is being written meanwhile may be reported as orphaned: run it again.",
    )
    verified.add_argument("--json", action="store_true", help="one JSON object a line for each finding")
    verified.add_argument("--key", action="append", default=[], metavar="FINGERPRINT", help="a former key whose signatures count as well")
    add_storage_options(verified)
    verified.set_defaults(run=run_verify)


def run_verify(args: argparse.Namespace) -> int:
    from rich.console import Console

    from etle.storage.evidence.verify import verify

    console, found = Console(), 0
    with open_stores(args) as stores:
        for finding in verify(stores.cases, stores.evidence, {stores.signer.fingerprint, *args.key}):
            found += 1
            if args.json:
                sys.stdout.write(json.dumps(as_json(finding)) + "\n")
            else:
                console.print(in_words(finding), markup=False, highlight=False, soft_wrap=True)
        if not args.json:
            said = f"{found} findings." if found else "All evidence is there, unchanged and signed."
            console.print(f"{said} The key's fingerprint: {stores.signer.fingerprint}", highlight=False, soft_wrap=True)
    return 1 if found else 0


def as_json(finding: "EvidenceFinding") -> dict[str, str | None]:
    return {
        "fault": finding.fault.value,
        "violation": str(finding.violation) if finding.violation else None,
        "digest": finding.digest,
        "detail": finding.detail,
    }


def in_words(finding: "EvidenceFinding") -> str:
    about = f"violation {finding.violation}: " if finding.violation else ""
    return f"{finding.fault}: {about}{finding.digest or ''} {finding.detail}"
