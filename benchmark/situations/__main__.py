"""`python -m benchmark.situations --seed N`: how many innocent road users are accused, and how many clear violations are missed."""

import os
import random
import sys
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from benchmark import report
from benchmark.situations.scenarios import scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one scenario's road users."""

    seed: str
    innocent: int
    guilty: int
    unclear: int
    accused: tuple[str, ...]
    missed: tuple[str, ...]


def judge(seed: str) -> Outcome:
    """Run the scenario of that seed. An accusation of a track that holds another user's boxes accuses both."""
    drawn = scenario(random.Random(seed))
    accused, found = [], set()
    for accusation in drawn.trial.run():
        for user in set(accusation.users):
            if user not in drawn.guilty and user not in drawn.unclear:
                accused.append(f"{user}:{accusation.rule}")
            elif len(set(accusation.users)) == 1:
                found.add(user)
    users = [user.name for user in drawn.trial.users]
    missed = tuple(sorted(set(drawn.guilty) - found))
    guilty, unclear = len(drawn.guilty), len(drawn.unclear)
    return Outcome(
        seed=seed, innocent=len(users) - guilty - unclear, guilty=guilty, unclear=unclear, accused=tuple(accused), missed=missed
    )  # fmt: skip


def _line(outcome: Outcome) -> str:
    accused, missed = (", ".join(names) or "none" for names in (outcome.accused, outcome.missed))
    return f"{outcome.seed}: accused though innocent: {accused}; missed: {missed}"


def _counted(totals: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {totals[name]}" for name in ("scenarios", "innocent", "innocent_accused", "guilty", "guilty_missed"))


def main() -> None:
    parser = report.parser("situations", __doc__)
    parser.add_argument("--passages", type=int, default=10_000, help="innocent road users, at least (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (default: one for each core)")
    parser.add_argument("--first", type=int, default=0, metavar="N", help="number of the first scenario (default: %(default)s)")
    parser.add_argument("--show", type=int, default=20, metavar="N", help="name so many scenarios with a miss (default: %(default)s)")
    args = parser.parse_args()
    totals: Counter[str] = Counter()
    shown = 0
    batch, number = 200, args.first
    with ProcessPoolExecutor(args.workers) as pool:
        while totals["innocent"] < args.passages:
            seeds = [f"{args.seed}/{index}" for index in range(number, number + batch)]
            number += batch
            for outcome in pool.map(judge, seeds, chunksize=10):
                totals.update(
                    scenarios=1, innocent=outcome.innocent, guilty=outcome.guilty, unclear=outcome.unclear,
                    innocent_accused=len(outcome.accused), guilty_missed=len(outcome.missed),
                )  # fmt: skip
                totals.update(f"missed {name.split('-')[0]}" for name in outcome.missed)
                if outcome.accused or (outcome.missed and shown < args.show):
                    shown += not outcome.accused
                    print(_line(outcome), flush=True)
            print(f"so far {_counted(totals)}", file=sys.stderr, flush=True)
    figures = {**totals, "missed_rate": totals["guilty_missed"] / max(1, totals["guilty"])}
    report.show("Random road situations", [figures])
    report.save(args.json, figures)


if __name__ == "__main__":
    main()
