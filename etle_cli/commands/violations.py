"""`etle violations`: list violations as a table or as JSON."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from etle.protocols import CaseFilters
from etle.types import Case, CaseOrder, DeadlineStep, Verdict
from etle_cli.options.law import add_deadlines_option, open_law
from etle_cli.options.storage import add_storage_options, open_existing_stores

if TYPE_CHECKING:
    from rich.table import Table

    from etle.config.law import Law
    from etle.storage.stores import StoredCases

PAGE_SIZE = 200
WIB = "Asia/Jakarta"


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("violations", help="list violations")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listed = actions.add_parser("list", help="list violations, latest first")
    listed.add_argument("--json", action="store_true", help="print one JSON object per violation instead of a table")
    listed.add_argument("--state", choices=("open", *Verdict), help="only those in this state")
    listed.add_argument("--camera", help="only those of this camera")
    listed.add_argument("--rule", help="only those of this rule")
    listed.add_argument("--plate", help="only those of this plate, without spaces")
    listed.add_argument("--urgent", action="store_true", help="only open ones, that whose confirmation letter is due first in front")
    listed.add_argument("--limit", type=int, metavar="N", help="at most N (default: all)")
    add_deadlines_option(listed)
    add_storage_options(listed)
    listed.set_defaults(run=run_list)


def run_list(args: argparse.Namespace) -> int:
    law = open_law(args.deadlines)
    with open_existing_stores(args) as stores:
        cases = islice(_cases(stores, args, law), args.limit)
        if args.json:
            for case in cases:
                sys.stdout.write(json.dumps(as_json(case, law), ensure_ascii=False) + "\n")
        else:
            _show(list(cases), law)
    return 0


def as_json(case: Case, law: "Law") -> dict[str, object]:
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
        "polda": violation.polda,
        "due": {each.step.value: each.ends_at.isoformat() for each in law.deadlines(violation)},
        "verdict": decision.verdict.value if decision else None,
        "reason": decision.reason if decision else None,
        "note": decision.note if decision else None,
        "reviewer": decision.reviewer if decision else None,
        "decided_at": decision.decided_at.isoformat() if decision else None,
        "evidence": [*dict.fromkeys([picture.sha256 for picture in violation.pictures] + clip)],
    }


def state_of(case: Case) -> str:
    return case.state.value if case.state else "open"


def _cases(stores: "StoredCases", args: argparse.Namespace, law: "Law") -> Iterator[Case]:
    """Fetches page by page, so that memory use does not grow with the number of cases."""
    state = args.state if args.state in (None, "open") else Verdict(args.state)
    order, letters = CaseOrder.URGENT if args.urgent else CaseOrder.NEWEST, law.deadline_table.letter_periods(WIB)
    filters: CaseFilters = {"state": state, "camera": args.camera, "rule": args.rule, "plate": args.plate}
    after = None
    while page := stores.cases.cases(order=order, letters=letters, limit=PAGE_SIZE, after=after, **filters):
        yield from page
        after = page[-1].violation.id


def _show(cases: list[Case], law: "Law") -> None:
    from rich.console import Console

    Console().print(table_of(cases, law) if cases else "No violations found.")


def table_of(cases: Sequence[Case], law: "Law") -> "Table":
    from rich.table import Table

    table = Table("occurred at (UTC)", "camera", "rule", "plate", "sure", "vehicle", "article", "state", "letter until", "reviewer", "id")
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
            letter_until(case, law),
            case.decisions[-1].reviewer if case.decisions else "",
            str(violation.id),
        )
    return table


def letter_until(case: Case, law: "Law") -> str:
    """The last local day on which the letter of an open or confirmed case may be sent; empty if there is none."""
    if case.state not in (None, Verdict.CONFIRM):
        return ""
    ends_at = next((each.ends_at for each in law.deadlines(case.violation) if each.step is DeadlineStep.LETTER), None)
    return f"{(ends_at - timedelta(microseconds=1)).astimezone(ZoneInfo(case.violation.timezone)):%Y-%m-%d}" if ends_at else ""
