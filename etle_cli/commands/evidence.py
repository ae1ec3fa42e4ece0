"""`etle evidence`: verify that stored evidence is complete and unchanged."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from etle.errors import ConfigError
from etle_cli.options.storage import add_storage_options, open_existing_stores, storage_options

if TYPE_CHECKING:
    from etle.storage.evidence.verify import EvidenceFinding
    from etle.types import Digest


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("evidence", help="verify the evidence")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    verified = actions.add_parser(
        "verify",
        help="rehash every file and check every signature",
        description="Reports files that are missing, changed or belong to no case, and invalid signatures. The exit code is 1 if there is "
        "a finding. Creates nothing and needs no private key; a store that does not exist is an error. "
        "Files written while the command runs may be reported as orphaned: run it again.",
    )
    verified.add_argument("--json", action="store_true", help="print one JSON object per finding")
    verified.add_argument("--key", action="append", default=[], metavar="FINGERPRINT", help="also accept signatures of this former key")
    verified.add_argument(
        "--public-key", action="append", default=[], metavar="FILE", type=Path, help="also accept signatures of this public key (PEM)"
    )
    add_storage_options(verified)
    verified.set_defaults(run=run_verify)


def run_verify(args: argparse.Namespace) -> int:
    from rich.console import Console

    from etle.storage.evidence.verify import VerifiedCounts, verify

    console, findings, counts = Console(stderr=args.json), 0, VerifiedCounts()
    with open_existing_stores(args) as stores:
        keys = trusted_keys(args)
        for finding in verify(stores.cases, stores.evidence, keys, counts):
            findings += 1
            if args.json:
                sys.stdout.write(json.dumps(as_json(finding)) + "\n")
            else:
                console.print(as_text(finding), markup=False, highlight=False, soft_wrap=True)
    checked = f"{counts.cases} cases with {counts.files} files were checked."
    summary = f"{findings} findings." if findings else "All evidence is present, unchanged and signed." if counts.cases else ""
    trusted = f"Trusted keys: {', '.join(sorted(keys))}"
    console.print(" ".join(filter(None, (checked, summary, trusted))), highlight=False, soft_wrap=True)
    return 1 if findings else 0


def trusted_keys(args: argparse.Namespace) -> "set[Digest]":
    """Fingerprints of the keys that the options name and of the key in the data folder, by its public half if that is all there is.

    Raises ConfigError if there is none.
    """
    from etle.signing import Signer, public_file, public_fingerprint
    from etle.types import Digest

    file = storage_options(args).key_file
    keys = {*map(Digest, args.key), *map(public_fingerprint, args.public_key)}
    if file.exists():
        keys.add(Signer.read(file).fingerprint)
    elif public_file(file).exists():
        keys.add(public_fingerprint(public_file(file)))
    if not keys:
        raise ConfigError(f"no key is known that may have signed the evidence: there is no {file}. Name one with --public-key or --key.")
    return keys


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
