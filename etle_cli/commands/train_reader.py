"""`etle models train reader`, and `etle models quantize reader`, which makes a trained reader faster."""

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

_VALIDATION_LINES = 384
"""Held-out rendered lines; validating averaged and last weights takes about 25 seconds."""


def add_reader(models: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    reader = models.add_parser(
        "reader",
        help="train the plate reader on rendered plates",
        description="Fine-tunes PP-OCRv6's recogniser on number plates that are rendered during the training, and writes an ONNX file for "
        "`detect: reader_weights: FILE` of a site file. The seed determines the plates. Needs the torch extra. docs/training.md has the "
        "recipe and its results.",
    )
    _add_options(reader, out="plate-reader.onnx", rate=3e-4, interpolate=1.0)
    reader.add_argument("--start", type=Path, metavar="FILE", help="initial weights (default: ppocrv6-rec)")
    reader.add_argument("--finetune", type=Path, metavar="DIR", help="mix in real crops: a folder with a CSV of file and plate_text")
    reader.set_defaults(run=run_reader)


def add_quantize_reader(models: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    reader = models.add_parser(
        "reader",
        help="quantize a trained plate reader",
        description="Quantizes the large convolutions of a trained reader to 8 bits, with quantization-aware training on rendered plates "
        "to reproduce its previous output. Reading then takes two thirds of the time. Needs the torch extra; docs/training.md has the "
        "loss of accuracy.",
    )
    _add_options(reader, out="plate-reader-8-bits.onnx", rate=1e-4, interpolate=0.2)
    reader.add_argument("--start", type=Path, metavar="FILE", required=True, help="file that `etle models train reader` wrote")
    reader.set_defaults(run=run_quantize_reader)


def _add_options(parser: argparse.ArgumentParser, *, out: str, rate: float, interpolate: float) -> None:
    parser.add_argument("--out", type=Path, default=Path(out), metavar="FILE", help="default: %(default)s")
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--minutes", type=float, metavar="N", help="duration of the training")
    length.add_argument("--samples", type=int, metavar="N", help="number of lines to train on; makes the result reproducible")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="default: %(default)s")
    parser.add_argument("--threads", type=int, default=2, metavar="T", help="processes with one thread each (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=32, metavar="B", help="lines per step (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=rate, metavar="R", help="highest learning rate (default: %(default)s)")
    parser.add_argument(
        "--interpolate",
        type=float,
        default=interpolate,
        metavar="A",
        help="interpolation between the initial (0) and the trained weights (1) (default: %(default)s)",
    )
    parser.add_argument("--measure", type=Path, action="append", default=[], metavar="DIR", help="validate on these real crops, too")
    parser.add_argument("--checkpoint", type=Path, metavar="FILE", help="checkpoint file: resume from it if it exists, and save to it")
    parser.add_argument("--every", type=float, default=5, metavar="MINUTES", help="validate and save this often (default: %(default)s)")


def run_reader(args: argparse.Namespace) -> int:
    _check(args)
    from models.training.export import export_reader
    from models.training.graph import replace_weights
    from models.training.labelled_crops import read_labelled
    from models.training.recogniser import plate_recogniser
    from models.training.shard import TrainTask
    from models.weights.locate import weight

    real = read_labelled(args.finetune) if args.finetune else ()
    model = plate_recogniser(args.start or weight("ppocrv6-rec"))
    net = _trained(args, model, TrainTask(seed=args.seed, batch=args.batch, real=real))
    args.out.write_bytes(export_reader(replace_weights(model, net.weights())))
    return 0


def run_quantize_reader(args: argparse.Namespace) -> int:
    _check(args)
    from models.training.export import quantize_reader
    from models.training.graph import replace_weights
    from models.training.quantize import with_fake_quant
    from models.training.recogniser import plate_recogniser
    from models.training.shard import TrainTask

    model = plate_recogniser(args.start)
    task = TrainTask(seed=args.seed, batch=args.batch, teacher=model)
    net = _trained(args, with_fake_quant(model, quantize_reader(model)), task)
    args.out.write_bytes(quantize_reader(replace_weights(model, net.weights())).SerializeToString())
    return 0


def _check(args: argparse.Namespace) -> None:
    from etle.errors import ConfigError, MissingExtra

    if not 0 <= args.interpolate <= 1:
        raise ConfigError(f"--interpolate is {args.interpolate}: give 0 to 1")
    if not 1 <= args.threads <= 64:
        raise ConfigError(f"--threads is {args.threads}: give 1 to 64")
    if args.batch < args.threads:
        raise ConfigError(f"--batch is {args.batch}: give at least one line for each of the {args.threads} threads")
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise MissingExtra("torch", "torch") from error


def _trained(args: argparse.Namespace, model: "onnx.ModelProto", task: "TrainTask") -> "TorchGraph":
    """The network with the best weights, interpolated; writes the learning curve beside the output file."""
    from models.training.graph import TorchGraph
    from models.training.labelled_crops import read_labelled
    from models.training.reader import CheckpointPolicy, best_weights, train_reader
    from models.training.schedule import Schedule
    from models.training.validation_set import real_set, rendered_set

    schedule = Schedule(minutes=args.minutes, samples=args.samples, peak_rate=args.rate)
    rendered = rendered_set(_VALIDATION_LINES)
    validation = [rendered, *(real_set(str(path), read_labelled(path)) for path in args.measure)]
    policy = CheckpointPolicy(every_minutes=args.every, checkpoint=args.checkpoint, sets=validation, report=_report)
    progress = train_reader(model, task, schedule, policy, threads=args.threads)
    _write_curve(args.out.with_suffix(".csv"), progress.curve)
    net = TorchGraph(model)
    start = net.vector()
    net.load_vector(start + args.interpolate * (best_weights(progress, rendered.name) - start))
    return net


def _report(point: "ProgressPoint") -> None:
    figures = ", ".join(f"{name} {rate:.3f} (last {point.last[name]:.3f})" for name, rate in point.averaged.items())
    sys.stdout.write(f"{point.minutes:.1f} min, {point.samples} lines, rate {point.rate:.1e}, loss {point.loss:.3g}: {figures}\n")
    sys.stdout.flush()


def _write_curve(path: Path, curve: "tuple[ProgressPoint, ...]") -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        names = list(curve[-1].averaged)
        rows.writerow(["minutes", "samples", "rate", "loss", *(f"{name}, {kind}" for name in names for kind in ("averaged", "last"))])
        for point in curve:
            exact = [rates[name] for name in names for rates in (point.averaged, point.last)]
            figures = [f"{point.minutes:.2f}", point.samples, f"{point.rate:.3e}", f"{point.loss:.4g}"]
            rows.writerow([*figures, *(f"{value:.4f}" for value in exact)])
