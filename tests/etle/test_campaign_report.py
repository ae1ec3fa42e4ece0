"""The report of a campaign: periods, averages of complete days, and changes."""

from datetime import UTC, date, datetime, timedelta

import pytest

from etle.campaign_report import CampaignPeriod, DailyCases, campaign_report, report_json, report_spans
from etle.config.campaign import Campaign

ZEBRA = Campaign.model_validate(
    {
        "campaign": "zebra",
        "name": "Operasi Zebra",
        "first_day": "2026-11-17",
        "last_day": "2026-11-18",
        "targets": [{"rule": "red_light", "outcome": "ticket"}, {"rule": "no_helmet", "outcome": "warning"}],
    }
)
LATER = datetime(2026, 12, 24, tzinfo=UTC)
BEFORE, DURING, AFTER = CampaignPeriod


def cases(day: int, number: int, *, rule: str = "red_light", state: str = "open", camera: str = "cam-1") -> DailyCases:
    return DailyCases(rule=rule, site="simpang", camera=camera, day=date(2026, 11, day), state=state, cases=number)


COUNTED = (
    cases(14, 100),
    cases(15, 4),
    cases(16, 2, state="confirm"),
    cases(16, 2, camera="cam-2"),
    cases(17, 1, state="reject"),
    cases(18, 1, state="warn"),
    cases(18, 6, rule="no_helmet", state="warn"),
    cases(19, 3),
)


def test_the_periods_before_and_after_are_as_long_as_the_campaign_or_as_asked() -> None:
    spans = report_spans(ZEBRA)
    assert spans[BEFORE] == (date(2026, 11, 15), date(2026, 11, 16)) and spans[AFTER] == (date(2026, 11, 19), date(2026, 11, 20))
    week = report_spans(ZEBRA, 7)
    assert week[BEFORE] == (date(2026, 11, 10), date(2026, 11, 16)) and week[AFTER] == (date(2026, 11, 19), date(2026, 11, 25))
    assert week[DURING] == spans[DURING] == (date(2026, 11, 17), date(2026, 11, 18))


def test_cases_are_compared_by_rule_camera_and_day() -> None:
    report = campaign_report(ZEBRA, COUNTED, LATER)
    red, helmet = report.rules
    assert [red.periods[period].cases for period in CampaignPeriod] == [8, 2, 3]
    assert (red.change, red.change_after) == (-0.75, -0.625)
    assert dict(red.periods[DURING].states) == {"open": 0, "confirm": 0, "reject": 1, "warn": 1}
    assert [helmet.periods[period].cases for period in CampaignPeriod] == [0, 6, 0] and helmet.change is None
    assert {each.name: each.periods[BEFORE].cases for each in report.cameras} == {"simpang/cam-1": 6, "simpang/cam-2": 2}
    assert [(each.day.day, each.period, each.cases) for each in report.days] == [
        (15, BEFORE, 4), (16, BEFORE, 4), (17, DURING, 1), (18, DURING, 7), (19, AFTER, 3), (20, AFTER, 0),
    ]  # fmt: skip
    assert report.total.periods[DURING].per_day == 4


@pytest.mark.parametrize(
    ("now", "complete", "per_day", "days"),
    [
        pytest.param("2026-11-17T16:59:59", [2, 0, 0], [4, None, None], 4, id="the first day; Jayapura has the second"),
        pytest.param("2026-11-17T17:00:00", [2, 1, 0], [4, 1, None], 4, id="the first day has ended in Jakarta, too"),
        pytest.param("2026-11-18T14:59:59", [2, 1, 0], [4, 1, None], 4, id="the last day"),
        pytest.param("2026-11-18T15:00:00", [2, 1, 0], [4, 1, None], 5, id="the day after has begun in Jayapura"),
        pytest.param("2026-11-18T17:00:00", [2, 2, 0], [4, 4, None], 5, id="the campaign is over"),
        pytest.param("2026-11-19T17:00:00", [2, 2, 1], [4, 4, 3], 6, id="a day after it"),
        pytest.param("2026-11-10T00:00:00", [0, 0, 0], [None, None, None], 0, id="long before"),
    ],
)
def test_averages_are_those_of_complete_days(now: str, complete: list[int], per_day: list[float | None], days: int) -> None:
    report = campaign_report(ZEBRA, COUNTED, datetime.fromisoformat(now).replace(tzinfo=UTC))
    assert [report.complete_days[period] for period in CampaignPeriod] == complete
    assert [report.total.periods[period].per_day for period in CampaignPeriod] == per_day
    assert len(report.days) == days


def test_a_day_that_is_not_over_counts_but_is_in_no_average() -> None:
    report = campaign_report(ZEBRA, COUNTED, datetime(2026, 11, 18, 5, tzinfo=UTC))
    during = report.total.periods[DURING]
    assert (during.cases, during.per_day) == (8, 1)
    assert [each.complete for each in report.days] == [True, True, True, False]


def test_the_report_as_json() -> None:
    document = report_json(campaign_report(ZEBRA, COUNTED, LATER))
    assert document["periods"]["before"] == {"first_day": "2026-11-15", "last_day": "2026-11-16", "complete_days": 2}
    assert document["rules"][0] | {"before": None, "during": None} == {
        "rule": "red_light",
        "outcome": "ticket",
        "before": None,
        "during": None,
        "after": {"cases": 3, "per_day": 1.5, "open": 3, "confirm": 0, "reject": 0, "warn": 0},
        "change": -0.75,
        "change_after": -0.625,
    }
    assert [each["camera"] for each in document["cameras"]] == ["simpang/cam-1", "simpang/cam-2"]
    assert document["days"][3] == {
        "day": "2026-11-18", "period": "during", "complete": True, "cases": 7, "open": 0, "confirm": 0, "reject": 0, "warn": 7,
    }  # fmt: skip


def test_without_cases_everything_is_zero_and_no_change_is_told() -> None:
    report = campaign_report(ZEBRA, (), LATER)
    assert report.total.change is None and report.cameras == () and len(report.days) == 6
    assert all(each.periods[DURING].per_day == 0 for each in report.rules)
    assert {each.day - timedelta(days=0) for each in report.days if each.cases} == set()
