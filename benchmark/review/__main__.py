"""Times of the review application with 50 officers, at 10,000, 100,000 and a million cases.

    python -m benchmark.review --json FILE
    python -m benchmark.review --cases 10000 --seconds 20

Fills a PostgreSQL of its own for each number of cases; up to 98,000 are open. Officers sign in all at once, then decide cases over HTTP
with all their pictures; a supervisor searches by parts of plates. Beside them, two routes of the same server run a bare indexed SELECT
and a bare INSERT, whose 95th percentile is the measure: `page`, `next` and `verdict` are the times of the case page, of taking a case and
of a verdict relative to the slower of them; `search` that of a search by part of a plate relative to the SELECT. `sign_in` is the last of
the simultaneous sign-ins relative to the first; the first cases, which all officers take in that moment, are `first next` in the JSON.
`growth` is the largest growth of any of these times from the first to the last number of
cases, and `assigned_twice` the number of cases that two officers got.
"""

import asyncio
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmark import report
from benchmark.review.fill import fill
from benchmark.review.load import Timings, work
from etle.errors import EtleError
from etle.storage.database import Database
from etle.storage.embedded import EmbeddedPostgres
from etle.storage.evidence.folder import FolderEvidence
from etle.storage.migrate import migrate
from services import free_port

REVIEWERS: Final = 50
MEASURED: Final = ("case page", "next", "verdict", "search")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = report.parser("review", __doc__)
    parser.add_argument(
        "--cases", type=int, nargs="+", default=[10_000, 100_000, 1_000_000], metavar="N", help="numbers of cases to measure at"
    )
    parser.add_argument("--seconds", type=float, default=60, metavar="SECONDS", help="time to work at each (default: %(default)s)")
    parser.add_argument(
        "--think", type=float, default=5, metavar="SECONDS", help="mean time that an officer looks at a case (default: %(default)s)"
    )
    parser.add_argument("--reviewers", type=int, default=REVIEWERS, metavar="N", help="officers (default: %(default)s)")
    options = parser.parse_args(arguments)
    runs = []
    for cases in options.cases:
        with tempfile.TemporaryDirectory(prefix="etle-review-") as folder:
            runs.append(_run(Path(folder), cases, options.reviewers, options.seconds, options.think, options.seed))
    figures = _figures(runs)
    report.show(
        "95th percentile in ms", [{"cases": f"{run['cases']:,}", **{kind: run["p95_ms"].get(kind, 0.0) for kind in KINDS}} for run in runs]
    )
    report.show("relative", [{key: value for key, value in figures.items() if key != "runs"}])
    report.save(options.json, figures)
    return 0


KINDS: Final = ("bare SELECT", "bare INSERT", *MEASURED, "list", "home", "picture")


def _run(folder: Path, cases: int, reviewers: int, seconds: float, think_s: float, seed: int) -> Mapping[str, Any]:
    with EmbeddedPostgres(folder / "postgres") as server:
        database, evidence = Database(server.url), FolderEvidence(folder / "evidence")
        migrate(database)
        started = time.monotonic()
        filling = fill(database, evidence, cases, reviewers)
        filled_s, port = time.monotonic() - started, free_port()
        command = [sys.executable, "-m", "benchmark.review.server", server.url, str(folder / "evidence"), str(port)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            if process.stdout is None or process.stdout.readline() != "started\n":
                raise EtleError("the review application did not start")
            timings = asyncio.run(work(port, filling, reviewers=reviewers, seconds=seconds, think_s=think_s, seed=seed))
        finally:
            process.terminate()
            process.wait(30)
        database.close()
    return _summary(timings, filling.cases, filling.open_cases, filled_s, seconds)


def _summary(timings: Timings, cases: int, open_cases: int, filled_s: float, seconds: float) -> Mapping[str, Any]:
    p95 = {kind: _percentile(values, 0.95) for kind, values in timings.seconds.items()}
    sign_in = sorted(timings.seconds["sign-in"])
    return {
        "cases": cases,
        "open": open_cases,
        "filled_s": round(filled_s, 1),
        "decided_per_s": round(len(timings.decided) / seconds, 2),
        "assigned_twice": sum(1 for times in Counter(timings.assigned).values() if times > 1),
        "refused": timings.refused,
        "sign_in": sign_in[-1] / sign_in[0],
        "sign_in_last_s": sign_in[-1],
        "p50_ms": {kind: 1000 * _percentile(values, 0.5) for kind, values in timings.seconds.items()},
        "p95_ms": {kind: 1000 * value for kind, value in p95.items()},
        "page": p95["case page"] / max(p95["bare SELECT"], p95["bare INSERT"]),
        "next": p95["next"] / max(p95["bare SELECT"], p95["bare INSERT"]),
        "verdict": p95["verdict"] / max(p95["bare SELECT"], p95["bare INSERT"]),
        "search": p95["search"] / p95["bare SELECT"],
    }


def _figures(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The worst of all runs."""
    worst = {key: max(run[key] for run in runs) for key in ("page", "next", "verdict", "search", "sign_in", "assigned_twice")}
    growth = max(runs[-1]["p95_ms"][kind] / runs[0]["p95_ms"][kind] for kind in MEASURED)
    return {**worst, "growth": growth, "runs": list(runs)}


def _percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


if __name__ == "__main__":
    sys.exit(main())
