"""`etle evaluate helmets`: measures the search for riders on labelled photos."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.evaluation.riders import RiderReport


def add(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    helmets = actions.add_parser(
        "helmets",
        help="on labelled photos of motorcycle riders",
        description="Searches the riders of the motorcycles in each photo as the pipeline does, and compares them with the labels. DIR "
        "contains helmets.csv and its pictures; docs/evaluating.md describes the layout and every figure.",
    )
    helmets.add_argument("folder", type=Path, metavar="DIR")
    helmets.add_argument("--json", type=Path, metavar="FILE", help="write all figures")
    helmets.set_defaults(run=run_helmets)


def run_helmets(args: argparse.Namespace) -> int:
    from etle_cli.commands.evaluate import check_writable
    from etle_cli.tables.evaluation import progress
    from models.heads import open_head_reader
    from models.persons import open_person_detector
    from models.vehicles import open_vehicle_detector
    from pipeline.evaluation.rider_photos import load_rider_photos
    from pipeline.evaluation.riders import RiderEngines, as_json, evaluate_riders

    check_writable("--json", args.json)
    photos = load_rider_photos(args.folder)
    engines = RiderEngines(vehicles=open_vehicle_detector("onnx"), persons=open_person_detector(), heads=open_head_reader())
    report = evaluate_riders(photos, engines, progress)
    if args.json:
        args.json.write_text(json.dumps(as_json(report), indent=2) + "\n", encoding="utf-8")
    _show(report)
    return 0


def _show(report: "RiderReport") -> None:
    from rich.table import Table

    from etle_cli.tables.violations import wide_console

    triple = report.triple
    persons = Table("pictures", "found", "other pictures", "false", title="three or more on one motorcycle", title_justify="left")
    persons.add_row(*(str(number) for number in (triple.pictures, triple.found, triple.others, triple.false)))
    heads = Table("heads", "n", "helmet", "no helmet", "unknown", "not found", title="headgear as told", title_justify="left")
    for name, counts in (("with a helmet", report.helmets), ("without", report.bare)):
        heads.add_row(name, *(str(number) for number in (counts.n, counts.helmet, counts.bare, counts.unknown, counts.lost)))
    console = wide_console()
    console.print(persons)
    console.print(heads)
    console.print(f"{report.unlabelled} heads found where no label is")
