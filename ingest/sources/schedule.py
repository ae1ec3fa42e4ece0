"""The hours at which a camera is read."""

from collections.abc import Sequence
from datetime import datetime, time, timedelta, tzinfo

from etle.config.sources import DAYS, Hours


def is_scheduled(hours: Sequence[Hours], moment: datetime, timezone: tzinfo) -> bool:
    """True if one of `hours` covers the moment in local time. Without hours the camera is always read."""
    return not hours or any(_covers(each, moment.astimezone(timezone)) for each in hours)


def _covers(hours: Hours, local: datetime) -> bool:
    """Hours that run past midnight belong to the day on which they begin."""
    today, yesterday = (DAYS[day.weekday()] in hours.days for day in (local, local - timedelta(days=1)))
    begins, ends, now = time.fromisoformat(hours.begins), hours.ends, local.time()
    if ends == "24:00":
        return today and now >= begins
    past_midnight = time.fromisoformat(ends) <= begins
    if not past_midnight:
        return today and begins <= now < time.fromisoformat(ends)
    return (today and now >= begins) or (yesterday and now < time.fromisoformat(ends))
