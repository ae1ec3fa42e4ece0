"""How long is left for the letter and what follows: on the page of a case, and as the order of the list."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from review_app import RunningReview, SignedInUser
from review_cases import CaseSpec

from etle.testing import BEGIN, MemoryCases, a_decision, a_violation
from etle.types import Case, DeadlineStep, Verdict
from etle_cli.options.law import open_law
from review.i18n import Language, translator
from review.views.deadline import DeadlineUrgency, deadline_views, letter_view

SignIn = Callable[..., SignedInUser]
LAW = open_law()
INDONESIAN, ENGLISH = translator(Language.INDONESIAN), translator(Language.ENGLISH)
DUE = datetime(2026, 11, 26, 17, tzinfo=UTC)
"""When the letter of a violation of 23 November, 10:00 in Jakarta, is due: the end of H+3 there."""


def case_of(*verdicts: Verdict) -> Case:
    violation, cases = a_violation(occurred_at=BEGIN), MemoryCases()
    cases.add(violation, ())
    for verdict in verdicts:
        cases.decide(a_decision(violation, verdict))
    case = cases.case(violation.id)
    assert case is not None
    return case


@pytest.mark.parametrize(
    ("now", "left", "english", "urgency"),
    [
        pytest.param(BEGIN, "3 hari 14 jam lagi", "3 d 14 h left", DeadlineUrgency.LATER, id="at once"),
        pytest.param(DUE - timedelta(hours=48), "2 hari 0 jam lagi", "2 d 0 h left", DeadlineUrgency.LATER, id="two days before"),
        pytest.param(DUE - timedelta(hours=24, seconds=1), "24 jam lagi", "24 h left", DeadlineUrgency.LATER, id="more than a day"),
        pytest.param(DUE - timedelta(hours=24), "24 jam lagi", "24 h left", DeadlineUrgency.SOON, id="a day"),
        pytest.param(
            DUE - timedelta(minutes=59), "kurang dari 1 jam lagi", "less than 1 h left", DeadlineUrgency.SOON, id="in the last hour"
        ),
        pytest.param(DUE, "baru saja lewat", "just late", DeadlineUrgency.OVERDUE, id="at midnight"),
        pytest.param(DUE + timedelta(hours=5), "lewat 5 jam", "5 h late", DeadlineUrgency.OVERDUE, id="hours late"),
        pytest.param(DUE + timedelta(days=4, hours=3), "lewat 4 hari", "4 days late", DeadlineUrgency.OVERDUE, id="days late"),
    ],
)
def test_what_is_left_for_the_letter(now: datetime, left: str, english: str, urgency: DeadlineUrgency) -> None:
    view = letter_view(case_of().violation, None, LAW, now, INDONESIAN)
    assert view is not None
    assert (view.left, view.urgency, view.day) == (left, urgency, "Kam 26 Nov 2026")
    other = letter_view(case_of().violation, None, LAW, now, ENGLISH)
    assert other is not None and other.left == english


@pytest.mark.parametrize(
    ("verdicts", "steps"),
    [
        pytest.param((), tuple(DeadlineStep), id="open"),
        pytest.param((Verdict.CONFIRM,), tuple(DeadlineStep), id="confirmed"),
        pytest.param((Verdict.REJECT,), (), id="rejected: no letter"),
        pytest.param((Verdict.WARN,), (), id="a warning: nothing is blocked"),
        pytest.param((Verdict.REJECT, Verdict.CONFIRM), tuple(DeadlineStep), id="the last verdict counts"),
    ],
)
def test_which_cases_have_deadlines(verdicts: tuple[Verdict, ...], steps: tuple[DeadlineStep, ...]) -> None:
    case = case_of(*verdicts)
    assert tuple(each.step for each in deadline_views(case.violation, case.state, LAW, BEGIN, INDONESIAN)) == steps


def test_a_hit_of_the_watch_list_is_no_offence_and_has_no_deadlines() -> None:
    case = case_of()
    hit = replace(case.violation, article=replace(case.violation.article, max_fine_idr=0))
    assert letter_view(hit, case.state, LAW, BEGIN, INDONESIAN) is None


def test_the_page_of_a_case_says_how_long_is_left(review: RunningReview, reviewer: SignedInUser) -> None:
    """The clock of the tests is at 08:00 UTC of the day of the violation, which ends at 17:00."""
    case = review.assign_new(reviewer, CaseSpec(name="due"))
    page = reviewer.get(f"/cases/{case.violation.id}").text
    assert '<dt>Surat</dt><dd class="due later">3 hari 9 jam lagi</dd>' in page
    panel = page.split('id="deadlines"')[1].split("</details>")[0]
    assert re.findall(r"<dd>(.*?) <small", panel) == [
        "Jum 27 Nov 2026",
        "Rab 2 Des 2026",
        "Rab 2 Des 2026",
        "Rab 9 Des 2026",
    ]
    reviewer.decide(case, "reject other", plate="B1432GMC", note="jenazah")
    assert 'id="deadlines"' not in reviewer.get(f"/cases/{case.violation.id}").text


def test_a_supervisor_lists_open_cases_in_the_order_in_which_their_letters_are_due(
    review: RunningReview, reviewer: SignedInUser, sign_in: SignIn
) -> None:
    decided = review.assign_new(reviewer, CaseSpec(name="urgent decided", plate="B9URG", occurred_after=-timedelta(days=9)))
    reviewer.decide(decided, "confirm", plate="B1432GMC")
    for days in (2, 5, 1):
        review.add_quickly(CaseSpec(name=f"urgent {days}", plate=f"B{days}URG", occurred_after=-timedelta(days=days)))
    page = sign_in("sari").get("/cases", params={"order": "urgent", "plate": "URG", "state": "confirm"}).text
    assert re.findall(r"B \d URG", page.split("</thead>")[1]) == ["B 5 URG", "B 2 URG", "B 1 URG"]
    assert re.findall(r'<span class="due (\w+)"[^>]*>([^<]*)<', page) == [
        ("overdue", "Surat: lewat 39 jam"),
        ("later", "Surat: 33 jam lagi"),
        ("later", "Surat: 2 hari 9 jam lagi"),
    ]
    assert '<option value="open" selected>' in page and '<option value="urgent" selected>' in page
