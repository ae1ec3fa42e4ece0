"""What the names of a folder's pictures tell together."""

from datetime import datetime, timedelta, timezone

import pytest

from etle.testing import BEGIN
from ingest.sources.picture_times import in_name, picture_times

WIB = timezone(timedelta(hours=7))
NOW = BEGIN + timedelta(days=1)


def seconds_of(names: list[str], fps: float | None = None, now: datetime = NOW) -> list[float | None] | str:
    """Seconds since BEGIN, or the problem."""
    times = picture_times([in_name(name, WIB) for name in names], fps, now)
    return times.problem or [round((moment - BEGIN).total_seconds(), 3) if moment else None for moment in times.moments]


def named(pattern: str, count: int, per_second: int, first: int = 0) -> list[str]:
    """`{s}` is the second, `{q}` the number in the second, `{n}` the running number."""
    return [pattern.format(s=n // per_second, q=n % per_second, n=n) for n in range(first, first + count)]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        pytest.param([], [], id="none"),
        pytest.param(
            [f"20261123_10000{n // 10}_{chr(97 + n % 10)}" for n in range(4, 34)], [n / 10 for n in range(4, 34)], id="to the second"
        ),
        pytest.param(named("20261123_10000{s}-{q:02d}", 30, 10), [n / 10 for n in range(30)], id="Motion's %q"),
        pytest.param(named("20261123_10000{s}-{q}", 20, 5), [n / 5 for n in range(20)], id="a number of one digit"),
        pytest.param(named("20261123_10000{s}_{n:06d}", 20, 5), [n / 5 for n in range(20)], id="a running number"),
        pytest.param(named("20261123_10000{s}_{q}00", 30, 10), [n / 10 for n in range(30)], id="milliseconds"),
        pytest.param(named("20261123_10000{s}_{q}", 30, 10), [n / 10 for n in range(30)], id="tenths"),
        pytest.param(named("1234567890_{n:04d}", 20, 5), [None] * 20, id="a serial number"),
        pytest.param(["20991123_100000", "20991123_100001"], [None, None], id="in the future"),
        pytest.param(named("20261123_10000{s}_{q}", 1, 1), [0.0], id="one picture"),
    ],
)
def test_times(names: list[str], expected: list[float | None]) -> None:
    assert seconds_of(names) == (pytest.approx(expected, abs=0.002) if None not in expected else expected)


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        pytest.param(["20261123_100000_a", "20261123_100000_b"], "all have the same time", id="one second"),
        pytest.param(["20261123_100000_a", "20261123_100000_b", "20261123_100001_a"], "to the second only", id="no whole second"),
        pytest.param([f"20261123_10000{s}_{chr(97 + n)}" for s, count in enumerate((5, 1, 4, 2)) for n in range(count)],
                     "not the same number in each second", id="when something moved"),
        pytest.param([f"20261123_100000_{n:06d}" for n in range(0, 6000, 300)], "less than 4 ms apart", id="the times of a burst"),
    ],
)  # fmt: skip
def test_times_that_cannot_be_believed_need_a_rate(names: list[str], problem: str) -> None:
    told = seconds_of(names)
    assert isinstance(told, str) and problem in told
    assert not isinstance(seconds_of(names, fps=5), str)
