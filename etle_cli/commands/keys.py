"""`etle keys`: the keys with which an edge device signs its frames and an installation signs its manifests."""

import argparse
import sys
from pathlib import Path

from etle.config.site import load_site
from etle_cli.commands.ingest import add_data_option, device_key
from etle_cli.options.storage import data_folder


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("keys", help="generate and show the keys that sign frames and manifests")
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
    manifest = actions.add_parser(
        "manifest",
        help="generate the key that signs manifests, and print its fingerprint",
        description="Generates the private key of this installation if it does not exist, also in place of a lost one: evidence that the "
        "lost key signed is verified with its public key or fingerprint (`etle evidence verify --public-key`). "
        "Writes the public key beside it.",
    )
    manifest.add_argument("site", metavar="SITE.yaml", type=Path, nargs="?", help="the site file, if it names store.signing_key")
    add_data_option(manifest)
    manifest.set_defaults(run=run_manifest)


def run_ingest(args: argparse.Namespace) -> int:
    from etle.signing import Signer, public_file

    data = data_folder(args.data)
    key = device_key(load_site(args.site).ingest, data) if args.site else data / "keys" / "ingest.pem"
    signer = Signer.replace_lost(key)
    public = public_file(key)
    public.write_bytes(signer.public_pem)
    sys.stdout.write(
        f"private key   {key}   (stays here)\n"
        f"public key    {public}   (copy it next to the site file of the detect workers)\n"
        f"fingerprint   {signer.fingerprint}   (compare after copying)\n\n"
        f"ingest:\n  devices:\n    - id: {args.device}\n      public_key: {public.name}\n"
    )
    return 0


def run_manifest(args: argparse.Namespace) -> int:
    from etle.signing import Signer, public_file

    named = load_site(args.site).store.signing_key if args.site else None
    key = named or data_folder(args.data) / "keys" / "manifest.pem"
    signer = Signer.replace_lost(key)
    public_file(key).write_bytes(signer.public_pem)
    sys.stdout.write(
        f"private key   {key}   (stays here; back it up)\n"
        f"public key    {public_file(key)}   (for `etle evidence verify --public-key`)\n"
        f"fingerprint   {signer.fingerprint}   (record it elsewhere)\n"
    )
    return 0
