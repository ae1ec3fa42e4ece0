"""`etle evidence`: verify that what is stored is complete, unchanged and signed."""

import argparse
import json
import sys
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from etle.errors import ConfigError
from etle_cli.options.storage import add_storage_options, open_existing_stores, storage_options

if TYPE_CHECKING:
    from etle.signing import PublicKeys
    from etle.storage.evidence.verify import EvidenceFinding


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("evidence", help="verify the evidence")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    verified = actions.add_parser(
        "verify",
        help="rehash every file, check every signature, and compare the database with the audit log",
        description="Reports files that are missing, changed or belong to no case, invalid signatures, rows that differ from the signed "
        "manifests or from the audit log, and a log that differs from its exported heads. The exit code is 1 if there is a finding. "
        "Creates nothing and needs no private key; a store that does not exist is an error. "
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

    from etle.storage.audit.heads import open_heads
    from etle.storage.audit.verify import AuditCounts, verify_log
    from etle.storage.evidence.verify import VerifiedCounts, verify

    console, findings, counts, logged = Console(stderr=args.json), 0, VerifiedCounts(), AuditCounts()
    with open_existing_stores(args) as stores:
        keys, heads = trusted_keys(args), open_heads(storage_options(args).heads_address)
        found = chain(verify(stores.cases, stores.evidence, keys, counts), verify_log(stores.database, heads, keys, logged))
        for finding in found:
            findings += 1
            if args.json:
                sys.stdout.write(json.dumps(as_json(finding)) + "\n")
            else:
                console.print(as_text(finding), markup=False, highlight=False, soft_wrap=True)
    checked = f"{counts.cases} cases with {counts.files} files were checked. {logged}"
    summary = f"{findings} findings." if findings else "All evidence is present, unchanged and signed." if counts.cases else ""
    trusted = f"Trusted keys: {', '.join(sorted(keys))}"
    console.print("\n".join(filter(None, (checked, summary, trusted))), highlight=False, soft_wrap=True)
    if not logged.heads:
        console.print("Without an exported head nobody can tell whether the audit log was rewritten as a whole (--heads).", soft_wrap=True)
    return 1 if findings else 0


def trusted_keys(args: argparse.Namespace) -> "PublicKeys":
    """The keys that the options name, and those whose public halves are in the folder of the installation's key: former ones too.

    Raises ConfigError if there is none.
    """
    from etle.keyring import KeyRing
    from etle.signing import PublicKeys, Signer, public_file
    from etle.types import Digest

    file = storage_options(args).key_file
    keys = PublicKeys(map(Digest, args.key), args.public_key)
    KeyRing(file.parent).trust(keys)
    if file.exists():
        keys.add(Signer.read(file).public_key)
    elif public_file(file).exists():
        keys.add_file(public_file(file))
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
