"""`etle evidence`: verify that what is stored is complete, unchanged and signed, and export a case for others to verify."""

import argparse
import json
import sys
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from etle.errors import ConfigError, StoreError
from etle_cli.options.storage import add_storage_options, open_existing_stores, open_stores, storage_options

if TYPE_CHECKING:
    from etle.signing import PublicKeys
    from etle.storage.evidence.verify import EvidenceFinding
    from etle.storage.stores import Stores
    from etle.types import Digest


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("evidence", help="verify the evidence, and export it")
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
    exported = actions.add_parser(
        "export",
        help="write everything about a case into a package that others verify offline",
        description="Writes a zip file with pictures and clip, the signed manifest, the decisions, the entries of the audit log with the "
        "chain to its exported heads, the public keys, a report in Indonesian (PDF), and a script that verifies all of it with Python "
        "alone. The export is a line of the access log, so it needs the owner of the database and the installation's key.",
    )
    exported.add_argument("case", metavar="CASE", type=UUID, help="the id of the case")
    exported.add_argument("--out", metavar="FILE", type=Path, help="the zip file (default: CASE.zip in the present folder)")
    exported.add_argument(
        "--public-key", action="append", default=[], metavar="FILE", type=Path, help="also pack this public key (PEM), such as a device's"
    )
    add_storage_options(exported)
    exported.set_defaults(run=run_export)


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


def run_export(args: argparse.Namespace) -> int:
    from etle.clock import SystemClock
    from etle.files import write_atomic
    from etle.storage.users import COMMAND_LINE, AccessEntry, Users
    from etle_cli.options.operator import operator

    args.key = []
    out = args.out or Path(f"{args.case}.zip")
    with open_stores(args) as stores:
        signer = stores.row_signer
        if stores.cases.case(args.case) is None:
            raise ConfigError(f"there is no case {args.case}; `etle violations list` shows all cases")
        exported = AccessEntry(
            at=SystemClock().now(), who=operator(), address=COMMAND_LINE, action="evidence_exported", violation=args.case, detail=out.name
        )
        Users(stores.database, signer).record(exported)
        with stores.exporting_heads(signer):
            package = _package(stores, args)
    write_atomic(out, package)
    sys.stdout.write(f"{out}: {len(package) / 1e6:.1f} MB. Unpack it, and verify it with: python3 verify.py\n")
    return 0


def _package(stores: "Stores", args: argparse.Namespace) -> bytes:
    """Raises EvidenceCorrupt if a file was changed, StoreError if one is missing."""
    from etle.clock import SystemClock
    from etle.storage.audit.heads import open_heads
    from etle.storage.evidence.manifest import SUFFIX, read_manifest
    from etle.storage.evidence.package import log_extract, package_of
    from review.i18n import Language, translator
    from review.report.case_report import ReportFacts, case_report

    case = stores.cases.case(args.case)
    assert case is not None, "checked before"
    stored = {(digest, suffix): _evidence(stores, digest) for digest, suffix in stores.cases.files_of(args.case)}
    manifests = [data for (_, suffix), data in stored.items() if suffix == SUFFIX]
    if not manifests:
        raise StoreError(f"the case {args.case} has no manifest: `etle evidence verify`")
    extract = log_extract(stores.database, open_heads(stores.options.heads_address), args.case)
    zone = case.violation.timezone
    report = case_report(
        case,
        {digest: data for (digest, suffix), data in stored.items() if suffix == ".jpg"},
        ReportFacts(
            exported_at=translator(Language.INDONESIAN).date_time(SystemClock().now(), zone),
            manifest_key=read_manifest(manifests[0]).key,
            log_entries=len(extract.entries),
            covered=extract.covered,
        ),
    )
    files = {f"{digest}{suffix}": data for (digest, suffix), data in stored.items() if suffix != SUFFIX}
    return package_of(files, manifests[0], extract, trusted_keys(args), report)


def _evidence(stores: "Stores", digest: "Digest") -> bytes:
    try:
        return stores.evidence.get(digest)
    except KeyError:
        raise StoreError(f"the evidence file {digest} does not exist: `etle evidence verify`") from None


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
