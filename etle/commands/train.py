"""`etle models train`: make weights of one's own."""

import argparse
import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from etle.commands.train_colours import add_colours
from etle.commands.train_finder import add_finder
from etle.commands.train_lines import add_lines

if TYPE_CHECKING:
    from models.training.progress import Point

_RENDERED = 384
"""Held-out rendered lines: about 25 seconds for both kinds of weights."""


def add(deeds: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    train = deeds.add_parser("train", help="train weights of your own")
    things = train.add_subparsers(dest="thing", required=True, metavar="THING")
    add_reader(things)
    add_finder(things)
    add_lines(things)
    add_colours(things)


def add_reader(things: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    reader = things.add_parser(
        "reader",
        help="train the plate reader on rendered plates",
        description="Trains PP-OCRv6's recogniser on number plates that are drawn as it goes, from a seed, and writes an ONNX file that "
        "`detect: reader_weights: FILE` of a site file opens. Needs the torch extra. docs/training.md has the recipe and what it brings.",
    )
    reader.add_argument("--out", type=Path, default=Path("plate-reader.onnx"), metavar="FILE", help="default: %(default)s")
    length = reader.add_mutually_exclusive_group(required=True)
    length.add_argument("--minutes", type=float, metavar="N", help="train for so long")
    length.add_argument("--samples", type=int, metavar="N", help="train on so many lines; the same again gives the same")
    reader.add_argument("--seed", type=int, default=1, metavar="S", help="default: %(default)s")
    reader.add_argument("--threads", type=int, default=2, metavar="T", help="processes with one thread each (default: %(default)s)")
    reader.add_argument("--batch", type=int, default=32, metavar="B", help="lines in a step (default: %(default)s)")
    reader.add_argument("--rate", type=float, default=3e-4, metavar="R", help="highest learning rate (default: %(default)s)")
    reader.add_argument("--start", type=Path, metavar="FILE", help="weights to begin with (default: ppocrv6-rec)")
    reader.add_argument("--share", type=float, default=1.0, metavar="A", help="of what was learned: 0 is the start (default: %(default)s)")
    reader.add_argument("--finetune", type=Path, metavar="DIR", help="mix in real crops: a folder with a CSV of file and plate_text")
    reader.add_argument("--measure", type=Path, action="append", default=[], metavar="DIR", help="also measure on these real crops")
    reader.add_argument("--checkpoint", type=Path, metavar="FILE", help="go on from here if it exists, and leave the state here")
    reader.add_argument("--every", type=float, default=5, metavar="MINUTES", help="measure and leave a checkpoint (default: %(default)s)")
    reader.set_defaults(run=run_reader)


def run_reader(args: argparse.Namespace) -> int:
    from etle.errors import ConfigError, MissingExtra

    if not 1 <= args.threads <= 64:
        raise ConfigError(f"--threads is {args.threads}: give 1 to 64")
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise MissingExtra("torch", "torch") from error
    from models.training.export import reader_file
    from models.training.graph import TorchGraph, with_weights
    from models.training.measuring import real_set, rendered_set
    from models.training.part import Lesson
    from models.training.reader import Keeping, best_weights, train_reader
    from models.training.real import read_labelled
    from models.training.recogniser import plate_recogniser
    from models.training.schedule import Schedule
    from models.weights import weight

    if not 0 <= args.share <= 1:
        raise ConfigError(f"--share is {args.share}: give 0 to 1")
    if args.batch < args.threads:
        raise ConfigError(f"--batch is {args.batch}: give each of the {args.threads} threads a line at least")
    schedule = Schedule(minutes=args.minutes, samples=args.samples, peak_rate=args.rate)
    real = read_labelled(args.finetune) if args.finetune else ()
    rendered = rendered_set(_RENDERED)
    measured = [rendered, *(real_set(str(path), read_labelled(path)) for path in args.measure)]
    model = plate_recogniser(args.start or weight("ppocrv6-rec"))
    keeping = Keeping(every_minutes=args.every, checkpoint=args.checkpoint, sets=measured, say=_say)
    progress = train_reader(model, Lesson(seed=args.seed, batch=args.batch, real=real), schedule, keeping, threads=args.threads)
    net = TorchGraph(model)
    start = net.vector()
    net.take(start + args.share * (best_weights(progress, rendered.name) - start))
    args.out.write_bytes(reader_file(with_weights(model, net.weights())))
    _write_curve(args.out.with_suffix(".csv"), progress.curve)
    return 0


def _say(point: "Point") -> None:
    figures = ", ".join(f"{name} {share:.3f} (last {point.last[name]:.3f})" for name, share in point.averaged.items())
    sys.stdout.write(f"{point.minutes:.1f} min, {point.samples} lines, rate {point.rate:.1e}, loss {point.loss:.3f}: {figures}\n")
    sys.stdout.flush()


def _write_curve(path: Path, curve: "tuple[Point, ...]") -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        names = list(curve[-1].averaged)
        rows.writerow(["minutes", "samples", "rate", "loss", *(f"{name}, {kind}" for name in names for kind in ("averaged", "last"))])
        for point in curve:
            shares = [shares[name] for name in names for shares in (point.averaged, point.last)]
            rows.writerow([f"{point.minutes:.2f}", point.samples, f"{point.rate:.3e}", f"{point.loss:.4f}", *(f"{s:.4f}" for s in shares)])
