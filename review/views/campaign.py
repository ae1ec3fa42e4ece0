"""The campaigns in which a violation happened, and what they ask reviewers to give."""

from collections.abc import Iterable
from dataclasses import dataclass

from etle.config.campaign import Campaign, CampaignOutcome
from etle.types import Violation
from review.i18n import Translator


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignView:
    name: str
    outcome: CampaignOutcome
    label: str
    help: str


def campaign_views(violation: Violation, campaigns: Iterable[Campaign], t: Translator) -> tuple[CampaignView, ...]:
    return tuple(
        CampaignView(name=each.name, outcome=outcome, label=t(f"campaign.{outcome}"), help=t(f"campaign.{outcome}.help"))
        for each in campaigns
        if (outcome := each.outcome_for(violation)) is not None
    )
