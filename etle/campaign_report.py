"""Cases before, during and after a campaign, by rule, camera and day: its target rules in its area, counted by the local day of each case.

The periods before and after have as many days as the campaign, or as many as asked for. A day is complete when it has ended everywhere in
Indonesia; averages per day are those of complete days, so that a period that is not over is not taken for a quiet one.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from zoneinfo import ZoneInfo

from etle.config.campaign import Campaign
from etle.types import Verdict

LAST_ZONE: Final = ZoneInfo("Asia/Jakarta")
"""The zone of Indonesia in which a day ends last."""
FIRST_ZONE: Final = ZoneInfo("Asia/Jayapura")
"""The one in which a day begins first."""
STATES: Final = ("open", *Verdict)


class CampaignPeriod(StrEnum):
    BEFORE = "before"
    DURING = "during"
    AFTER = "after"


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyCases:
    """Number of cases of one rule at one camera on one local day, in one state: `open`, or the last verdict."""

    rule: str
    site: str
    camera: str
    day: date
    state: str
    cases: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodCases:
    """Cases of a period, and by state; `per_day` is the average of the complete days, None if there is none."""

    cases: int
    states: Mapping[str, int]
    per_day: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedCases:
    """The three periods of all cases, or of those of a rule or a camera."""

    name: str
    periods: Mapping[CampaignPeriod, PeriodCases]

    @property
    def change(self) -> float | None:
        """Of the average per day, from before to during, as a fraction; None if it cannot be told."""
        return self._change(CampaignPeriod.DURING)

    @property
    def change_after(self) -> float | None:
        """The same from before to after."""
        return self._change(CampaignPeriod.AFTER)

    def _change(self, period: CampaignPeriod) -> float | None:
        before, then = self.periods[CampaignPeriod.BEFORE].per_day, self.periods[period].per_day
        return then / before - 1 if before and then is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignDay:
    day: date
    period: CampaignPeriod
    complete: bool
    cases: int
    states: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignReport:
    campaign: Campaign
    spans: Mapping[CampaignPeriod, tuple[date, date]]
    """First and last day, both included."""
    complete_days: Mapping[CampaignPeriod, int]
    total: ComparedCases
    rules: tuple[ComparedCases, ...]
    """In the order of the targets, also those without a case."""
    cameras: tuple[ComparedCases, ...]
    """`site/camera`, those with a case."""
    days: tuple[CampaignDay, ...]
    """Every day of the three periods that has begun."""


def report_spans(campaign: Campaign, days: int | None = None) -> Mapping[CampaignPeriod, tuple[date, date]]:
    """`days`: length of the periods before and after; None: as long as the campaign."""
    length = timedelta(days=days or campaign.days)
    day = timedelta(days=1)
    return {
        CampaignPeriod.BEFORE: (campaign.first_day - length, campaign.first_day - day),
        CampaignPeriod.DURING: (campaign.first_day, campaign.last_day),
        CampaignPeriod.AFTER: (campaign.last_day + day, campaign.last_day + length),
    }


def campaign_report(campaign: Campaign, counted: Sequence[DailyCases], now: datetime, days: int | None = None) -> CampaignReport:
    """`counted`: the cases of all three periods."""
    today, spans = now.astimezone(LAST_ZONE).date(), report_spans(campaign, days)
    tally = _Tally(spans, today)
    begun = now.astimezone(FIRST_ZONE).date()
    return CampaignReport(
        campaign=campaign,
        spans=spans,
        complete_days=tally.complete,
        total=tally.compared("", counted),
        rules=tuple(tally.compared(rule, [each for each in counted if each.rule == rule]) for rule in campaign.rules),
        cameras=tuple(tally.compared(name, found) for name, found in sorted(_grouped(counted, _camera).items())),
        days=tuple(tally.day(day, period, counted) for period, span in spans.items() for day in _days(*span) if day <= begun),
    )


def report_json(report: CampaignReport) -> dict[str, Any]:
    campaign = report.campaign
    return {
        "campaign": campaign.model_dump(mode="json"),
        "periods": {
            period.value: {"first_day": first.isoformat(), "last_day": last.isoformat(), "complete_days": report.complete_days[period]}
            for period, (first, last) in report.spans.items()
        },
        "total": _compared_json(report.total),
        "rules": [{"rule": each.name, "outcome": campaign.outcome_of(each.name)} | _compared_json(each) for each in report.rules],
        "cameras": [{"camera": each.name} | _compared_json(each) for each in report.cameras],
        "days": [
            {"day": each.day.isoformat(), "period": each.period.value, "complete": each.complete, "cases": each.cases} | dict(each.states)
            for each in report.days
        ],
    }


@dataclass(frozen=True, slots=True)
class _Tally:
    spans: Mapping[CampaignPeriod, tuple[date, date]]
    today: date

    @property
    def complete(self) -> Mapping[CampaignPeriod, int]:
        return {period: sum(day < self.today for day in _days(*span)) for period, span in self.spans.items()}

    def compared(self, name: str, counted: Sequence[DailyCases]) -> ComparedCases:
        return ComparedCases(name=name, periods={period: self._period(period, span, counted) for period, span in self.spans.items()})

    def day(self, day: date, period: CampaignPeriod, counted: Sequence[DailyCases]) -> CampaignDay:
        found = [each for each in counted if each.day == day]
        return CampaignDay(day=day, period=period, complete=day < self.today, cases=_cases(found), states=_states(found))

    def _period(self, period: CampaignPeriod, span: tuple[date, date], counted: Sequence[DailyCases]) -> PeriodCases:
        found = [each for each in counted if span[0] <= each.day <= span[1]]
        complete, days = _cases(each for each in found if each.day < self.today), self.complete[period]
        return PeriodCases(cases=_cases(found), states=_states(found), per_day=complete / days if days else None)


def _days(first: date, last: date) -> Iterable[date]:
    return (first + timedelta(days=number) for number in range((last - first).days + 1))


def _cases(counted: Iterable[DailyCases]) -> int:
    return sum(each.cases for each in counted)


def _states(counted: Sequence[DailyCases]) -> Mapping[str, int]:
    return {str(state): _cases(each for each in counted if each.state == state) for state in STATES}


def _camera(each: DailyCases) -> str:
    return f"{each.site}/{each.camera}"


def _grouped(counted: Sequence[DailyCases], key: Callable[[DailyCases], str]) -> dict[str, list[DailyCases]]:
    found: dict[str, list[DailyCases]] = {}
    for each in counted:
        found.setdefault(key(each), []).append(each)
    return found


def _compared_json(compared: ComparedCases) -> dict[str, Any]:
    periods = {
        period.value: {"cases": found.cases, "per_day": found.per_day} | dict(found.states) for period, found in compared.periods.items()
    }
    return periods | {"change": compared.change, "change_after": compared.change_after}
