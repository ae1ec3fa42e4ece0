"""The states of a signal over time, from single readings."""

import pytest
from scenario import BEGIN, G, R, U, Y, history, lamps, second

from pipeline.scene.signals import SignalHistory


def shown(rows):
    return [(round((change.captured_at - BEGIN).total_seconds(), 2), change.lamp) for change in history(rows).changes]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param(lamps((0, R), until=5), [(0, R)], id="nothing changes"),
        pytest.param(lamps((0, G), (1, Y), (2, R), until=5), [(0, G), (1, Y), (2, R)], id="a change is dated to its first reading"),
        pytest.param(lamps((0, R), (2, G), (2.1, R), until=5), [(0, R)], id="a single misreading is not a change"),
        pytest.param(lamps((0, R), (2, U), (2.1, R), until=5), [(0, R)], id="hidden for one frame is not a change"),
        pytest.param([(0, R), (0.5, G), (1.0, G)], [(0, R), (0.5, G)], id="two frames a second confirm with the second reading"),
        pytest.param([], [], id="never read"),
    ],
)
def test_changes(rows, expected):
    assert shown(rows) == expected


@pytest.mark.parametrize(
    ("rows", "at_s", "since_s"),
    [
        pytest.param(lamps((0, G), (2, R), until=5), 3.0, 2.0, id="since it turned"),
        pytest.param(lamps((0, R), until=5), 3.0, 0.0, id="at least since the first reading"),
        pytest.param(lamps((0, G), (2, R), until=5), 1.0, None, id="not red yet"),
        pytest.param(lamps((0, R), (2, U), (3, R), until=5), 4.0, 0.0, id="hidden by a truck for a second, red before and after"),
        pytest.param(lamps((0, R), (2, U), (6, R), until=9), 8.0, 6.0, id="hidden for too long: it may have been green meanwhile"),
        pytest.param(lamps((0, R), (2, U), until=5), 3.0, None, id="unknown is not red"),
    ],
)
def test_red_since(rows, at_s, since_s):
    found = history(rows).red_since(second(at_s))
    assert (None if found is None else round((found - BEGIN).total_seconds(), 2)) == since_s


def test_the_lamp_before_the_first_reading_is_unknown():
    assert SignalHistory().lamp_at(second(0)) is U
    assert history(lamps((0, R), until=1)).lamp_at(second(-1)) is U


def test_old_changes_are_dropped_and_the_state_is_kept():
    cycles = [(n * 20.0, [G, Y, R][n % 3]) for n in range(60)]
    made = history([(s + d, lamp) for s, lamp in cycles for d in (0.0, 0.2)])
    assert len(made.changes) <= 12
    assert made.lamp_at(second(59 * 20 + 1)) is cycles[-1][1]


def test_the_changes_during_a_clip_begin_with_the_state_at_its_start():
    made = history(lamps((0, G), (2, Y), (4, R), (20, G), until=30))
    during = made.during(second(3), second(10))
    assert [(round((change.captured_at - BEGIN).total_seconds(), 2), change.lamp) for change in during] == [(2, Y), (4, R)]
