"""National holidays and collective days of leave (cuti bersama) of Indonesia. The only file that imports the package `holidays`.

Dates of Islamic, Hindu and Buddhist holidays are decreed a year ahead. The package estimates those of later years, which may be wrong by
a day: such a day, and the days beside it, may be holidays, and no rule treats them as certain.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from typing import Final

from etle.errors import MissingExtra

_ESTIMATED: Final = "perkiraan"
"""In the Indonesian name of a holiday whose date is estimated."""
_NEXT_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class DayKind:
    certainly_holiday: bool
    certainly_no_holiday: bool
    name: str
    """In Indonesian; empty if the day is no holiday."""


def day_kind_of(day: date) -> DayKind:
    """Raises MissingExtra without the package `holidays`."""
    names = _names_of(day)
    beside = (*_names_of(day - _NEXT_DAY), *_names_of(day + _NEXT_DAY))
    estimated = [name for name in (*names, *beside) if _ESTIMATED in name]
    return DayKind(
        certainly_holiday=any(_ESTIMATED not in name for name in names),
        certainly_no_holiday=not names and not estimated,
        name="; ".join(names),
    )


def _names_of(day: date) -> tuple[str, ...]:
    return tuple(name for name in _calendar(day.year).get(day, "").split("; ") if name)


@cache
def _calendar(year: int) -> dict[date, str]:
    try:
        import holidays
    except ImportError as error:
        raise MissingExtra("holidays", "detect") from error
    return dict(holidays.country_holidays("ID", years=year, language="id", categories=("public", "government")))
