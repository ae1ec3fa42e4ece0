"""Options for a range of time: `--from` and `--to`."""

import argparse
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from etle.config.site import Site
from etle.errors import ConfigError


def add_period_options(parser: argparse.ArgumentParser, *, required: bool = False, zone: str = "the site's time zone") -> None:
    text = f"ISO 8601, such as 2026-11-23T10:00; without an offset in {zone}"
    parser.add_argument("--from", dest="since", metavar="TIME", type=_time, required=required, help=f"beginning, inclusive: {text}")
    parser.add_argument("--to", dest="until", metavar="TIME", type=_time, required=required, help="end, exclusive")


def period(args: argparse.Namespace, site: Site) -> tuple[datetime | None, datetime | None]:
    """Beginning and end in UTC. Raises ConfigError if the end is not after the beginning."""
    return period_in(args, site.timezone)


def period_in(args: argparse.Namespace, timezone: str) -> tuple[datetime | None, datetime | None]:
    """As `period`, for a command without a site file."""
    since, until = (_in_utc(at, timezone) if at else None for at in (args.since, args.until))
    if since and until and since >= until:
        raise ConfigError(f"--to {args.until.isoformat()} is not after --from {args.since.isoformat()}")
    return since, until


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no time in ISO 8601, such as 2026-11-23T10:00") from error


def _in_utc(at: datetime, zone: str) -> datetime:
    return (at if at.tzinfo else at.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)
