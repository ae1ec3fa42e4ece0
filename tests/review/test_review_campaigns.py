"""Campaigns on the page of a case, and the pages of their reports."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from review_app import RunningReview, SignedInUser
from review_cases import CaseSpec

from etle.config.campaign import Campaign

SignIn = Callable[..., SignedInUser]
DOCUMENT: dict[str, Any] = {
    "campaign": "zebra",
    "name": "Operasi Zebra <2026>",
    "first_day": "2026-11-23",
    "last_day": "2026-11-24",
    "targets": [{"rule": "red_light", "outcome": "warning"}, {"rule": "phone", "outcome": "ticket"}],
}


def add(review: RunningReview, **changes: Any) -> None:
    review.app.state.deps.campaigns.add(Campaign.model_validate(DOCUMENT | changes), "sari", review.clock.now())


@pytest.fixture
def zebra(review: RunningReview) -> Iterator[None]:
    add(review)
    yield
    review.app.state.deps.campaigns.withdraw("zebra", "sari", review.clock.now())


@pytest.mark.usefixtures("zebra")
def test_the_page_of_a_case_names_the_campaign_and_what_it_asks_for(review: RunningReview, reviewer: SignedInUser) -> None:
    case = review.assign_new(reviewer, CaseSpec(name="in campaign"))
    page = f"/cases/{case.violation.id}"
    shown = '<p class="campaign {outcome}" title="{help}"><b>Operasi Zebra &lt;2026&gt;</b> <span>{label}</span></p>'
    warning = "Dalam operasi ini, pelanggaran yang benar diberi teguran, bukan tilang."
    assert shown.format(outcome="warning", help=warning, label="beri teguran") in reviewer.get(page).text
    reviewer.browser.cookies.set("etle_language", "en")
    assert "<span>give a warning</span>" in reviewer.get(page).text
    add(review, targets=[{"rule": "red_light", "outcome": "ticket"}])
    assert "<span>give a ticket</span>" in reviewer.get(page).text


@pytest.mark.usefixtures("zebra")
@pytest.mark.parametrize(
    ("spec", "changes"),
    [
        pytest.param(CaseSpec(name="two days later", occurred_after=timedelta(days=2)), {}, id="after its last day"),
        pytest.param(CaseSpec(name="of another rule"), {"targets": [{"rule": "phone", "outcome": "ticket"}]}, id="another rule"),
        pytest.param(CaseSpec(name="at another place"), {"areas": [{"site": "elsewhere"}]}, id="another place"),
    ],
)
def test_a_case_outside_of_the_campaign_does_not_name_it(
    review: RunningReview, reviewer: SignedInUser, spec: CaseSpec, changes: dict[str, Any]
) -> None:
    add(review, **changes)
    case = review.assign_new(reviewer, spec)
    assert "Operasi Zebra" not in reviewer.get(f"/cases/{case.violation.id}").text


@pytest.mark.usefixtures("zebra")
def test_a_supervisor_sees_the_cases_before_during_and_after(review: RunningReview, reviewer: SignedInUser, sign_in: SignIn) -> None:
    supervisor, address = sign_in("sari"), "/campaigns/zebra"
    assert f'href="{address}">Operasi Zebra &lt;2026&gt;' in supervisor.get("/campaigns").text

    def during(page: str) -> tuple[int, ...]:
        row = re.search(r'<a href="/cases\?rule=red_light[^"]*">.*?</tr>', page)
        assert row is not None
        numbers = re.findall(r'<td class="figure" data-label="[^"]+">(?:<b>)?([\d.]+)', row[0])
        return tuple(int(number) for number in (numbers[1], *numbers[-4:]))

    before = during(supervisor.get(address).text)
    case = review.assign_new(reviewer, CaseSpec(name="counted"))
    opened = during(supervisor.get(address).text)
    assert opened == (before[0] + 1, before[1] + 1, *before[2:])
    reviewer.decide(case, "warn", plate="B1432GMC")
    warned = during(supervisor.get(address).text)
    assert warned == (before[0] + 1, *before[1:4], before[4] + 1)
    page = supervisor.get(address, params={"days": "7"}).text
    assert "16/11/2026 – 22/11/2026" in page and "25/11/2026 – 01/12/2026" in page
    assert len(re.findall(r"<tr(?: class=\"incomplete\")?><td class=\"time\">", page)) == 9, "seven days before, and two of the campaign"
    assert {entry.detail for entry in review.users.entries(who="sari") if entry.action == "campaigns_viewed"} >= {"zebra", ""}


def test_reports_are_for_those_who_browse_cases(review: RunningReview, sign_in: SignIn) -> None:
    for name, status in (("rina", 403), ("admin", 403), ("agus", 200), ("sari", 200)):
        assert sign_in(name).get("/campaigns").status_code == status
    sari = sign_in("sari")
    assert "Belum ada operasi." in sari.get("/campaigns").text
    assert sari.get("/campaigns/zebra").status_code == 404
    assert sari.get("/campaigns/%00").status_code == 404


@pytest.mark.usefixtures("zebra")
@pytest.mark.parametrize("days", ["0", "367", "-1", "x"])
def test_wrong_days_are_a_bad_request(sign_in: SignIn, days: str) -> None:
    assert sign_in("sari").get("/campaigns/zebra", params={"days": days}).status_code == 400
