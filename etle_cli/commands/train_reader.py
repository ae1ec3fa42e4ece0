"""`etle models train reader`, and `rounded-reader`, which makes what came out quicker."""

import argparse
import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

    from models.training.graph import TorchGraph
    from models.training.progress import ProgressPoint
    from models.training.shard import TrainTask

_RENDERED = 384
"""Held-out rendered lines: about 25 seconds for both kinds of weights."""


def add_reader(things: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    reader = things.add_parser(
        "reader",
        help="train the plate reader on rendered plates",
        description="Trains PP-OCRv6's recogniser on number plates that are drawn as it goes, from a seed, and writes an ONNX file that "
        "`detect: reader_weights: FILE` of a site file opens. Needs the torch extra. docs/training.md has the recipe and what it brings.",
    )
    _add_options(reader, out="plate-reader.onnx", rate=3e-4, share=1.0)
    reader.add_argument("--start", type=Path, metavar="FILE", help="weights to begin with (default: ppocrv6-rec)")
    reader.add_argument("--finetune", type=Path, metavar="DIR", help="mix in real crops: a folder with a CSV of file and plate_text")
    reader.set_defaults(run=run_reader)


def add_rounded_reader(things: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    rounded = things.add_parser(
        "rounded-reader",
        help="let a plate reader learn to compute in 8 bits",
        description="Puts a trained reader's large convolutions into 8 bits, and lets it learn on drawn plates to say what it said "
        "before: it takes two thirds of the time then. Needs the torch extra; docs/training.md has what it costs.",
    )
    _add_options(rounded, out="plate-reader-8-bits.onnx", rate=1e-4, share=0.2)
    rounded.add_argument("--start", type=Path, metavar="FILE", required=True, help="what `etle models train reader` wrote")
    rounded.set_defaults(run=run_rounded_reader)


def _add_options(parser: argparse.ArgumentParser, *, out: str, rate: float, share: float) -> None:
    parser.add_argument("--out", type=Path, default=Path(out), metavar="FILE", help="default: %(default)s")
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--minutes", type=float, metavar="N", help="train for so long")
    length.add_argument("--samples", type=int, metavar="N", help="train on so many lines; the same again gives the same")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="default: %(default)s")
    parser.add_argument("--threads", type=int, default=2, metavar="T", help="processes with one thread each (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=32, metavar="B", help="lines in a step (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=rate, metavar="R", help="highest learning rate (default: %(default)s)")
    parser.add_argument(
        "--share", type=float, default=share, metavar="A", help="of what was learned: 0 is the start (default: %(default)s)"
    )
    parser.add_argument("--measure", type=Path, action="append", default=[], metavar="DIR", help="also measure on these real crops")
    parser.add_argument("--checkpoint", type=Path, metavar="FILE", help="go on from here if it exists, and leave the state here")
    parser.add_argument("--every", type=float, default=5, metavar="MINUTES", help="measure and leave a checkpoint (default: %(default)s)")


def run_reader(args: argparse.Namespace) -> int:
    _check(args)
    from models.training.export import reader_file
    from models.training.graph import with_weights
    from models.training.labelled_crops import read_labelled
    from models.training.recogniser import plate_recogniser
    from models.training.shard import TrainTask
    from models.weights.locate import weight

    real = read_labelled(args.finetune) if args.finetune else ()
    model = plate_recogniser(args.start or weight("ppocrv6-rec"))
    net = _trained(args, model, TrainTask(seed=args.seed, batch=args.batch, real=real))
    args.out.write_bytes(reader_file(with_weights(model, net.weights())))
    return 0


def run_rounded_reader(args: argparse.Namespace) -> int:
    _check(args)
    from models.training.export import reader_in_8_bits
    from models.training.graph import with_weights
    from models.training.quantize import with_rounding
    from models.training.recogniser import plate_recogniser
    from models.training.shard import TrainTask

    model = plate_recogniser(args.start)
    lesson = TrainTask(seed=args.seed, batch=args.batch, teacher=model)
    net = _trained(args, with_rounding(model, reader_in_8_bits(model)), lesson)
    args.out.write_bytes(reader_in_8_bits(with_weights(model, net.weights())).SerializeToString())
    return 0


def _check(args: argparse.Namespace) -> None:
    from etle.errors import ConfigError, MissingExtra

    if not 0 <= args.share <= 1:
        raise ConfigError(f"--share is {args.share}: give 0 to 1")
    if not 1 <= args.threads <= 64:
        raise ConfigError(f"--threads is {args.threads}: give 1 to 64")
    if args.batch < args.threads:
        raise ConfigError(f"--batch is {args.batch}: give each of the {args.threads} threads a line at least")
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise MissingExtra("torch", "torch") from error


def _trained(args: argparse.Namespace, model: "onnx.ModelProto", lesson: "TrainTask") -> "TorchGraph":
    """The network with its share of the best that was learned; the curve lies beside where the weights will be."""
    from models.training.graph import TorchGraph
    from models.training.labelled_crops import read_labelled
    from models.training.reader import CheckpointPolicy, best_weights, train_reader
    from models.training.schedule import Schedule
    from models.training.validation_set import real_set, rendered_set

    schedule = Schedule(minutes=args.minutes, samples=args.samples, peak_rate=args.rate)
    rendered = rendered_set(_RENDERED)
    measured = [rendered, *(real_set(str(path), read_labelled(path)) for path in args.measure)]
    keeping = CheckpointPolicy(every_minutes=args.every, checkpoint=args.checkpoint, sets=measured, say=_say)
    progress = train_reader(model, lesson, schedule, keeping, threads=args.threads)
    _write_curve(args.out.with_suffix(".csv"), progress.curve)
    net = TorchGraph(model)
    start = net.vector()
    net.take(start + args.share * (best_weights(progress, rendered.name) - start))
    return net


def _say(point: "ProgressPoint") -> None:
    figures = ", ".join(f"{name} {share:.3f} (last {point.last[name]:.3f})" for name, share in point.averaged.items())
    sys.stdout.write(f"{point.minutes:.1f} min, {point.samples} lines, rate {point.rate:.1e}, loss {point.loss:.3g}: {figures}\n")
    sys.stdout.flush()


def _write_curve(path: Path, curve: "tuple[ProgressPoint, ...]") -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        names = list(curve[-1].averaged)
        rows.writerow(["minutes", "samples", "rate", "loss", *(f"{name}, {kind}" for name in names for kind in ("averaged", "last"))])
        for point in curve:
            shares = [shares[name] for name in names for shares in (point.averaged, point.last)]
            rows.writerow([f"{point.minutes:.2f}", point.samples, f"{point.rate:.3e}", f"{point.loss:.4g}", *(f"{s:.4f}" for s in shares)])
