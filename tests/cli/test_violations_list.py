"""`etle violations list`: what is printed of a case, before and after a reviewer's decisions."""

import json
from dataclasses import replace

import pytest

from etle.testing import BEGIN, MemoryCases, a_decision, a_violation
from etle.types import Case, Verdict
from etle_cli.commands.violations import as_json, table_of


def decided(*plates: str | None, verdict: Verdict = Verdict.CONFIRM) -> Case:
    """A case of the plate B1432GMC with one decision for each of `plates`."""
    violation, cases = a_violation(plate="B1432GMC"), MemoryCases()
    cases.add(violation, ())
    for plate in plates:
        cases.decide(replace(a_decision(violation, verdict, reviewer="rina"), plate_text=plate, note="jelas"))
    case = cases.case(violation.id)
    assert case is not None
    return case


def test_an_open_case_has_the_plate_of_the_machine_and_no_decision() -> None:
    shown = as_json(decided())
    assert (shown["plate"], shown["machine_plate"], shown["state"]) == ("B1432GMC", "B1432GMC", "open")
    assert [shown[key] for key in ("verdict", "reviewer", "decided_at", "reason", "note")] == [None] * 5


@pytest.mark.parametrize("plate", ["B1482GMC", None])
def test_the_plate_of_the_last_decision_is_the_plate_and_the_machines_is_beside_it(plate: str | None) -> None:
    shown = as_json(decided("B1433GMC", plate))
    assert (shown["plate"], shown["machine_plate"]) == (plate, "B1432GMC")
    assert shown["plate_probability"] == decided().violation.plate.probability


def test_who_decided_what_when_and_why() -> None:
    shown = as_json(decided("B1432GMC", verdict=Verdict.REJECT))
    assert (shown["verdict"], shown["state"], shown["reason"]) == ("reject", "reject", "no_violation")
    assert (shown["reviewer"], shown["decided_at"], shown["note"]) == ("rina", BEGIN.isoformat(), "jelas")
    json.dumps(shown)


def test_the_table_has_the_decided_plate_and_the_officer() -> None:
    table = table_of([decided("B1482GMC")])
    (row,) = zip(*(column.cells for column in table.columns), strict=True)
    assert "B1482GMC" in row and "rina" in row
