"""`python -m benchmark.faults`: see the package."""

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from benchmark.faults.trial import TrialResult, run, sound
from etle.errors import EtleError


def table(outcome: TrialResult) -> str:
    reckoning = outcome.reckoning
    lines = [f"{name:20} {count:4}" for name, count in sorted(outcome.faults.items())]
    rows = {**{key: value for key, value in asdict(reckoning).items() if key != "details"}, "crashed": len(outcome.crashes)}
    lines += ["", *(f"{name:22} {value:6}" for name, value in rows.items()), "", *reckoning.details, *outcome.crashes]
    return "\n".join([*lines, f"{sum(outcome.faults.values())} faults in {outcome.seconds:.0f} s"])


def as_json(outcome: TrialResult) -> dict[str, object]:
    reckoning = asdict(outcome.reckoning)
    return {
        "faults": sum(outcome.faults.values()),
        **{key: value for key, value in reckoning.items() if key != "details"},
        "crashed": len(outcome.crashes),
        "by_target": outcome.faults,
        "details": [*reckoning["details"], *outcome.crashes],
        "seconds": round(outcome.seconds, 1),
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmark.faults", description=sys.modules["benchmark.faults"].__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--fps", type=float, default=3.0, help="of the footage; three a second find what there is, and are cheap")
    parser.add_argument("--detect", type=int, default=2, help="detect workers")
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="etle-faults-") as folder:
        try:
            outcome = run(Path(folder), faults=args.faults, seed=args.seed, fps=args.fps, detect_workers=args.detect, say=True)
        except EtleError as error:
            print(f"benchmark.faults: {error}", file=sys.stderr)
            return 2
    print(table(outcome))
    if args.json:
        args.json.write_text(json.dumps(as_json(outcome), indent=2) + "\n")
    return 0 if sound(outcome) else 1


if __name__ == "__main__":
    sys.exit(main())
