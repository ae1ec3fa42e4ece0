"""`etle models train plate-colour`: the network that tells a plate's colour, from plates that we draw."""

import argparse
import os
import sys
from pathlib import Path


def add_colours(things: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    colours = things.add_parser(
        "plate-colour",
        help="train the network that tells a plate's colour",
        description="Draws plates under lamps of all kinds, from a seed, and learns their colours. Needs no torch; two minutes.",
    )
    colours.add_argument("--out", type=Path, default=Path("plate-colour.npz"), metavar="FILE", help="default: %(default)s")
    colours.add_argument("--samples", type=int, default=30_000, metavar="N", help="default: %(default)s")
    colours.add_argument("--seed", type=int, default=1, metavar="S", help="default: %(default)s")
    colours.set_defaults(run=run_colours)


def run_colours(args: argparse.Namespace) -> int:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # its matrices are small: more threads wait for each other
    from etle.errors import ConfigError
    from models.training.colours import train_colours

    if args.samples < 100:
        raise ConfigError(f"--samples is {args.samples}: give 100 or more")
    learned = train_colours(args.samples, args.seed, _say)
    learned.network.save(args.out)
    sys.stdout.write(f"{args.out}: {learned.right:.1%} of drawn plates that it had not seen\n")
    return 0


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
