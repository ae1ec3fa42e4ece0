"""`etle models train plate-lines`: the network that finds the number and the expiry on a plate, from plates that we draw."""

import argparse
import sys
from pathlib import Path


def add_lines(things: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    lines = things.add_parser(
        "plate-lines",
        help="train the network that finds a plate's lines",
        description="Draws plates that hang in all ways, from a seed, and learns where the corners of their lines are. "
        "Needs the torch extra; a quarter of an hour on two cores.",
    )
    lines.add_argument("--out", type=Path, default=Path("plate-lines.onnx"), metavar="FILE", help="default: %(default)s")
    lines.add_argument("--samples", type=int, default=120_000, metavar="N", help="default: %(default)s")
    lines.add_argument("--seed", type=int, default=1, metavar="S", help="default: %(default)s")
    lines.add_argument("--threads", type=int, default=2, metavar="T", help="default: %(default)s")
    lines.set_defaults(run=run_lines)


def run_lines(args: argparse.Namespace) -> int:
    from etle.errors import ConfigError, MissingExtra

    if args.samples < 200:
        raise ConfigError(f"--samples is {args.samples}: give 200 or more")
    if not 1 <= args.threads <= 64:
        raise ConfigError(f"--threads is {args.threads}: give 1 to 64")
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise MissingExtra("torch", "torch") from error
    from models.training.lines import train_lines

    learned = train_lines(args.samples, args.seed, threads=args.threads, say=_say)
    args.out.write_bytes(learned.weights)
    sys.stdout.write(f"{args.out}: corners off by {learned.error:.1%} of the number's height, on drawn plates that it had not seen\n")
    return 0


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
