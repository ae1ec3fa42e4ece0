"""`etle violations list`: what is printed of a case, before and after a reviewer's decisions."""

import json
from dataclasses import replace

import pytest

from etle.testing import BEGIN, MemoryCases, a_decision, a_violation
from etle.types import Case, Verdict
from etle_cli.commands.violations import as_json, letter_until, table_of
from etle_cli.options.law import open_law

LAW = open_law()


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
    shown = as_json(decided(), LAW)
    assert (shown["plate"], shown["machine_plate"], shown["state"]) == ("B1432GMC", "B1432GMC", "open")
    assert [shown[key] for key in ("verdict", "reviewer", "decided_at", "reason", "note")] == [None] * 5


@pytest.mark.parametrize("plate", ["B1482GMC", None])
def test_the_plate_of_the_last_decision_is_the_plate_and_the_machines_is_beside_it(plate: str | None) -> None:
    shown = as_json(decided("B1433GMC", plate), LAW)
    assert (shown["plate"], shown["machine_plate"]) == (plate, "B1432GMC")
    assert shown["plate_probability"] == decided().violation.plate.probability


def test_who_decided_what_when_and_why() -> None:
    shown = as_json(decided("B1432GMC", verdict=Verdict.REJECT), LAW)
    assert (shown["verdict"], shown["state"], shown["reason"]) == ("reject", "reject", "no_violation")
    assert (shown["reviewer"], shown["decided_at"], shown["note"]) == ("rina", BEGIN.isoformat(), "jelas")
    json.dumps(shown)


def test_the_table_has_the_decided_plate_and_the_officer() -> None:
    table = table_of([decided("B1482GMC")], LAW)
    (row,) = zip(*(column.cells for column in table.columns), strict=True)
    assert "B1482GMC" in row and "rina" in row


def test_the_days_until_which_what_follows_is_due() -> None:
    """The violation is of 23 November 2026 in Jakarta; days end at midnight there, at 17:00 UTC."""
    assert as_json(decided(), LAW)["due"] == {
        "letter": "2026-11-26T17:00:00+00:00",
        "confirmation": "2026-12-01T17:00:00+00:00",
        "block_unconfirmed": "2026-12-01T17:00:00+00:00",
        "block_unpaid": "2026-12-08T17:00:00+00:00",
    }


@pytest.mark.parametrize(
    ("case", "until"),
    [
        pytest.param(decided(), "2026-11-26", id="open"),
        pytest.param(decided("B1432GMC"), "2026-11-26", id="confirmed"),
        pytest.param(decided("B1432GMC", verdict=Verdict.REJECT), "", id="rejected"),
        pytest.param(decided("B1432GMC", verdict=Verdict.WARN), "", id="a warning"),
    ],
)
def test_the_last_day_for_the_letter(case: Case, until: str) -> None:
    assert letter_until(case, LAW) == until
