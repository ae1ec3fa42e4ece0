"""What the pages tell a monitor."""

import math
from collections.abc import Callable
from datetime import timedelta

from review_cases import Story
from review_desk import Pages, Person

from etle.errors import StoreUnavailable
from etle.observability.metrics import Metrics
from etle.protocols import CaseCounts
from review.middleware import open_cases


def numbers(pages: Pages) -> Metrics:
    metrics = pages.app.state.desk.metrics
    assert isinstance(metrics, Metrics)
    return metrics


def test_answers_are_counted_by_what_they_were(pages: Pages) -> None:
    metrics = numbers(pages)
    before = [metrics.value("etle_requests_total", status=status) or 0 for status in ("2xx", "4xx")]
    took = metrics.value("etle_request_seconds_count") or 0
    with pages.browser() as browser:
        browser.get("/sign-in")
        browser.get("/no-such-page")
    assert [(metrics.value("etle_requests_total", status=status) or 0) for status in ("2xx", "4xx")] == [before[0] + 1, before[1] + 1]
    assert metrics.value("etle_request_seconds_count") == took + 2


def test_a_verdict_is_counted_with_the_seconds_that_it_took(pages: Pages, visit: Callable[..., Person]) -> None:
    metrics, reviewer = numbers(pages), visit("rina")
    case = pages.give(reviewer, Story(name="watched"))
    waiting = metrics.value("etle_open_cases")
    took = metrics.value("etle_decision_seconds_sum") or 0
    form = reviewer.form(case)
    pages.clock.pass_time(timedelta(seconds=6.5))
    assert reviewer.post(form.pop("action"), **form, answer="reject emergency_vehicle").status_code == 303
    assert metrics.value("etle_decisions_total", verdict="reject") == 1
    assert metrics.value("etle_decision_seconds_sum") == took + 6.5
    assert waiting is not None and metrics.value("etle_open_cases") == waiting - 1


def test_a_database_that_is_away_is_no_empty_queue() -> None:
    class Away:
        def counts(self) -> CaseCounts:
            raise StoreUnavailable("away")

    assert math.isnan(open_cases(Away()))  # type: ignore[arg-type]  # it is asked for nothing else
