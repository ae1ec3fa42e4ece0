"""`etle models train heads`: trains the network that finds riders' heads and tells whether they wear helmets."""

import argparse
import sys
from pathlib import Path


def add_heads(models: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    heads = models.add_parser(
        "heads",
        help="train the head network, which tells helmets from bare heads",
        description="Renders heads of riders and trains the layers that find them, on features of the vehicle detector. The seed determines"
        " the result. Needs the torch extra and the vehicle detector's weights; takes nine minutes on one core.",
    )
    heads.add_argument("--out", type=Path, default=Path("heads.onnx"), metavar="FILE", help="default: %(default)s")
    heads.add_argument("--samples", type=int, default=12_000, metavar="N", help="rendered windows (default: %(default)s)")
    heads.add_argument("--seed", type=int, default=1, metavar="S", help="default: %(default)s")
    heads.add_argument("--threads", type=int, default=1, metavar="T", help="default: %(default)s")
    heads.set_defaults(run=run_heads)


def run_heads(args: argparse.Namespace) -> int:
    from etle.errors import ConfigError, MissingExtra

    if args.samples < 100:
        raise ConfigError(f"--samples is {args.samples}: give 100 or more")
    if not 1 <= args.threads <= 64:
        raise ConfigError(f"--threads is {args.threads}: give 1 to 64")
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise MissingExtra("torch", "torch") from error
    from models.heads import STEM_WEIGHTS
    from models.training.heads import train_heads
    from models.weights.locate import weight

    result = train_heads(weight(STEM_WEIGHTS), args.samples, args.seed, threads=args.threads, report=_report)
    args.out.write_bytes(result.weights)
    sys.stdout.write(f"{args.out}: the headgear of {result.validation:.1%} of the clear held-out rendered heads is right\n")
    return 0


def _report(line: str) -> None:
    sys.stderr.write(f"{line}\n")
