"""`python -m benchmark.tamper --tampers N --seed N`: how many changes `etle evidence verify` does not see, and false alarms.

Fills a store as an office does, in a real PostgreSQL. Each change is made alone, verified and undone; every 50 changes the untouched store
is verified, and the office works on. The kinds are in `benchmark/tamper/kinds.py`, each as often as every other.
"""

import random
import tempfile
import time
from collections import Counter
from pathlib import Path

from benchmark import report
from benchmark.tamper.trial import Totals, run_trial
from etle.storage.embedded import EmbeddedPostgres


def main() -> int:
    parser = report.parser("tamper", __doc__)
    parser.add_argument("--tampers", type=int, default=1000, metavar="N", help="number of changes (default: %(default)s)")
    args = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="etle-tamper-") as folder, EmbeddedPostgres(Path(folder) / "postgres") as server:
        totals = run_trial(server.url, Path(folder), random.Random(args.seed), args.tampers)
    _show(totals)
    figures = {
        "tampers": sum(totals.made.values()),
        "unseen": sum(totals.unseen.values()),
        "false_alarms": len(totals.false_alarms),
        "untouched_verifications": totals.untouched,
        "by_kind": {kind: {"tampers": count, "unseen": totals.unseen[kind]} for kind, count in sorted(totals.made.items())},
        "seed": args.seed,
        "seconds": round(time.monotonic() - started, 1),
    }
    report.save(args.json, figures)
    print(f"{figures['tampers']} changes, {figures['unseen']} unseen, {figures['false_alarms']} false alarms, {figures['seconds']} s")
    return 1 if figures["unseen"] or figures["false_alarms"] else 0


def _show(totals: Totals) -> None:
    made, unseen = Counter[str](), Counter[str]()
    for kind, count in totals.made.items():
        made[kind.partition(":")[0]] += count
        unseen[kind.partition(":")[0]] += totals.unseen[kind]
    report.show("Changes by kind", [{"kind": kind, "changes": made[kind], "unseen": unseen[kind]} for kind in sorted(made)])
    for kind in sorted(totals.unseen):
        print(f"unseen: {kind} ({totals.unseen[kind]} of {totals.made[kind]})")
    for finding in totals.false_alarms:
        print(f"false alarm: {finding}")


if __name__ == "__main__":
    raise SystemExit(main())
