"""`etle models train plate-finder`: fine-tunes the plate detector on synthetic traffic scenes."""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.training.detector_training import DetectorTrainingProgress

_REPORT_EVERY = 25
"""Batches."""


def add_detector(models: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    detector = models.add_parser(
        "plate-finder",
        help="train the plate detector on synthetic traffic scenes",
        description="Fine-tunes the plate detector on traffic scenes that are rendered during the training, and writes an ONNX file for "
        "`finder_weights: FILE` of a site file. The seed determines the scenes. Needs the torch extra. docs/training.md has the recipe and "
        "its results.",
    )
    detector.add_argument("--out", type=Path, default=Path("plate-finder.onnx"), metavar="FILE", help="default: %(default)s")
    detector.add_argument("--minutes", type=float, default=55.0, metavar="N", help="maximum duration (default: %(default)s)")
    detector.add_argument("--pictures", type=int, default=10_000, metavar="N", help="maximum number of images (default: %(default)s)")
    detector.add_argument("--seed", type=int, default=1, metavar="S", help="default: %(default)s")
    detector.add_argument("--size", type=int, default=416, metavar="PX", help="side of the input, a multiple of 32 (default: %(default)s)")
    detector.add_argument("--start", type=Path, metavar="FILE", help="initial weights, ONNX (default: plates)")
    detector.add_argument(
        "--interpolate",
        type=float,
        default=1.0,
        metavar="A",
        help="interpolation between the initial (0) and the trained weights (1) (default: %(default)s)",
    )
    detector.set_defaults(run=run_detector)


def run_detector(args: argparse.Namespace) -> int:
    _check(args)
    os.environ.setdefault("YOLO_OFFLINE", "true")
    from etle.errors import MissingExtra

    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise MissingExtra("torch", "torch") from error
    from models.synthetic.scenes.compose import Composer
    from models.synthetic.scenes.sprites import read_sprites
    from models.training.detector_export import export_detector, write_model
    from models.training.detector_network import read_start, tensors_of
    from models.training.detector_training import DetectorRecipe, train_detector
    from models.weights.locate import weight

    start = read_start(args.start or weight("plates"))
    base = tensors_of(start)
    recipe = DetectorRecipe(images=args.pictures, minutes=args.minutes, seed=args.seed, size=args.size)
    for progress in train_detector(base, Composer(read_sprites()), recipe):
        if progress.batch % _REPORT_EVERY == 0 or progress.fraction_done >= 1:
            _report(progress)
    write_model(export_detector(start, base, progress.weights(), args.interpolate), args.out)
    sys.stdout.write(f"{args.out}\n")
    return 0


def _check(args: argparse.Namespace) -> None:
    from etle.errors import ConfigError

    if args.size % 32 or not 192 <= args.size <= 1280:
        raise ConfigError(f"--size is {args.size}: give a multiple of 32 from 192 to 1280")
    if not 0 <= args.interpolate <= 1:
        raise ConfigError(f"--interpolate is {args.interpolate}: give 0 to 1")
    if args.minutes <= 0 or args.pictures <= 0:
        raise ConfigError("--minutes and --pictures must be more than 0")


def _report(progress: "DetectorTrainingProgress") -> None:
    losses = ", ".join(f"{name} {value:.3f}" for name, value in progress.losses.items())
    sys.stdout.write(f"batch {progress.batch}, {progress.fraction_done:.0%}: {losses}\n")
    sys.stdout.flush()
