"""`etle keys`: the key with which an edge device signs its frames."""

import argparse
import sys
from pathlib import Path

from etle.config.site import load_site
from etle_cli.commands.ingest import add_data_option, device_key
from etle_cli.options.storage import data_folder


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("keys", help="generate and show the key with which an edge device signs its frames")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    ingest = actions.add_parser(
        "ingest",
        help="generate the key of this device and print its entry for the site file",
        description="Generates the private key of this device if it does not exist, writes the public key beside it, and prints the entry "
        "that makes the detect workers accept frames of this device. The private key never leaves the device.",
    )
    ingest.add_argument("site", metavar="SITE.yaml", type=Path, nargs="?", help="the site file, if it names a signing_key")
    ingest.add_argument("--device", metavar="ID", default="device-1", help="the id of this device in the site file (default: device-1)")
    add_data_option(ingest)
    ingest.set_defaults(run=run_ingest)


def run_ingest(args: argparse.Namespace) -> int:
    from etle.signing import Signer

    data = data_folder(args.data)
    key = device_key(load_site(args.site).ingest, data) if args.site else data / "keys" / "ingest.pem"
    signer = Signer.from_file(key)
    public = key.with_suffix(".pub")
    public.write_bytes(signer.public_pem)
    sys.stdout.write(
        f"private key   {key}   (stays here)\n"
        f"public key    {public}   (copy it next to the site file of the detect workers)\n"
        f"fingerprint   {signer.fingerprint}   (compare after copying)\n\n"
        f"ingest:\n  devices:\n    - id: {args.device}\n      public_key: {public.name}\n"
    )
    return 0
