"""`etle models train vehicles`: trains the vehicle detector on a data set of decided cases, with ultralytics."""

import argparse
import sys
from pathlib import Path


def add_vehicles(models: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    vehicles = models.add_parser(
        "vehicles",
        help="train the vehicle detector on a data set, with ultralytics",
        description="Trains a YOLOv8n on a data set that `etle dataset export DIR --content vehicles --format yolo` wrote, and writes the "
        "checkpoint of the epoch that is best on its validation split. `etle models export` makes the file for `detect.weights` of it. "
        "Needs the torch extra. What is trained from the weights of ultralytics is under their licence, AGPL-3.0.",
    )
    vehicles.add_argument("data", type=Path, metavar="DIR", help="the data set: a folder with data.yaml, or that file")
    vehicles.add_argument("--out", type=Path, default=Path("vehicles.pt"), metavar="FILE", help="default: %(default)s")
    vehicles.add_argument(
        "--start", type=Path, metavar="FILE", help="initial weights: a .pt file, or the ONNX file of a YOLOv8n (default: vehicles)"
    )
    vehicles.add_argument("--epochs", type=int, default=50, metavar="N", help="default: %(default)s")
    vehicles.add_argument("--batch", type=int, default=8, metavar="N", help="pictures per batch (default: %(default)s)")
    vehicles.add_argument("--size", type=int, default=640, metavar="PX", help="side of the input, a multiple of 32 (default: %(default)s)")
    vehicles.add_argument("--seed", type=int, default=1, metavar="S", help="default: %(default)s")
    vehicles.add_argument("--threads", type=int, default=2, metavar="T", help="default: %(default)s")
    vehicles.set_defaults(run=run_vehicles)


def run_vehicles(args: argparse.Namespace) -> int:
    from models.training.vehicles import VehicleRecipe, train_vehicles
    from models.weights.locate import weight

    recipe = VehicleRecipe(epochs=args.epochs, batch=args.batch, input_side_px=args.size, seed=args.seed, threads=args.threads)
    train_vehicles(args.data, args.start or weight("vehicles"), recipe, args.out)
    sys.stdout.write(f"{args.out}: measure it with etle models validate {args.out} {args.data}\n")
    return 0
