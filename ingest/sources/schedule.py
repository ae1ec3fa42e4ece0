"""At which hours a camera is watched."""

from collections.abc import Sequence
from datetime import datetime, time, timedelta, tzinfo

from etle.config.sources import DAYS, Hours


def watched(hours: Sequence[Hours], moment: datetime, zone: tzinfo) -> bool:
    """Whether one of them holds at that moment, by the clocks of that zone. None of them at all: always."""
    return not hours or any(_holds(each, moment.astimezone(zone)) for each in hours)


def _holds(hours: Hours, local: datetime) -> bool:
    """Those that run over midnight belong to the day on which they begin."""
    today, yesterday = (DAYS[day.weekday()] in hours.days for day in (local, local - timedelta(days=1)))
    begins, ends, now = time.fromisoformat(hours.begins), hours.ends, local.time()
    if ends == "24:00":
        return today and now >= begins
    over_midnight = time.fromisoformat(ends) <= begins
    if not over_midnight:
        return today and begins <= now < time.fromisoformat(ends)
    return (today and now >= begins) or (yesterday and now < time.fromisoformat(ends))
