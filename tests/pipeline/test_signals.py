"""The states of a signal over time, from single readings."""

import pytest
from scenario import BEGIN, G, R, U, Y, history, lamps, second


def shown(rows):
    made = history(rows)
    return [(seconds(change.captured_at), change.lamp) for change in made.during(second(-1), second(600))]


def seconds(moment):
    return round((moment - BEGIN).total_seconds(), 2)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param(lamps((0, R), until=5), [(0, R)], id="nothing changes"),
        pytest.param(lamps((0, G), (1, Y), (4, R), until=5), [(0, G), (1, Y), (4, R)], id="a change is dated to its first reading"),
        pytest.param(lamps((0, R), (2, G), (2.1, R), until=5), [(0, R)], id="a single misreading is not shown"),
        pytest.param(lamps((0, R), (2, U), (2.1, R), until=5), [(0, R)], id="hidden for one frame is not shown"),
        pytest.param([(0, R), (0.5, G), (1.0, G)], [(0, R), (0.5, G)], id="two frames a second"),
        pytest.param([], [], id="never read"),
    ],
)
def test_changes_for_people(rows, expected):
    assert shown(rows) == expected


CYCLE = lamps((0, G), (5, Y), (8, R), (20, G), until=25)
FLICKER = [(n / 10, (G if n % 2 else U) if n >= 30 else R) for n in range(100)]


@pytest.mark.parametrize(
    ("rows", "start", "end", "began"),
    [
        pytest.param(CYCLE, 9, 12, 8.0, id="between its first and its last reading"),
        pytest.param(CYCLE, 7.9, 12, None, id="not before its first reading"),
        pytest.param(CYCLE, 12, 19.95, None, id="not after its last reading: the green came somewhere between two frames"),
        pytest.param(lamps((0, R), until=5), 0, 4, 0.0, id="red since the first frame"),
        pytest.param(lamps((0, R), until=5), 3, 6, None, id="not read yet at its end"),
        pytest.param(lamps((0, R), (2, U), (3, R), until=5), 1, 4, 0.0, id="hidden by a truck for a second, red before and after"),
        pytest.param(lamps((0, R), (2, U), (6, R), until=9), 1, 8, None, id="hidden for too long: it may have been green meanwhile"),
        pytest.param(lamps((0, R), (2, G), (2.1, R), until=5), 1, 4, None, id="one green reading ends a red"),
        pytest.param(lamps((0, R), (2, Y), (2.1, R), until=5), 1, 4, 0.0, id="one amber reading is a misread red"),
        pytest.param(FLICKER, 1, 6, None, id="a green that flickers ends the red"),
        pytest.param(lamps((0, G), (5, R), until=15), 8, 10, None, id="red right after green: amber, or the green, is misread"),
        pytest.param(lamps((0, G), (5, U), (7, R), until=15), 8, 10, 7.9, id="amber was unreadable: it is taken to last three seconds"),
        pytest.param(lamps((0, G), (5, Y), (5.5, R), until=15), 8, 10, 6.9, id="amber lasts two seconds at least"),
        pytest.param(lamps((0, U), until=5), 1, 2, None, id="unknown is not red"),
        pytest.param([(0, U), (0.1, R), (0.2, U)], 0.1, 0.1, None, id="a single red reading is no red phase"),
    ],
)
def test_red_phase(rows, start, end, began):
    phase = history(rows).red_phase(second(start), second(end))
    assert (None if phase is None else seconds(phase.began_at)) == began


@pytest.mark.parametrize(
    ("rows", "at", "expected"),
    [
        pytest.param(lamps((0, R), until=5), 2.05, True, id="between two red readings"),
        pytest.param(lamps((0, R), (2, U), (2.4, R), until=5), 2.2, True, id="unread for less than half a second"),
        pytest.param(lamps((0, R), (2, U), (3, R), until=5), 2.5, False, id="unread for a second"),
        pytest.param(lamps((0, R), (2, G), until=5), 1.95, False, id="between the last red and the first green reading"),
        pytest.param(lamps((0, R), until=5), 6.0, False, id="not read yet"),
    ],
)
def test_red_at_a_moment(rows, at, expected):
    assert history(rows).red_at(second(at)) is expected


def test_old_runs_are_dropped_and_the_state_is_kept():
    cycles = [(n * 20.0, [G, Y, R][n % 3]) for n in range(60)]
    made = history([(s + d, lamp) for s, lamp in cycles for d in (0.0, 0.2)])
    assert len(made.runs) <= 12
    assert made.runs[-1].lamp is cycles[-1][1]


def test_what_it_showed_during_a_clip_begins_with_the_state_at_its_start():
    made = history(lamps((0, G), (2, Y), (4, R), (20, G), until=30))
    assert [(seconds(change.captured_at), change.lamp) for change in made.during(second(3), second(10))] == [(2, Y), (4, R)]
