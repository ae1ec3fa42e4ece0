"""`etle models train lamps`: trains the lamp network on rendered signal heads."""

import argparse
import sys
from pathlib import Path


def add_lamps(models: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    lamps = models.add_parser(
        "lamps",
        help="train the lamp network, which reads signal heads",
        description="Renders signal heads by day and night and trains the network that finds the head and its lit lamp. The "
        "seed determines the result. Needs the torch extra; takes twenty minutes on one core.",
    )
    lamps.add_argument("--out", type=Path, default=Path("lamps.onnx"), metavar="FILE", help="default: %(default)s")
    lamps.add_argument("--samples", type=int, default=90_000, metavar="N", help="default: %(default)s")
    lamps.add_argument("--seed", type=int, default=1, metavar="S", help="default: %(default)s")
    lamps.add_argument("--threads", type=int, default=1, metavar="T", help="default: %(default)s")
    lamps.set_defaults(run=run_lamps)


def run_lamps(args: argparse.Namespace) -> int:
    from etle.errors import ConfigError, MissingExtra

    if args.samples < 200:
        raise ConfigError(f"--samples is {args.samples}: give 200 or more")
    if not 1 <= args.threads <= 64:
        raise ConfigError(f"--threads is {args.threads}: give 1 to 64")
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise MissingExtra("torch", "torch") from error
    from models.training.lamps import train_lamps

    result = train_lamps(args.samples, args.seed, threads=args.threads, report=_report)
    args.out.write_bytes(result.weights)
    sys.stdout.write(f"{args.out}: {result.validation:.1%} of held-out rendered heads read correctly\n")
    return 0


def _report(line: str) -> None:
    sys.stderr.write(f"{line}\n")
