"""The command `python -m benchmark.faults`; see the package."""

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from benchmark.faults.trial import TrialResult, passed, run
from etle.errors import EtleError


def table(result: TrialResult) -> str:
    report = result.report
    lines = [f"{name:20} {count:4}" for name, count in sorted(result.faults.items())]
    rows = {**{key: value for key, value in asdict(report).items() if key != "details"}, "crashed": len(result.crashes)}
    lines += ["", *(f"{name:22} {value:6}" for name, value in rows.items()), "", *report.details, *result.crashes]
    return "\n".join([*lines, f"{sum(result.faults.values())} faults in {result.seconds:.0f} s"])


def as_json(result: TrialResult) -> dict[str, object]:
    report = asdict(result.report)
    return {
        "faults": sum(result.faults.values()),
        **{key: value for key, value in report.items() if key != "details"},
        "crashed": len(result.crashes),
        "by_target": result.faults,
        "details": [*report["details"], *result.crashes],
        "seconds": round(result.seconds, 1),
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmark.faults", description=sys.modules["benchmark.faults"].__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--fps", type=float, default=3.0, help="frame rate of the footage; the default finds all violations at little cost")
    parser.add_argument("--detect", type=int, default=2, help="number of detect workers")
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="etle-faults-") as folder:
        try:
            result = run(Path(folder), faults=args.faults, seed=args.seed, fps=args.fps, detect_workers=args.detect, verbose=True)
        except EtleError as error:
            print(f"benchmark.faults: {error}", file=sys.stderr)
            return 2
    print(table(result))
    if args.json:
        args.json.write_text(json.dumps(as_json(result), indent=2) + "\n")
    return 0 if passed(result) else 1


if __name__ == "__main__":
    sys.exit(main())
