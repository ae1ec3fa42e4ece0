"""The states of a signal over time, from single readings."""

import pytest
from scenario import BEGIN, G, R, U, Y, history, lamps, second

from pipeline.scene.signal_vote import vote


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


def alternating(one, two, start, end, hz=10):
    return [(start + n / hz, (one, two)[n % 2]) for n in range(round((end - start) * hz))]


def beating(lamp, start, end, dark_s=0.5, beat_s=1.0):
    """A lamp that is dark for a part of each beat between its mains frequency and the camera's shutter."""
    return [(start + n / 10, U if n / 10 % beat_s < dark_s - 1e-9 else lamp) for n in range(round((end - start) * 10))]


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
        pytest.param(alternating(R, Y, 0, 10), 1, 6, None, id="a lamp read red and amber in turn may be either"),
        pytest.param(lamps((0, G), (5, Y), until=5.5) + alternating(Y, R, 5.5, 8), 6, 7.8, None, id="an amber that flickers into red"),
        pytest.param(alternating(R, G, 0, 10), 1, 6, None, id="a lamp read red and green in turn is no red"),
        pytest.param(alternating(R, U, 0, 10), 1, 6, 0.0, id="a red LED that is dark in every other frame"),
        pytest.param(beating(R, 0, 10), 1, 6, 0.5, id="a red LED that beats with the shutter, dark for half a second each second"),
        pytest.param(beating(G, 0, 10), 1, 6, None, id="a green LED that beats with the shutter"),
        pytest.param(
            lamps((0, R), until=5) + beating(G, 5, 12, 0.9), 3, 5.2, None, id="the red ends with its last reading, not with the green"
        ),
        pytest.param(lamps((0, R), (2, Y), (2.1, R), (4.5, Y), (4.6, R), until=9), 1, 8, 0.0, id="two misread ambers far apart"),
        pytest.param(lamps((0, G), (3, R), (4, G), until=8), 3.2, 3.8, None, id="no red is over after a second"),
        pytest.param(lamps((0, U), (3, R), (4, G), until=8), 3.2, 3.8, None, id="no red is over after a second, whatever was before"),
        pytest.param(beating(Y, 0, 12) + lamps((0, R), until=0.4), 12.0, 12.3, None, id="flashing amber read red for a moment"),
        pytest.param(beating(Y, 0, 12) + [(12 + s, R) for s, _ in lamps((0, R), until=9)], 14, 16, None, id="all-red after flashing amber"),
        pytest.param(
            beating(Y, 0, 12) + [(12 + s, R) for s, _ in lamps((0, R), until=9)], 16, 18, 15.0, id="the red after the all-red counts"
        ),
        pytest.param([(0, U), (0.1, R), (0.2, U)], 0.1, 0.1, None, id="a single red reading is no red phase"),
    ],
)
def test_red_phase(rows, start, end, began):
    phase = history(rows).red_phase(second(start), second(end))
    assert (None if phase is None else seconds(phase.began_at)) == began


@pytest.mark.parametrize(
    ("rows", "weak", "began"),
    [
        pytest.param(
            lamps((0, G), (7, U), (7.5, R), until=15), (5, 7), 7.9, id="a lamp that goes out for two seconds: the amber began then"
        ),
        pytest.param(lamps((0, G), (7, U), (7.5, R), until=15), (0, 0), None, id="read clearly, it is green for as long"),
        pytest.param(
            lamps((0, G), (7.9, R), until=15), (5, 8), 8.8, id="the red begins a second after the last faint light at the earliest"
        ),
        pytest.param(lamps((0, G), (7, Y), (7.5, R), until=15), (5, 7), 7.9, id="an amber that was read at its end only"),
        pytest.param(lamps((0, G), (5, U), (6, G), (7, U), (7.5, R), until=15), (5, 7), 7.9, id="a faint light that is seen now and then"),
        pytest.param(lamps((0, G), (9.5, U), (10, R), until=15), (5, 9.5), None, id="no lamp goes out for so long: it is green"),
        pytest.param(
            lamps((0, G), (7, U), (7.5, R), until=15), (0, 7), None, id="a lamp that was never clear may be green to its last reading"
        ),
        pytest.param(lamps((0, G), (6.8, R), until=15), (5, 7), None, id="faint for less than two seconds, then red: amber may be misread"),
        pytest.param(lamps((0, R), (3, G), (3.1, R), until=9), (3, 3.1), None, id="a weak reading of green ends a red"),
    ],
)
def test_a_green_lamp_that_goes_out(rows, weak, began):
    phase = history(rows, weak).red_phase(second(9 if rows[0][1] is G else 2), second(14 if rows[0][1] is G else 5))
    assert (None if phase is None else seconds(phase.began_at)) == began


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param(CYCLE, True, id="green, amber, red"),
        pytest.param(lamps((0, R), until=15), False, id="red when the readings began"),
        pytest.param(lamps((0, G), (5, U), (8, R), until=15), False, id="amber was unreadable"),
        pytest.param(lamps((0, U), (5, R), until=15), False, id="all red after a power cut"),
        pytest.param(beating(Y, 0, 8) + [(8 + s, R) for s, _ in lamps((0, R), until=9)], False, id="flashing amber is no amber"),
        pytest.param(
            lamps((0, G), (5, Y), (8, R), (10.5, Y), (10.6, R), until=15), True, id="an amber misread inside the red changes nothing"
        ),
    ],
)
def test_whether_the_red_followed_amber(rows, expected):
    phase = history(rows).red_phase(second(13 if rows[-1][0] < 20 else 10), second(14 if rows[-1][0] < 20 else 11))
    assert phase is not None and phase.after_amber is expected


@pytest.mark.slow
@pytest.mark.parametrize("fps", [2, 5, 10, 25])
@pytest.mark.parametrize("first", range(3))
def test_no_sequence_of_misread_ambers_and_greens_makes_a_red_of_two_seconds(fps, first):
    """Every third reading is red, for a minute: no moment may count as red for longer than the phases that real reds have."""
    rows = [(n / fps, R if n % 3 == first else (Y, G)[n % 2]) for n in range(60 * fps)]
    made = history(rows)
    assert not any(made.red_phase(second(s / 2), second(s / 2 + 1)) for s in range(110))


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


@pytest.mark.parametrize(
    ("heads", "expected"),
    [
        pytest.param([(R, 0.9), (R, 0.7)], (R, 0.9), id="two heads agree"),
        pytest.param([(R, 0.9), (U, 0.0)], (R, 0.9), id="one head is hidden"),
        pytest.param([(R, 0.9), (G, 0.1)], (U, 0.0), id="two heads contradict each other"),
        pytest.param([(R, 0.9), (R, 0.9), (Y, 0.1)], (U, 0.0), id="two reds do not outvote one amber"),
        pytest.param([(U, 0.0), (U, 0.0)], (U, 0.0), id="none could be read"),
        pytest.param([], (U, 0.0), id="there is none"),
    ],
)
def test_the_heads_of_one_approach_vote(heads, expected):
    assert vote(heads) == expected
