"""`etle campaigns`: add, list and withdraw campaigns (operasi), and report their cases before, during and after."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from etle.clock import SystemClock
from etle.config.campaign import MAX_DAYS, Campaign, check_conflicts, load_campaign
from etle.errors import ConfigError
from etle_cli.options.law import open_law
from etle_cli.options.operator import operator
from etle_cli.options.storage import add_storage_options, open_existing_stores, open_stores
from etle_cli.tables.violations import wide_console

if TYPE_CHECKING:
    from rich.table import Table

    from etle.campaign_report import CampaignReport, ComparedCases, PeriodCases
    from etle.storage.campaigns import PostgresCampaigns


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("campaigns", help="add and list campaigns (operasi), and report their cases before, during and after")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    new = actions.add_parser(
        "add",
        help="add the campaign of a file, or replace the one with its id",
        description="The file has the form of configs/campaigns/operasi-zebra-2025.yaml. Pages of cases name the campaign at once.",
    )
    new.add_argument("file", metavar="FILE.yaml", type=Path)
    new.set_defaults(run=run_add)
    listed = actions.add_parser("list", help="list campaigns, the first ones first")
    listed.add_argument("--json", action="store_true", help="print one JSON object per campaign")
    listed.set_defaults(run=run_list)
    reported = actions.add_parser("report", help="count the cases before, during and after a campaign, by rule, camera and day")
    reported.add_argument("name", metavar="CAMPAIGN")
    reported.add_argument("--days", type=_days, metavar="N", help="days of the periods before and after (default: as long as the campaign)")
    reported.add_argument("--json", action="store_true", help="print the report as JSON")
    reported.set_defaults(run=run_report)
    withdrawn = actions.add_parser("withdraw", help="withdraw a campaign: pages no longer name it")
    withdrawn.add_argument("name", metavar="CAMPAIGN")
    withdrawn.set_defaults(run=run_withdraw)
    for action in (new, listed, reported, withdrawn):
        add_storage_options(action)


def run_add(args: argparse.Namespace) -> int:
    campaign = load_campaign(args.file, open_law())

    def change(campaigns: "PostgresCampaigns") -> None:
        check_conflicts(campaign, campaigns.campaigns())
        campaigns.add(campaign, operator(), SystemClock().now())

    _change(args, "campaign_added", campaign.campaign, change)
    sys.stdout.write(f"{campaign.name}: {campaign.first_day} to {campaign.last_day}, {len(campaign.targets)} targets.\n")
    return 0


def run_withdraw(args: argparse.Namespace) -> int:
    def change(campaigns: "PostgresCampaigns") -> None:
        _named(campaigns, args.name)
        campaigns.withdraw(args.name, operator(), SystemClock().now())

    _change(args, "campaign_withdrawn", args.name, change)
    sys.stdout.write(f"{args.name} is withdrawn.\n")
    return 0


def run_list(args: argparse.Namespace) -> int:
    from rich.table import Table

    with _reading(args) as campaigns:
        found = campaigns.stored()
    if args.json:
        for each in found:
            document = each.campaign.model_dump(mode="json") | {"added_by": each.added_by, "added_at": each.added_at.isoformat()}
            sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")
        return 0
    table = Table("campaign", "name", "first day", "last day", "areas", "targets", "added by")
    for each in found:
        campaign = each.campaign
        table.add_row(
            campaign.campaign,
            campaign.name,
            str(campaign.first_day),
            str(campaign.last_day),
            ", ".join(" ".join([area.site, *area.cameras]) for area in campaign.areas) or "everywhere",
            ", ".join(f"{target.rule} ({target.outcome})" for target in campaign.targets),
            each.added_by,
        )
    wide_console().print(table if found else "No campaigns yet. Add one: etle campaigns add FILE.yaml")
    return 0


def run_report(args: argparse.Namespace) -> int:
    from etle.campaign_report import CampaignPeriod, campaign_report, report_json, report_spans

    with _reading(args) as campaigns:
        campaign = _named(campaigns, args.name)
        spans = report_spans(campaign, args.days)
        counted = campaigns.counts(campaign, spans[CampaignPeriod.BEFORE][0], spans[CampaignPeriod.AFTER][1])
    report = campaign_report(campaign, counted, SystemClock().now(), args.days)
    if args.json:
        sys.stdout.write(json.dumps(report_json(report), indent=2, ensure_ascii=False) + "\n")
    else:
        for table in report_tables(report):
            wide_console().print(table)
    return 0


def report_tables(report: "CampaignReport") -> Iterator["Table"]:
    """By rule with the total, by camera, and by day."""
    from rich.table import Table

    from etle.campaign_report import STATES, CampaignPeriod

    spans = ", ".join(
        f"{period} {first} to {last} ({report.complete_days[period]} complete days)" for period, (first, last) in report.spans.items()
    )
    for heading, rows in (("rule", (*report.rules, report.total)), ("camera", report.cameras)):
        table = Table(
            heading, *CampaignPeriod, "change", "change after", *(str(state) for state in STATES), title=f"{report.campaign.name}: {spans}"
        )
        for each in rows:
            table.add_row(each.name or "all", *_compared_cells(each))
        yield table
    days = Table("day", "period", "cases", *(str(state) for state in STATES))
    for day in report.days:
        cases = str(day.cases) if day.complete else f"{day.cases} (not over)"
        days.add_row(str(day.day), day.period, cases, *(str(number) for number in day.states.values()))
    yield days


def _compared_cells(compared: "ComparedCases") -> Iterator[str]:
    """Cases of each period with their average per day, the changes, and the states of the cases during the campaign."""
    from etle.campaign_report import CampaignPeriod

    yield from (_period(each) for each in compared.periods.values())
    yield from ("" if change is None else f"{change:+.0%}" for change in (compared.change, compared.change_after))
    yield from (str(cases) for cases in compared.periods[CampaignPeriod.DURING].states.values())


def _period(found: "PeriodCases") -> str:
    return f"{found.cases}" if found.per_day is None else f"{found.cases} ({found.per_day:.1f} a day)"


def _named(campaigns: "PostgresCampaigns", name: str) -> Campaign:
    found = {each.campaign: each for each in campaigns.campaigns()}
    if name not in found:
        raise ConfigError(f"there is no campaign {name!r}; there are: {', '.join(found) or 'none'}")
    return found[name]


@contextmanager
def _reading(args: argparse.Namespace) -> Iterator["PostgresCampaigns"]:
    from etle.storage.campaigns import PostgresCampaigns

    with open_existing_stores(args) as stores:
        yield PostgresCampaigns(stores.database)


def _change(args: argparse.Namespace, action: str, name: str, change: Callable[["PostgresCampaigns"], None]) -> None:
    """With a signed line in the access log, whose head is exported afterwards."""
    from etle.storage.campaigns import PostgresCampaigns
    from etle.storage.users import COMMAND_LINE, AccessEntry, Users

    with open_stores(args) as stores:
        signer = stores.row_signer
        with stores.exporting_heads(signer):
            change(PostgresCampaigns(stores.database))
            entry = AccessEntry(at=SystemClock().now(), who=operator(), address=COMMAND_LINE, action=action, detail=name)
            Users(stores.database, signer).record(entry)


def _days(text: str) -> int:
    days = int(text) if text.isascii() and text.isdigit() else 0
    if not 1 <= days <= MAX_DAYS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of days from 1 to {MAX_DAYS}")
    return days
