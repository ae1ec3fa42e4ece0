"""`etle models train plate-lines`: trains the plate line detector (number and expiry) on rendered plates."""

import argparse
import sys
from pathlib import Path


def add_lines(models: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    lines = models.add_parser(
        "plate-lines",
        help="train the plate line detector",
        description="Renders plates in many poses and trains the detector of the corners of their text lines. The seed determines the "
        "result. Needs the torch extra; takes a quarter of an hour on two cores.",
    )
    lines.add_argument("--out", type=Path, default=Path("plate-lines.onnx"), metavar="FILE", help="default: %(default)s")
    lines.add_argument("--samples", type=int, default=120_000, metavar="N", help="default: %(default)s")
    lines.add_argument("--seed", type=int, default=1, metavar="S", help="default: %(default)s")
    lines.add_argument("--threads", type=int, default=2, metavar="T", help="default: %(default)s")
    lines.add_argument("--start", type=Path, metavar="FILE", help="begin with the weights of an earlier training (default: random ones)")
    lines.add_argument(
        "--interpolate",
        type=float,
        default=1.0,
        metavar="A",
        help="with --start: interpolation between the initial (0) and the trained weights (1) (default: %(default)s)",
    )
    lines.set_defaults(run=run_lines)


def run_lines(args: argparse.Namespace) -> int:
    from etle.errors import ConfigError, MissingExtra

    if args.samples < 200:
        raise ConfigError(f"--samples is {args.samples}: give 200 or more")
    if not 0 <= args.interpolate <= 1:
        raise ConfigError(f"--interpolate is {args.interpolate}: give 0 to 1")
    if not 1 <= args.threads <= 64:
        raise ConfigError(f"--threads is {args.threads}: give 1 to 64")
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise MissingExtra("torch", "torch") from error
    from models.runtime.onnx_edit import read_graph
    from models.training.lines import train_lines

    start = read_graph(args.start) if args.start else None
    result = train_lines(args.samples, args.seed, threads=args.threads, report=_report, start=start, interpolation=args.interpolate)
    args.out.write_bytes(result.weights)
    sys.stdout.write(f"{args.out}: mean corner error {result.validation:.1%} of the number's height, on held-out rendered plates\n")
    return 0


def _report(line: str) -> None:
    sys.stderr.write(f"{line}\n")
