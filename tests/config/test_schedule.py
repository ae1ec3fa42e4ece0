"""When a rule applies: days, hours in the site's time zone, national holidays."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from etle.config.schedule import RuleSchedule
from etle.holidays import day_kind_of

JAKARTA = "Asia/Jakarta"
ODD_EVEN = [{"days": ["mon", "tue", "wed", "thu", "fri"], "hours": hours, "holidays": "not"} for hours in ("06:00-10:00", "16:00-21:00")]
NIGHT = [{"days": ["fri"], "hours": "22:00-05:00"}]


def local(text: str, zone: str = JAKARTA) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


@pytest.mark.parametrize(
    ("hours", "at", "expected"),
    [
        pytest.param([], "2026-11-23T03:00", True, id="always, without hours"),
        pytest.param(ODD_EVEN, "2026-11-23T06:00", True, id="Monday at six"),
        pytest.param(ODD_EVEN, "2026-11-23T09:59:59.9", True, id="Monday just before ten"),
        pytest.param(ODD_EVEN, "2026-11-23T10:00", False, id="Monday at ten"),
        pytest.param(ODD_EVEN, "2026-11-23T12:00", False, id="Monday at noon"),
        pytest.param(ODD_EVEN, "2026-11-23T20:59", True, id="Monday in the evening"),
        pytest.param(ODD_EVEN, "2026-11-22T07:00", False, id="Sunday"),
        pytest.param(ODD_EVEN, "2026-12-25T07:00", False, id="Christmas, a Friday"),
        pytest.param(ODD_EVEN, "2026-12-24T07:00", False, id="collective leave before it"),
        pytest.param(ODD_EVEN, "2027-03-10T07:00", False, id="Idul Fitri, whose date is estimated"),
        pytest.param([{"holidays": "only"}], "2026-12-25T07:00", True, id="on holidays only, a holiday"),
        pytest.param([{"holidays": "only"}], "2026-11-23T07:00", False, id="on holidays only, another day"),
        pytest.param([{"holidays": "only"}], "2027-03-10T07:00", False, id="on holidays only, an estimated one"),
        pytest.param(NIGHT, "2026-11-27T23:00", True, id="Friday night"),
        pytest.param(NIGHT, "2026-11-28T04:59", True, id="the morning after it"),
        pytest.param(NIGHT, "2026-11-28T05:00", False, id="five o'clock of that morning"),
        pytest.param(NIGHT, "2026-11-28T23:00", False, id="Saturday night"),
        pytest.param([{"hours": "20:00-24:00"}], "2026-11-28T23:59", True, id="until midnight"),
    ],
)
def test_hours(hours, at, expected):
    assert RuleSchedule.model_validate({"hours": hours}).holds_at(local(at), JAKARTA) is expected


def test_hours_are_those_of_the_site():
    schedule = RuleSchedule.model_validate({"hours": ODD_EVEN})
    moment = local("2026-11-23T10:30", "Asia/Jayapura")
    assert schedule.holds_at(moment, JAKARTA) and not schedule.holds_at(moment, "Asia/Jayapura")


def test_days_can_be_excepted():
    schedule = RuleSchedule.model_validate({"except_days": ["2026-11-23"]})
    assert not schedule.holds_at(local("2026-11-23T07:00"), JAKARTA) and schedule.holds_at(local("2026-11-24T07:00"), JAKARTA)


def test_a_time_must_lie_in_the_hours_throughout():
    schedule = RuleSchedule.model_validate({"hours": ODD_EVEN})
    at = {minute: local(f"2026-11-23T{minute}") for minute in ("09:30", "09:50", "16:10")}
    assert schedule.holds_throughout(at["09:30"], at["09:50"], JAKARTA)
    assert not schedule.holds_throughout(at["09:50"], at["16:10"], JAKARTA)


@pytest.mark.parametrize("hours", ["6:00-10:00", "06:00", "06:00-25:00", "06:00-06:00", "06:60-07:00", "10:00–12:00"])
def test_wrong_hours_are_refused(hours):
    with pytest.raises(ValidationError):
        RuleSchedule.model_validate({"hours": [{"hours": hours}]})


def test_a_day_beside_an_estimated_holiday_is_uncertain():
    before = day_kind_of(date(2027, 3, 9))
    assert not before.certainly_no_holiday
    assert day_kind_of(date(2030, 2, 2)).certainly_no_holiday is False
    assert day_kind_of(date(2026, 11, 24)).certainly_no_holiday
