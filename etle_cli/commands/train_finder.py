"""`etle models train plate-finder`: a plate finder that learned from pictures which we draw."""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.training.finder_training import DetectorTrainingProgress

_SAY_EVERY = 25


def add_finder(things: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    finder = things.add_parser(
        "plate-finder",
        help="train the plate finder on drawn traffic",
        description="Lets the plate finder learn from pictures of traffic that are drawn as it goes, from a seed, and writes an ONNX file "
        "that `finder_weights: FILE` opens. Needs the torch extra. docs/training.md has the recipe and what it brings.",
    )
    finder.add_argument("--out", type=Path, default=Path("plate-finder.onnx"), metavar="FILE", help="default: %(default)s")
    finder.add_argument("--minutes", type=float, default=55.0, metavar="N", help="at most so long (default: %(default)s)")
    finder.add_argument("--pictures", type=int, default=10_000, metavar="N", help="at most so many pictures (default: %(default)s)")
    finder.add_argument("--seed", type=int, default=1, metavar="S", help="default: %(default)s")
    finder.add_argument("--size", type=int, default=416, metavar="PX", help="side of the input, a multiple of 32 (default: %(default)s)")
    finder.add_argument("--start", type=Path, metavar="FILE", help="weights to begin with, ONNX (default: plates)")
    finder.add_argument("--share", type=float, default=1.0, metavar="A", help="of what was learned: 0 is the start (default: %(default)s)")
    finder.set_defaults(run=run_finder)


def run_finder(args: argparse.Namespace) -> int:
    _check(args)
    os.environ.setdefault("YOLO_OFFLINE", "true")
    from etle.errors import MissingExtra

    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise MissingExtra("torch", "torch") from error
    from models.synthetic.scenes.compose import Composer
    from models.synthetic.scenes.sprites import read_portraits
    from models.training.finder_export import exported, write_model
    from models.training.finder_network import read_start, tensors_of
    from models.training.finder_training import DetectorRecipe, train
    from models.weights.locate import weight

    start = read_start(args.start or weight("plates"))
    base = tensors_of(start)
    recipe = DetectorRecipe(pictures=args.pictures, minutes=args.minutes, seed=args.seed, size=args.size)
    for progress in train(base, Composer(read_portraits()), recipe):
        if progress.batch % _SAY_EVERY == 0 or progress.share >= 1:
            _say(progress)
    write_model(exported(start, base, progress.weights(), args.share), args.out)
    sys.stdout.write(f"{args.out}\n")
    return 0


def _check(args: argparse.Namespace) -> None:
    from etle.errors import ConfigError

    if args.size % 32 or not 192 <= args.size <= 1280:
        raise ConfigError(f"--size is {args.size}: give a multiple of 32 from 192 to 1280")
    if not 0 <= args.share <= 1:
        raise ConfigError(f"--share is {args.share}: give 0 to 1")
    if args.minutes <= 0 or args.pictures <= 0:
        raise ConfigError("--minutes and --pictures must be more than 0")


def _say(progress: "DetectorTrainingProgress") -> None:
    losses = ", ".join(f"{name} {value:.3f}" for name, value in progress.losses.items())
    sys.stdout.write(f"batch {progress.batch}, {progress.share:.0%}: {losses}\n")
    sys.stdout.flush()
