"""Campaign files, which violations a campaign covers, and campaigns that contradict each other."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml

from etle.config.campaign import Campaign, CampaignOutcome, check_conflicts, load_campaign
from etle.errors import ConfigError
from etle.testing import a_violation
from etle.types import CameraId
from etle_cli.options.law import open_law

LAW = open_law()
WIB, WITA, WIT = ("Asia/Jakarta", 7), ("Asia/Makassar", 8), ("Asia/Jayapura", 9)
DOCUMENT: dict[str, Any] = {
    "campaign": "zebra",
    "name": "Operasi Zebra",
    "first_day": "2026-11-17",
    "last_day": "2026-11-30",
    "targets": [{"rule": "red_light", "outcome": "ticket"}, {"rule": "no_helmet", "outcome": "warning"}],
}


def campaign(**changes: Any) -> Campaign:
    return Campaign.model_validate(DOCUMENT | changes)


@pytest.mark.parametrize(
    ("time", "zone", "covered"),
    [
        pytest.param("2026-11-16T23:59:59", WIB, False, id="the last second before it in Jakarta"),
        pytest.param("2026-11-17T00:00:00", WIB, True, id="its first second in Jakarta"),
        pytest.param("2026-11-17T00:00:00", WIT, True, id="its first second in Jayapura, 22:00 of the day before in Jakarta"),
        pytest.param("2026-11-16T23:59:59", WITA, False, id="the last second before it in Makassar"),
        pytest.param("2026-11-30T23:59:59", WIB, True, id="its last second in Jakarta, when Jayapura has the next day"),
        pytest.param("2026-12-01T00:00:00", WIB, False, id="the first second after it"),
        pytest.param("2026-12-01T00:00:00", WIT, False, id="the first second after it in Jayapura, when Jakarta still has it"),
    ],
)
def test_the_local_day_of_the_violation_counts(time: str, zone: tuple[str, int], covered: bool) -> None:
    name, hours = zone
    at = datetime.fromisoformat(time).replace(tzinfo=timezone(timedelta(hours=hours)))
    violation = replace(a_violation(), occurred_at=at, timezone=name)
    assert campaign().outcome_for(violation) is (CampaignOutcome.TICKET if covered else None)


@pytest.mark.parametrize(
    ("areas", "covered"),
    [
        pytest.param([], True, id="everywhere"),
        pytest.param([{"site": "simpang"}], True, id="its site"),
        pytest.param([{"site": "elsewhere"}], False, id="another site"),
        pytest.param([{"site": "simpang", "cameras": ["cam-2", "cam-1"]}], True, id="its camera"),
        pytest.param([{"site": "simpang", "cameras": ["cam-2"]}], False, id="another camera of its site"),
        pytest.param([{"site": "elsewhere", "cameras": ["cam-1"]}], False, id="the camera of that name of another site"),
    ],
)
def test_the_area(areas: list[dict[str, Any]], covered: bool) -> None:
    violation = replace(a_violation(), camera=CameraId("cam-1"))
    assert (campaign(areas=areas).outcome_for(violation) is not None) is covered


def test_each_target_has_its_outcome_and_other_rules_none() -> None:
    found = {rule: campaign().outcome_for(a_violation(rule=rule)) for rule in ("red_light", "no_helmet", "wrong_way")}
    assert found == {"red_light": CampaignOutcome.TICKET, "no_helmet": CampaignOutcome.WARNING, "wrong_way": None}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"targets": []}, "at least 1 item", id="no target"),
        pytest.param(
            {"targets": [{"rule": "red_lamp", "outcome": "ticket"}]}, "there is no rule 'red_lamp'; there are: red_light", id="a rule"
        ),
        pytest.param({"targets": [{"rule": "red_light", "outcome": "fine"}]}, "'warning' or 'ticket'", id="an outcome"),
        pytest.param({"targets": 2 * DOCUMENT["targets"]}, "targets: 'no_helmet' is given twice", id="a rule twice"),
        pytest.param({"areas": [{"site": "a"}, {"site": "a"}]}, "areas: 'a' is given twice", id="a site twice"),
        pytest.param({"last_day": "2026-11-16"}, "is before first_day", id="ends before it begins"),
        pytest.param({"last_day": "2027-11-30"}, "a campaign has at most 366", id="longer than a year"),
        pytest.param({"first_day": "0001-01-01", "last_day": "0001-01-02"}, "not between 2000-01-01 and 2100-12-31", id="a wrong year"),
        pytest.param({"first_day": "2026-11-31"}, "first_day", id="a day that does not exist"),
        pytest.param({"campaign": "Operasi Zebra"}, "should match pattern", id="no id"),
        pytest.param({"last": "2026-11-30"}, "last: unknown key; did you mean 'last_day'?", id="misspelt"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = tmp_path / "campaign.yaml"
    path.write_text(yaml.safe_dump(DOCUMENT | changes))
    with pytest.raises(ConfigError) as error:
        load_campaign(path, LAW)
    assert message in str(error.value)


WARNS = {"targets": [{"rule": "red_light", "outcome": "warning"}], "campaign": "lilin"}


@pytest.mark.parametrize(
    ("changes", "conflicts"),
    [
        pytest.param({}, True, id="the same days everywhere"),
        pytest.param({"first_day": "2026-11-30", "last_day": "2026-12-05"}, True, id="one day in common"),
        pytest.param({"first_day": "2026-12-01", "last_day": "2026-12-05"}, False, id="no day in common"),
        pytest.param({"areas": [{"site": "a"}]}, True, id="a site of everywhere"),
        pytest.param({"targets": [{"rule": "red_light", "outcome": "ticket"}]}, False, id="the same outcome"),
        pytest.param({"targets": [{"rule": "phone", "outcome": "warning"}]}, False, id="another rule"),
        pytest.param({"campaign": "zebra"}, False, id="its own replacement"),
    ],
)
def test_campaigns_that_ask_for_a_warning_and_a_ticket_conflict(changes: dict[str, Any], conflicts: bool) -> None:
    other = campaign(**(WARNS | changes))
    if conflicts:
        with pytest.raises(ConfigError, match="lilin: for red_light it says warning, and zebra says ticket on the same days"):
            check_conflicts(other, [campaign()])
    else:
        check_conflicts(other, [campaign()])


@pytest.mark.parametrize(
    ("one", "two", "conflicts"),
    [
        pytest.param({"site": "a"}, {"site": "a"}, True, id="the same site"),
        pytest.param({"site": "a"}, {"site": "b"}, False, id="two sites"),
        pytest.param({"site": "a"}, {"site": "a", "cameras": ["x"]}, True, id="a camera of the site"),
        pytest.param({"site": "a", "cameras": ["x"]}, {"site": "a"}, True, id="the site of the camera"),
        pytest.param({"site": "a", "cameras": ["x"]}, {"site": "a", "cameras": ["y"]}, False, id="two cameras"),
        pytest.param({"site": "a", "cameras": ["x", "y"]}, {"site": "a", "cameras": ["y"]}, True, id="a camera in common"),
    ],
)
def test_campaigns_conflict_where_their_areas_meet(one: dict[str, Any], two: dict[str, Any], conflicts: bool) -> None:
    first, second = campaign(areas=[one]), campaign(**WARNS, areas=[two])
    if conflicts:
        with pytest.raises(ConfigError):
            check_conflicts(second, [first])
    else:
        check_conflicts(second, [first])
