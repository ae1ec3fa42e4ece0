"""`etle violations`: list violations as a table or as JSON."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from etle.types import Case, Verdict
from etle_cli.options.storage import add_storage_options, open_existing_stores

if TYPE_CHECKING:
    from rich.table import Table

    from etle.storage.stores import StoredCases

PAGE_SIZE = 200


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("violations", help="list violations")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listed = actions.add_parser("list", help="list violations, latest first")
    listed.add_argument("--json", action="store_true", help="print one JSON object per violation instead of a table")
    listed.add_argument("--state", choices=("open", *Verdict), help="only those in this state")
    listed.add_argument("--camera", help="only those of this camera")
    listed.add_argument("--rule", help="only those of this rule")
    listed.add_argument("--plate", help="only those of this plate, without spaces")
    listed.add_argument("--limit", type=int, metavar="N", help="at most N (default: all)")
    add_storage_options(listed)
    listed.set_defaults(run=run_list)


def run_list(args: argparse.Namespace) -> int:
    with open_existing_stores(args) as stores:
        cases = islice(_cases(stores, args), args.limit)
        if args.json:
            for case in cases:
                sys.stdout.write(json.dumps(as_json(case), ensure_ascii=False) + "\n")
        else:
            _show(list(cases))
    return 0


def as_json(case: Case) -> dict[str, object]:
    """The plate is the one that the last decision recorded; what the machine read is beside it, under its own name."""
    violation = case.violation
    decision = case.decisions[-1] if case.decisions else None
    clip = [violation.clip.sha256] if violation.clip else []
    return {
        "id": str(violation.id),
        "camera": violation.camera,
        "rule": violation.rule,
        "occurred_at": violation.occurred_at.isoformat(),
        "marks": list(violation.marks),
        "plate": case.plate_text,
        "machine_plate": violation.plate.text,
        "plate_probability": violation.plate.probability,
        "vehicle": violation.vehicle.value,
        "article": violation.article.article,
        "state": state_of(case),
        "verdict": decision.verdict.value if decision else None,
        "reason": decision.reason if decision else None,
        "note": decision.note if decision else None,
        "reviewer": decision.reviewer if decision else None,
        "decided_at": decision.decided_at.isoformat() if decision else None,
        "evidence": [*dict.fromkeys([picture.sha256 for picture in violation.pictures] + clip)],
    }


def state_of(case: Case) -> str:
    return case.state.value if case.state else "open"


def _cases(stores: "StoredCases", args: argparse.Namespace) -> Iterator[Case]:
    """Fetches page by page, so that memory use does not grow with the number of cases."""
    state = args.state if args.state in (None, "open") else Verdict(args.state)
    after = None
    while page := stores.cases.cases(state=state, camera=args.camera, rule=args.rule, plate=args.plate, limit=PAGE_SIZE, after=after):
        yield from page
        after = page[-1].violation.id


def _show(cases: list[Case]) -> None:
    from rich.console import Console

    Console().print(table_of(cases) if cases else "No violations found.")


def table_of(cases: Sequence[Case]) -> "Table":
    from rich.table import Table

    table = Table("occurred at (UTC)", "camera", "rule", "plate", "sure", "vehicle", "article", "state", "reviewer", "id")
    for case in cases:
        violation = case.violation
        table.add_row(
            f"{violation.occurred_at:%Y-%m-%d %H:%M:%S}",
            violation.camera,
            violation.rule,
            case.plate_text or "-",
            f"{violation.plate.probability:.0%}" if case.plate_text and case.plate_text == violation.plate.text else "",
            violation.vehicle.value,
            violation.article.article,
            state_of(case),
            case.decisions[-1].reviewer if case.decisions else "",
            str(violation.id),
        )
    return table
