"""`etle models train plate-colour`: trains the plate colour classifier on rendered plates."""

import argparse
import sys
from pathlib import Path


def add_colours(models: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    colours = models.add_parser(
        "plate-colour",
        help="train the plate colour classifier",
        description="Renders plates under many kinds of light and trains the classifier of their colours. The seed determines the result. "
        "Needs the torch extra; takes three minutes.",
    )
    colours.add_argument("--out", type=Path, default=Path("plate-colour.npz"), metavar="FILE", help="default: %(default)s")
    colours.add_argument("--samples", type=int, default=30_000, metavar="N", help="default: %(default)s")
    colours.add_argument("--seed", type=int, default=1, metavar="S", help="default: %(default)s")
    colours.set_defaults(run=run_colours)


def run_colours(args: argparse.Namespace) -> int:
    from etle.errors import ConfigError, MissingExtra

    if args.samples < 100:
        raise ConfigError(f"--samples is {args.samples}: give 100 or more")
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise MissingExtra("torch", "torch") from error
    from models.training.colours import train_colours

    result = train_colours(args.samples, args.seed, _report)
    args.out.write_bytes(result.weights)
    sys.stdout.write(f"{args.out}: {result.validation:.1%} of held-out rendered plates classified correctly\n")
    return 0


def _report(line: str) -> None:
    sys.stderr.write(f"{line}\n")
