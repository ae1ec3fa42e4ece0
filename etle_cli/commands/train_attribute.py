"""`etle models train attribute`: trains a classifier of crops, such as seat belts or phones, on a folder of labelled crops."""

import argparse
import sys
from pathlib import Path


def add_attribute(models: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    attribute = models.add_parser(
        "attribute",
        help="train a classifier of crops, such as seat belts or phones, on labelled crops",
        description="Trains a small network on DIR/LABEL/*.jpg, one folder per label, and writes an ONNX file for the rules seat_belt and "
        "phone. One crop in five is held out and measured. Needs the torch extra; docs/training.md says how to make the crops.",
    )
    attribute.add_argument("data", type=Path, metavar="DIR", help="a folder with one folder of crops per label")
    attribute.add_argument("--out", type=Path, default=Path("attribute.onnx"), metavar="FILE", help="default: %(default)s")
    attribute.add_argument("--epochs", type=int, default=30, metavar="N", help="default: %(default)s")
    attribute.add_argument("--seed", type=int, default=1, metavar="S", help="default: %(default)s")
    attribute.add_argument("--threads", type=int, default=1, metavar="T", help="default: %(default)s")
    attribute.set_defaults(run=run_attribute)


def run_attribute(args: argparse.Namespace) -> int:
    from etle.errors import ConfigError, MissingExtra

    if args.epochs < 1:
        raise ConfigError(f"--epochs is {args.epochs}: give 1 or more")
    if not 1 <= args.threads <= 64:
        raise ConfigError(f"--threads is {args.threads}: give 1 to 64")
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise MissingExtra("torch", "torch") from error
    from models.training.attribute import read_attribute_crops, train_attribute

    trained = train_attribute(read_attribute_crops(args.data), args.epochs, args.seed, threads=args.threads, report=_report)
    args.out.write_bytes(trained.weights)
    for score in trained.scores:
        sys.stdout.write(
            f"{score.label}: {score.crops} held-out crops, recall {_percent(score.recall)}, precision {_percent(score.precision)}\n"
        )
    sys.stdout.write(f"{args.out}: put it into the catalogue with etle models add {args.out} --name NAME ...\n")
    return 0


def _percent(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.1%}"


def _report(line: str) -> None:
    sys.stderr.write(f"{line}\n")
