"""Metrics of the review application."""

import math

from review_app import RunningReview, SignedInUser
from review_cases import CaseSpec

from etle.errors import StoreUnavailable
from etle.observability.metrics import Metrics
from etle.protocols import CaseCounts
from review.app import open_cases


def metrics_of(review: RunningReview) -> Metrics:
    metrics = review.app.state.deps.metrics
    assert isinstance(metrics, Metrics)
    return metrics


def test_requests_are_counted_by_status(review: RunningReview) -> None:
    metrics = metrics_of(review)
    before = [metrics.value("etle_requests_total", status=status) or 0 for status in ("2xx", "4xx")]
    took = metrics.value("etle_request_seconds_count") or 0
    with review.browser() as browser:
        browser.get("/sign-in")
        browser.get("/no-such-page")
    assert [(metrics.value("etle_requests_total", status=status) or 0) for status in ("2xx", "4xx")] == [before[0] + 1, before[1] + 1]
    assert metrics.value("etle_request_seconds_count") == took + 2


def test_a_decision_is_counted_with_its_seconds(review: RunningReview, reviewer: SignedInUser) -> None:
    metrics = metrics_of(review)
    case = review.assign_new(reviewer, CaseSpec(name="metrics"))
    waiting = metrics.value("etle_open_cases")
    took = metrics.value("etle_decision_seconds_sum") or 0
    form = reviewer.form(case)
    review.clock.advance(6.5)
    assert reviewer.post(form.pop("action"), **form, answer="reject emergency_vehicle").status_code == 303
    assert metrics.value("etle_decisions_total", verdict="reject") == 1
    assert metrics.value("etle_decision_seconds_sum") == took + 6.5
    assert waiting is not None and metrics.value("etle_open_cases") == waiting - 1


def test_open_cases_have_no_value_while_the_database_is_unavailable() -> None:
    class UnavailableCases:
        def counts(self) -> CaseCounts:
            raise StoreUnavailable("unavailable")

    assert math.isnan(open_cases(UnavailableCases()))  # type: ignore[arg-type]  # no other method is called
