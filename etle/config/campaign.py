"""A campaign (operasi): a time and an area in which some rules are enforced in particular, with a warning or a ticket for each.

Days are those at the place of a violation: a campaign begins two hours earlier in Jayapura than in Jakarta.
"""

from collections.abc import Iterable, Iterator
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Final, Self
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from etle.config.law import Law
from etle.config.strict_yaml import Name, Section, read_yaml, validate
from etle.errors import ConfigError
from etle.types import RuleName, Violation

MAX_DAYS: Final = 366
_FIRST, _LAST = date(2000, 1, 1), date(2100, 12, 31)


class CampaignOutcome(StrEnum):
    """What a reviewer is asked to give for a violation that is right: a warning (teguran) or a ticket (tilang)."""

    WARNING = "warning"
    TICKET = "ticket"


class CampaignTarget(Section):
    rule: str
    outcome: CampaignOutcome


class CampaignArea(Section):
    """A site, or some of its cameras."""

    site: Name
    cameras: tuple[Name, ...] = Field((), description="All cameras of the site, if there are none.")

    def has(self, site: str, camera: str) -> bool:
        return site == self.site and (not self.cameras or camera in self.cameras)


class Campaign(Section):
    """A file of `etle campaigns add`."""

    campaign: Name = Field(description="Its id, by which a later file replaces it.")
    name: str = Field(min_length=1, max_length=80, description="As it is shown, such as Operasi Zebra 2026.")
    first_day: date
    last_day: date = Field(description="Included.")
    areas: tuple[CampaignArea, ...] = Field((), description="Everywhere, if there are none.")
    targets: tuple[CampaignTarget, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def consistent(self) -> Self:
        if self.last_day < self.first_day:
            raise ValueError(f"last_day {self.last_day} is before first_day {self.first_day}")
        if not _FIRST <= self.first_day <= self.last_day <= _LAST:
            raise ValueError(f"its days are not between {_FIRST} and {_LAST}")
        if self.days > MAX_DAYS:
            raise ValueError(f"has {self.days} days; a campaign has at most {MAX_DAYS}")
        for key, names in (("targets", [each.rule for each in self.targets]), ("areas", [each.site for each in self.areas])):
            if repeated := sorted({name for name in names if names.count(name) > 1}):
                raise ValueError(f"{key}: {repeated[0]!r} is given twice")
        return self

    @property
    def days(self) -> int:
        return (self.last_day - self.first_day).days + 1

    @property
    def rules(self) -> tuple[str, ...]:
        return tuple(target.rule for target in self.targets)

    def covers(self, site: str, camera: str) -> bool:
        return not self.areas or any(area.has(site, camera) for area in self.areas)

    def outcome_of(self, rule: str) -> CampaignOutcome | None:
        return next((target.outcome for target in self.targets if target.rule == rule), None)

    def outcome_for(self, violation: Violation) -> CampaignOutcome | None:
        """None if the campaign does not cover the violation: another rule, place or local day."""
        day = violation.occurred_at.astimezone(ZoneInfo(violation.timezone)).date()
        if not (self.first_day <= day <= self.last_day and self.covers(violation.site, violation.camera)):
            return None
        return self.outcome_of(violation.rule)


def load_campaign(path: Path, law: Law) -> Campaign:
    """Raises ConfigError if the file is wrong, or names a rule that has no offence."""
    campaign = validate(read_yaml(path), Campaign, str(path))
    if unknown := [rule for rule in campaign.rules if RuleName(rule) not in law.offences]:
        raise ConfigError(f"{path}: targets: there is no rule {unknown[0]!r}; there are: {', '.join(law.offences)}")
    return campaign


def check_conflicts(campaign: Campaign, others: Iterable[Campaign]) -> None:
    """Raises ConfigError if a reviewer would be told to give both a warning and a ticket for one violation."""
    for other in others:
        rules = [rule for rule in campaign.rules if other.outcome_of(rule) not in (None, campaign.outcome_of(rule))]
        overlap = campaign.first_day <= other.last_day and other.first_day <= campaign.last_day
        if other.campaign != campaign.campaign and rules and overlap and _share_a_place(campaign, other):
            raise ConfigError(
                f"{campaign.campaign}: for {rules[0]} it says {campaign.outcome_of(rules[0])}, and {other.campaign} says "
                f"{other.outcome_of(rules[0])} on the same days and at the same place. Change one of them, or `etle campaigns withdraw` it"
            )


def _share_a_place(one: Campaign, two: Campaign) -> bool:
    if not one.areas or not two.areas:
        return True
    return any(two.covers(site, camera) for site, camera in _places(one)) or any(one.covers(site, camera) for site, camera in _places(two))


def _places(campaign: Campaign) -> Iterator[tuple[str, str]]:
    """Site and camera; an empty camera, which is no camera's id, for all cameras of a site."""
    for area in campaign.areas:
        yield from ((area.site, camera) for camera in area.cameras or ("",))
