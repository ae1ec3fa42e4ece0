"""`etle models validate`, `export` and `add`: measure weights on a data set, export a checkpoint, put weights into the catalogue."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path


def add_validate(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    validate = actions.add_parser(
        "validate",
        help="measure a vehicle or plate detector on a data set, with ultralytics",
        description="Runs a checkpoint or an ONNX file on the validation split of a YOLO data set. Needs the torch extra.",
    )
    validate.add_argument("file", type=Path, metavar="FILE", help="weights: .pt or .onnx")
    validate.add_argument("data", type=Path, metavar="DIR", help="the data set: a folder with data.yaml, or that file")
    validate.add_argument("--size", type=int, default=640, metavar="PX", help="side of the input (default: %(default)s)")
    validate.add_argument("--json", action="store_true", help="print one JSON object")
    validate.set_defaults(run=run_validate)


def add_export(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    export = actions.add_parser(
        "export",
        help="export a checkpoint of the vehicle detector to ONNX",
        description="Writes the ONNX file of a YOLOv8n checkpoint for `detect.weights` of a site file, which then needs no torch.",
    )
    export.add_argument("file", type=Path, metavar="FILE", help="a checkpoint, .pt")
    export.add_argument("--out", type=Path, metavar="FILE", help="default: the checkpoint's name with .onnx")
    export.set_defaults(run=run_export)


def add_add(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> argparse.ArgumentParser:
    added = actions.add_parser(
        "add",
        help="put weights into the catalogue of this deployment",
        description="Copies a file of weights into the models folder and records its digest. A site file names it as catalogue:NAME, and "
        "it is verified whenever it is opened. An entry is never replaced.",
    )
    added.add_argument("file", type=Path, metavar="FILE")
    added.add_argument("--name", required=True, help="such as vehicles-jatim-2026-12")
    added.add_argument("--purpose", required=True, metavar="TEXT", help="what it detects or reads, and what it was trained on")
    added.add_argument("--licence", required=True, metavar="TEXT", help="licence of the weights")
    added.add_argument("--measured", action="append", default=[], metavar="TEXT", help="a figure and how it was measured; may be repeated")
    added.set_defaults(run=run_add)
    return added


def run_validate(args: argparse.Namespace) -> int:
    from models.training.vehicles import validate_detector

    figures = validate_detector(args.file, args.data, args.size)
    if args.json:
        sys.stdout.write(json.dumps(asdict(figures)) + "\n")
        return 0
    for name, value in (
        ("mean average precision at IoU .5", figures.map50),
        ("mean average precision at IoU .5 to .95", figures.map50_95),
        ("precision", figures.precision),
        ("recall", figures.recall),
        *((f"{name}, average precision at IoU .5 to .95", value) for name, value in figures.classes.items()),
    ):
        sys.stdout.write(f"{value:6.3f}  {name}\n")
    return 0


def run_export(args: argparse.Namespace) -> int:
    from models.training.vehicles import export_vehicles

    out = args.out or args.file.with_suffix(".onnx")
    export_vehicles(args.file, out)
    sys.stdout.write(f"{out}: for detect.weights of a site file, or etle models add {out} --name NAME ...\n")
    return 0


def run_add(args: argparse.Namespace) -> int:
    from models.weights.local import WeightsDescription, add_weights
    from models.weights.locate import models_folder

    description = WeightsDescription(name=args.name, purpose=args.purpose, licence=args.licence, measured=tuple(args.measured))
    entry = add_weights(args.file, description, args.folder or models_folder())
    sys.stdout.write(f"{entry.name}: {entry.sha256}. A site file names it as catalogue:{entry.name}\n")
    return 0
