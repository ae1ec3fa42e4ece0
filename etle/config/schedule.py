"""When a rule applies: days of the week, hours in the site's time zone, and national holidays."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Final, Self
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from etle.config.strict_yaml import Section

_DAY_MINUTES: Final = 24 * 60


class Day(StrEnum):
    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


EVERY_DAY: Final = tuple(Day)
WEEKDAYS: Final = EVERY_DAY[:5]


class Holidays(StrEnum):
    """What a national holiday, or a collective day of leave (cuti bersama), means for the hours of its day."""

    ALSO = "also"  # the hours hold as on every other day
    NOT = "not"  # they do not
    ONLY = "only"  # they hold on holidays alone


class RuleHours(Section):
    """RuleHours of some days. RuleHours past midnight belong to the day on which they begin."""

    days: tuple[Day, ...] = Field(EVERY_DAY, min_length=1, description="mon, tue, wed, thu, fri, sat, sun.")
    hours: str = Field(
        "00:00-24:00",
        pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$",
        description="From and to, such as 06:00-10:00, in the time zone of the site; 22:00-05:00 goes past midnight.",
    )
    holidays: Holidays = Field(Holidays.ALSO, description="On national holidays and collective days of leave: also, not, only.")

    @model_validator(mode="after")
    def has_length(self) -> Self:
        if self.start == self.end:
            raise ValueError(f"`hours` {self.hours!r} begin when they end")
        return self

    @property
    def start(self) -> int:
        """Minute of the day."""
        return _minutes(self.hours.partition("-")[0])

    @property
    def end(self) -> int:
        """Minute of the day, exclusive; before `start` if it is on the next day."""
        return _minutes(self.hours.partition("-")[2])

    def holds_at(self, local: datetime) -> bool:
        """`local`: in the time zone of the site."""
        minute = local.hour * 60 + local.minute
        if self.start < self.end:
            return self.start <= minute < self.end and self._holds_on(local.date())
        began = local.date() if minute >= self.start else local.date() - timedelta(days=1)
        return (minute >= self.start or minute < self.end) and self._holds_on(began)

    def _holds_on(self, day: date) -> bool:
        if EVERY_DAY[day.weekday()] not in self.days:
            return False
        if self.holidays is Holidays.ALSO:
            return True
        from etle.holidays import day_kind_of  # the package is needed only by those who ask for holidays

        kind = day_kind_of(day)
        return kind.certainly_holiday if self.holidays is Holidays.ONLY else kind.certainly_no_holiday


class RuleSchedule(Section):
    """RuleHours in which a rule applies; always, if none are given. `except_days`: further days on which it does not."""

    hours: tuple[RuleHours, ...] = Field((), description="Always, if there are none.")
    except_days: tuple[date, ...] = Field((), description="Days on which it does not apply: regional holidays, closed roads.")

    def holds_at(self, at: datetime, timezone: str) -> bool:
        local = at.astimezone(ZoneInfo(timezone))
        return local.date() not in self.except_days and (not self.hours or any(hours.holds_at(local) for hours in self.hours))

    def holds_throughout(self, start: datetime, end: datetime, timezone: str) -> bool:
        """Whether it applies at both moments and at every full minute between them."""
        return all(self.holds_at(at, timezone) for at in _minutes_between(start, end))


def _minutes(text: str) -> int:
    hours, _, minutes = text.partition(":")
    return _DAY_MINUTES if text == "24:00" else time(int(hours), int(minutes)).hour * 60 + int(minutes)


def _minutes_between(start: datetime, end: datetime) -> Iterator[datetime]:
    yield start
    moment = start.replace(second=0, microsecond=0) + timedelta(minutes=1)
    while moment < end:
        yield moment
        moment += timedelta(minutes=1)
    yield end
