"""Decides when the pictures of a folder were taken, from all their names and EXIF data together.

One name alone tells little: a serial number looks like seconds since 1970, and a running number behind the second like its fraction. Many
names tell: a time that never changes is no clock, and numbers that count up in every second are no fractions. Where nothing is told, or the
times would put pictures a millisecond apart, `fps` has to be given: speeds must not depend on a guess.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import groupby, pairwise
from statistics import median

_IN_NAME = re.compile(
    r"(?<!\d)(20\d\d)[-_.]?([01]\d)[-_.]?([0-3]\d)[-_. T]?([0-2]\d)[-_.:h]?([0-5]\d)[-_.:m]?([0-5]\d)(?:[-_.,](\d{1,6})|(\d{3}))?(?!\d)"
)
"""Date and time; the milliseconds may follow without a separator, as some recorders write them."""
_EPOCH_IN_NAME = re.compile(r"(?<!\d)(1\d{9})(\d{3})?(?!\d)")
_MIN_STEP_S = 0.004
_MAX_SHORT_STEPS = 0.2
"""Share of steps below `_MIN_STEP_S`, at which the times are not believed."""
_FILLED = 0.6
"""Share of a fraction's range that a real fraction reaches; a running number of the pictures in a second stays below it."""
_AHEAD = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class TimeStamp:
    """A time as it is written: the second, and the digits of its fraction, empty if there are none."""

    second: datetime
    digits: str = ""
    dated: bool = True
    """False for a bare number, which may be something else than a time."""

    @property
    def moment(self) -> datetime:
        return self.second + timedelta(seconds=float(f"0.{self.digits or 0}"))


def of_moment(moment: datetime) -> TimeStamp:
    return TimeStamp(moment.replace(microsecond=0), f"{moment.microsecond:06}" if moment.microsecond else "")


def in_name(name: str, local: tzinfo) -> TimeStamp | None:
    """The time in a file name, as recorders write it; None if there is none. Times without an offset are those of `local`."""
    if match := _IN_NAME.search(name):
        *parts, fraction, attached = match.groups()
        try:
            second = datetime.strptime("".join(parts), "%Y%m%d%H%M%S").replace(tzinfo=local)
        except ValueError:
            return None
        return TimeStamp(second.astimezone(UTC), fraction or attached or "")
    if match := _EPOCH_IN_NAME.search(name):
        return TimeStamp(datetime.fromtimestamp(int(match[1]), UTC), match[2] or "", dated=False)
    return None


@dataclass(frozen=True, slots=True)
class FolderTimes:
    """Times of the pictures of a folder by their index; None where nothing tells. `problem`: why the times cannot be used without `fps`."""

    moments: tuple[datetime | None, ...]
    problem: str = ""


def picture_times(stamps: Sequence[TimeStamp | None], fps: float | None, now: datetime) -> FolderTimes:
    """`stamps`: of all pictures, in order. Later than `now` is no time at all."""
    known = [stamp if stamp is not None and stamp.second < now + _AHEAD else None for stamp in stamps]
    told = [stamp for stamp in known if stamp is not None]
    if len(told) > 1 and len({(stamp.second, stamp.digits) for stamp in told}) == 1:
        return _all_the_same(told[0], len(stamps), fps)
    if _digits_count_pictures(told):
        known = [replace(stamp, digits="") if stamp else None for stamp in known]
        told = [replace(stamp, digits="") for stamp in told]
    repeated = len({stamp.moment for stamp in told}) < len(told)
    if fps is None and repeated:
        return _spread(known)
    moments = tuple(stamp.moment if stamp else None for stamp in known)
    return FolderTimes(moments, "" if fps is not None else _too_close([stamp.moment for stamp in told]))


def _all_the_same(stamp: TimeStamp, count: int, fps: float | None) -> FolderTimes:
    if not stamp.dated:
        return FolderTimes((None,) * count)
    if fps is None:
        return FolderTimes((None,) * count, "all have the same time")
    return FolderTimes(tuple(stamp.moment + timedelta(microseconds=round(number * 1e6 / fps)) for number in range(count)))


def _by_second(stamps: Sequence[TimeStamp]) -> list[list[TimeStamp]]:
    return [list(group) for _, group in groupby(stamps, key=lambda stamp: stamp.second)]


def _digits_count_pictures(stamps: Sequence[TimeStamp]) -> bool:
    """True if the digits are a running number, as `%q` of Motion, and no fraction: in each second they increase by one."""
    groups = [[int(stamp.digits) for stamp in group] for group in _by_second(stamps) if all(stamp.digits for stamp in group)]
    if not any(len(group) > 1 for group in groups) or sum(map(len, groups)) < len(stamps):
        return False
    if any(after - before != 1 for group in groups for before, after in pairwise(group)):
        return False
    width = len(stamps[0].digits)
    return width > 2 or max(map(max, groups)) + 1 < _FILLED * 10**width


def _spread(known: Sequence[TimeStamp | None]) -> FolderTimes:
    """Pictures whose names tell only the second, spread evenly over it. Not possible if their number per second varies."""
    groups = _by_second([stamp for stamp in known if stamp is not None])
    rate = _rate(groups)
    if rate is None:
        return FolderTimes((None,) * len(known), "have times to the second only, and not the same number in each second")
    spread: list[datetime] = []
    for number, group in enumerate(groups):
        continues = number > 0 and group[0].second - groups[number - 1][0].second == timedelta(seconds=1)
        ends = number + 1 == len(groups) or groups[number + 1][0].second - group[0].second != timedelta(seconds=1)
        per_second = max(rate, len(group))
        skipped = per_second - len(group) if not continues else 0
        step_s = 1 / (per_second if ends or not continues else len(group))
        spread += [stamp.second + timedelta(seconds=(skipped + index) * step_s) for index, stamp in enumerate(group)]
    moments = iter(spread)
    return FolderTimes(tuple(next(moments) if stamp else None for stamp in known))


def _rate(groups: Sequence[Sequence[TimeStamp]]) -> int | None:
    """Pictures in each whole second; None if that varies, or if no second is whole."""
    whole = [
        len(group)
        for before, group, after in zip(groups, groups[1:], groups[2:], strict=False)
        if after[0].second - before[0].second == timedelta(seconds=2)
    ]
    if not whole:
        return None
    rate = int(median(whole))
    even = all(abs(count - rate) <= max(1, rate // 5) for count in whole)
    return rate if even and all(len(group) <= rate + max(1, rate // 5) for group in groups) else None


def _too_close(moments: Sequence[datetime]) -> str:
    """Why the times cannot be believed; empty if they can."""
    steps = [(after - before).total_seconds() for before, after in pairwise(moments)]
    short = sum(0 <= step < _MIN_STEP_S for step in steps)
    return f"have times that are less than {_MIN_STEP_S * 1000:.0f} ms apart" if short > _MAX_SHORT_STEPS * len(steps) else ""
