"""Campaigns in PostgreSQL. Rows are only added: the last one of an id is in force, and one without a document withdraws it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from etle.campaign_report import DailyCases
from etle.config.campaign import Campaign
from etle.config.strict_yaml import validate
from etle.storage.database import Database
from etle.storage.queries import sql

_MARGIN: Final = timedelta(days=1)
"""A local day begins and ends at most 14 hours before or after the day in UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCampaign:
    campaign: Campaign
    added_by: str
    added_at: datetime


class PostgresCampaigns:
    """Each method is one short transaction; safe to use from several threads and processes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, campaign: Campaign, by: str, at: datetime) -> None:
        """Also replaces an earlier one of the same id."""
        self._insert(campaign.campaign, campaign.model_dump_json(), by, at)

    def withdraw(self, campaign: str, by: str, at: datetime) -> None:
        """From now on no page names it. Its rows are kept."""
        self._insert(campaign, None, by, at)

    def stored(self) -> Sequence[StoredCampaign]:
        """Those in force, in the order of their first days. Raises ConfigError for one that this version cannot read."""
        with self._database.autocommit() as cursor:
            cursor.execute(sql("select_campaigns"))
            rows = cursor.fetchall()
        found = [
            StoredCampaign(
                campaign=validate(json.loads(row.document), Campaign, f"campaign {row.campaign}"),
                added_by=row.added_by,
                added_at=row.added_at.astimezone(UTC),
            )
            for row in rows
        ]
        return sorted(found, key=lambda each: (each.campaign.first_day, each.campaign.campaign))

    def campaigns(self) -> Sequence[Campaign]:
        return [each.campaign for each in self.stored()]

    def campaign(self, campaign: str) -> Campaign | None:
        return next((each for each in self.campaigns() if each.campaign == campaign), None)

    def counts(self, campaign: Campaign, first_day: date, last_day: date) -> Sequence[DailyCases]:
        """Cases of its target rules in its area, from one local day to another, both included."""
        areas = [{"site": area.site, "cameras": list(area.cameras)} for area in campaign.areas]
        parameters = {
            "rules": list(campaign.rules),
            "areas": json.dumps(areas) if areas else None,
            "first_day": first_day,
            "last_day": last_day,
            "since": datetime.combine(first_day, time(), UTC) - _MARGIN,
            "until": datetime.combine(last_day, time(), UTC) + 2 * _MARGIN,
        }
        with self._database.transaction() as cursor:
            cursor.execute(sql("count_campaign_cases"), parameters)
            return [DailyCases(**row._asdict()) for row in cursor.fetchall()]

    def _insert(self, campaign: str, document: str | None, by: str, at: datetime) -> None:
        row = {"campaign": campaign, "document": document, "added_by": by, "added_at": at}
        with self._database.transaction() as cursor:
            cursor.execute(sql("insert_campaign"), row)
