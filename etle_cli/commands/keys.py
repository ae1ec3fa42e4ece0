"""`etle keys`: the key that a box signs its frames with."""

import argparse
import sys
from pathlib import Path

from etle.config.site import load_site
from etle_cli.commands.ingest import add_data_option, box_key
from etle_cli.options.storage import data_folder


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("keys", help="make and show the key that a box signs its frames with")
    deeds = parser.add_subparsers(dest="deed", required=True, metavar="DEED")
    ingest = deeds.add_parser(
        "ingest",
        help="make the key of this box, and say what to write into the site file",
        description="Makes the private key of this box where there is none, writes the public one beside it, and prints what the site file "
        "of the detect workers needs so that they take frames of this box only. The private key never leaves the box.",
    )
    ingest.add_argument("site", metavar="SITE.yaml", type=Path, nargs="?", help="the site file, if it names a signing_key")
    ingest.add_argument("--box", metavar="ID", default="box-1", help="how the site is to call this box (default: box-1)")
    add_data_option(ingest)
    ingest.set_defaults(run=run_ingest)


def run_ingest(args: argparse.Namespace) -> int:
    from etle.signing import Signer

    data = data_folder(args.data)
    key = box_key(load_site(args.site).ingest, data) if args.site else data / "keys" / "ingest.pem"
    signer = Signer.from_file(key)
    public = key.with_suffix(".pub")
    public.write_bytes(signer.public_pem)
    sys.stdout.write(
        f"private key   {key}   (stays here)\n"
        f"public key    {public}   (copy it beside the site file of the detect workers)\n"
        f"fingerprint   {signer.fingerprint}   (compare it after copying)\n\n"
        f"ingest:\n  boxes:\n    - id: {args.box}\n      public_key: {public.name}\n"
    )
    return 0
