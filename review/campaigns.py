"""Campaigns, and their cases before, during and after: pages of supervisors and auditors."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Annotated, Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import Response

from etle.campaign_report import CampaignDay, CampaignPeriod, CampaignReport, ComparedCases, campaign_report, report_spans
from etle.config.campaign import MAX_DAYS, Campaign, CampaignOutcome
from etle.types import Verdict
from review.browse import rule_names
from review.deps import deps_of
from review.i18n import Translator, translator_of
from review.pages import LOCAL_ZONE, Page
from review.permissions import Permission, Viewer
from review.session import record_access, require_any
from review.views.verdict import verdict_label

router = APIRouter()
CAMPAIGNS: Final = Page(template="campaigns.html", nav="campaigns")
CAMPAIGN: Final = Page(template="campaign.html", nav="campaigns")
BAR_WIDTH: Final = 100

Browser = Annotated[Viewer, Depends(require_any(Permission.BROWSE))]


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignRow:
    id: str
    name: str
    days: str
    areas: str
    targets: tuple[tuple[str, CampaignOutcome, str], ...]
    """Name of the rule, its outcome, and that in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodCell:
    """`change`: of the cases per day, against the period before; empty if it cannot be told."""

    period: CampaignPeriod
    cases: str
    per_day: str
    change: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedRow:
    """A row of a table: what it counts, its three periods, and the states of the cases during the campaign."""

    name: str
    outcome: str
    periods: tuple[PeriodCell, ...]
    verdicts: tuple[str, ...]
    """Open, and each verdict."""
    url: str | None
    """The list of these cases."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DayRow:
    day: str
    period: CampaignPeriod
    complete: bool
    cases: str
    verdicts: tuple[str, ...]
    bar: float
    """0 to `BAR_WIDTH`, that of the day with the most cases."""
    url: str


@router.get("/campaigns")
def campaigns(request: Request, viewer: Browser) -> Response:
    deps, t = deps_of(request), translator_of(request)
    record_access(deps, viewer, "campaigns_viewed")
    rows = [campaign_row(each, rule_names(deps.law, t), t) for each in reversed(deps.campaigns.campaigns())]
    return CAMPAIGNS.render(request, viewer, rows=rows)


@router.get("/campaigns/{campaign_id}")
def campaign(request: Request, viewer: Browser, campaign_id: str, days: Annotated[int | None, Query(ge=1, le=MAX_DAYS)] = None) -> Response:
    """`days`: length of the periods before and after."""
    deps, t = deps_of(request), translator_of(request)
    found = deps.campaigns.campaign(campaign_id)
    if found is None:
        raise HTTPException(404)
    record_access(deps, viewer, "campaigns_viewed", detail=campaign_id)
    spans = report_spans(found, days)
    counted = deps.campaigns.counts(found, spans[CampaignPeriod.BEFORE][0], spans[CampaignPeriod.AFTER][1])
    report = campaign_report(found, counted, deps.clock.now(), days)
    names, cameras = rule_names(deps.law, t), {str(id_): name for id_, name in deps.cases.cameras().items()}
    most = max((each.cases for each in report.days), default=0)
    return CAMPAIGN.render(
        request,
        viewer,
        campaign=campaign_row(found, names, t),
        spans={period: (_span(first, last, t), report.complete_days[period]) for period, (first, last) in report.spans.items()},
        states=[t("case.open"), *(verdict_label(verdict, t) for verdict in Verdict)],
        total=_compared(report.total, t("campaign.all"), "", None, t),
        rules=[_rule(each, report, names, t) for each in report.rules],
        cameras=[_camera(each, report, cameras, t) for each in report.cameras],
        days=[_day(each, most, t) for each in report.days],
    )


def campaign_row(found: Campaign, names: Mapping[str, str], t: Translator) -> CampaignRow:
    return CampaignRow(
        id=found.campaign,
        name=found.name,
        days=_span(found.first_day, found.last_day, t),
        areas=", ".join("/".join([area.site, *([" ".join(area.cameras)] if area.cameras else [])]) for area in found.areas)
        or t("campaign.everywhere"),
        targets=tuple((names.get(each.rule, each.rule), each.outcome, t(f"campaign.{each.outcome}")) for each in found.targets),
    )


def _rule(compared: ComparedCases, report: CampaignReport, names: Mapping[str, str], t: Translator) -> ComparedRow:
    outcome = report.campaign.outcome_of(compared.name)
    assert outcome is not None, "the rules of a report are those of the campaign's targets"
    return _compared(compared, names.get(compared.name, compared.name), t(f"campaign.{outcome}"), _list_url(report, rule=compared.name), t)


def _camera(compared: ComparedCases, report: CampaignReport, names: Mapping[str, str], t: Translator) -> ComparedRow:
    site, _, camera = compared.name.partition("/")
    return _compared(compared, f"{names.get(camera, camera)} ({site})", "", _list_url(report, camera=camera), t)


def _compared(compared: ComparedCases, name: str, outcome: str, url: str | None, t: Translator) -> ComparedRow:
    changes = {CampaignPeriod.DURING: compared.change, CampaignPeriod.AFTER: compared.change_after}
    return ComparedRow(
        name=name,
        outcome=outcome,
        periods=tuple(
            PeriodCell(
                period=period,
                cases=t.number(found.cases),
                per_day=t.number(found.per_day, 1) if found.per_day is not None else "–",
                change=_change(changes.get(period), t),
            )
            for period, found in compared.periods.items()
        ),
        verdicts=tuple(t.number(cases) for cases in compared.periods[CampaignPeriod.DURING].states.values()),
        url=url,
    )


def _day(day: CampaignDay, most: int, t: Translator) -> DayRow:
    noon = datetime.combine(day.day, time(12), ZoneInfo(LOCAL_ZONE))
    return DayRow(
        day=t.date(noon, LOCAL_ZONE),
        period=day.period,
        complete=day.complete,
        cases=t.number(day.cases),
        verdicts=tuple(t.number(cases) for cases in day.states.values()),
        bar=BAR_WIDTH * day.cases / most if most else 0,
        url="/cases?" + urlencode({"from": day.day.isoformat(), "to": day.day.isoformat()}),
    )


def _change(change: float | None, t: Translator) -> str:
    if change is None:
        return ""
    percent = round(change * 100)
    return f"{'+' if percent > 0 else ''}{t.number(percent)} %"


def _span(first: date, last: date, t: Translator) -> str:
    return f"{t.day(first)} – {t.day(last)}"


def _list_url(report: CampaignReport, **filters: str) -> str:
    first, last = report.spans[CampaignPeriod.DURING]
    return "/cases?" + urlencode(filters | {"from": first.isoformat(), "to": last.isoformat()})
