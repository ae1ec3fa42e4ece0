"""What a promoted run proposes: on the page of an open case, and for decided cases on a page of supervisors."""

from collections.abc import Callable
from dataclasses import replace

from review_app import RunningReview, SignedInUser
from review_cases import CaseSpec

from etle.storage.runs import PostgresRuns
from etle.types import Case

SignIn = Callable[..., SignedInUser]


def propose(review: RunningReview, case: Case, changed: str, text: str | None = None) -> None:
    """As a promotion of the run `again` does."""
    runs, found = PostgresRuns(review.database), case.violation
    runs.start("again", case.violation.site, "{}", "sari", review.clock.now())
    found = replace(found, plate=replace(found.plate, text=text))
    runs.propose("again", case.violation.id, [changed], found if text else None)


def test_the_reviewer_of_an_open_case_sees_what_a_promoted_run_reads(review: RunningReview, reviewer: SignedInUser) -> None:
    case = review.assign_new(reviewer, CaseSpec(name="proposed", plate="B1432GMC"))
    assert 'id="proposals"' not in reviewer.get(f"/cases/{case.violation.id}").text
    propose(review, case, "plate", "B1432GMG")
    page = reviewer.get(f"/cases/{case.violation.id}").text
    assert "Nomor polisi: B 1432 GMC → B 1432 GMG" in page
    assert reviewer.get("/proposals").status_code == 403


def test_a_supervisor_sees_proposals_for_decided_cases_until_they_are_decided_again(
    review: RunningReview, reviewer: SignedInUser, sign_in: SignIn
) -> None:
    case = review.assign_new(reviewer, CaseSpec(name="decided"))
    reviewer.decide(case, "confirm", plate=case.violation.plate.text or "")
    propose(review, case, "missing")
    supervisor = sign_in("sari")
    link = f'href="/cases/{case.violation.id}"'
    page = supervisor.get("/proposals").text
    assert link in page and "Proses ini tidak menemukan pelanggaran ini." in page
    assert 'id="proposals"' not in reviewer.get(f"/cases/{case.violation.id}").text
    assert 'id="proposals"' in supervisor.get(f"/cases/{case.violation.id}").text
    review.execute(f"UPDATE case_states SET decided_at = now() + interval '1 hour' WHERE violation = '{case.violation.id}'")
    assert link not in supervisor.get("/proposals").text
    assert "proposals_viewed" in {entry.action for entry in review.users.entries(who="sari")}
