"""`etle keys`: the keys that sign frames, violation messages, manifests and decisions, from their creation to their retirement."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from etle.clock import SystemClock
from etle.config.site import load_site
from etle_cli.commands.ingest import add_data_option, device_key
from etle_cli.options.storage import data_folder

if TYPE_CHECKING:
    from etle.keyring import KeyRing

KEY_NAMES: Final = ("manifest", "review", "detect", "ingest")


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
    _add_life_cycle(actions)


def _add_life_cycle(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    create = actions.add_parser("create", help="create a key; an existing one is never replaced")
    create.add_argument("name", choices=KEY_NAMES, help="manifest and review sign evidence, detect violation messages, ingest frames")
    create.set_defaults(run=run_create)
    rotate = actions.add_parser(
        "rotate",
        help="replace a key by a new one and keep the public key of the old one",
        description="The old private key is deleted, and its public key kept beside the new one: `etle evidence verify` still accepts what "
        "it signed. Restart the processes that use the key, then retire the old one.",
    )
    rotate.add_argument("name", choices=KEY_NAMES)
    rotate.set_defaults(run=run_rotate)
    retire = actions.add_parser(
        "retire",
        help="declare that a former key signs nothing from now on",
        description="`etle evidence verify` reports what the key signs later. Retire a key when all processes use the new one.",
    )
    retire.add_argument("fingerprint", help="of the key, or the beginning of it")
    retire.add_argument("--compromised", action="store_true", help="somebody else may have it: accept nothing that it signed")
    retire.set_defaults(run=run_retire)
    listed = actions.add_parser("list", help="list the keys of the data folder, with the times of their lives")
    listed.set_defaults(run=run_list)
    for action in (create, rotate, retire, listed):
        add_data_option(action)


def run_create(args: argparse.Namespace) -> int:
    _say_key(args.name, _key_ring(args).create(args.name, SystemClock().now()).fingerprint)
    return 0


def run_rotate(args: argparse.Namespace) -> int:
    _say_key(args.name, _key_ring(args).rotate(args.name, SystemClock().now()).fingerprint)
    sys.stdout.write("Restart the processes that use it; then `etle keys list`, and `etle keys retire` the old one.\n")
    return 0


def run_retire(args: argparse.Namespace) -> int:
    record = _key_ring(args).retire(args.fingerprint, SystemClock().now(), compromised=args.compromised)
    sys.stdout.write(f"{record.name} {record.fingerprint} is retired since {record.retired_at:%Y-%m-%d %H:%M:%S} UTC.\n")
    return 0


def run_list(args: argparse.Namespace) -> int:
    for record in _key_ring(args).records():
        created = f"{record.created_at:%Y-%m-%d %H:%M}" if record.created_at else "before the record"
        state = f"retired {record.retired_at:%Y-%m-%d %H:%M}" if record.retired_at else "not retired"
        state = "compromised" if record.compromised else state
        sys.stdout.write(f"{record.name:9} {record.fingerprint}  created {created}  {state}  {record.file}\n")
    return 0


def _key_ring(args: argparse.Namespace) -> "KeyRing":
    from etle.keyring import KeyRing

    return KeyRing(data_folder(args.data) / "keys")


def _say_key(name: str, fingerprint: str) -> None:
    entry = "\ncustody:\n  signing_key: detect.pem\n  detect_keys: [detect.pub]\n" if name == "detect" else ""
    sys.stdout.write(f"{name} {fingerprint}   (record it elsewhere)\n{entry}")


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
