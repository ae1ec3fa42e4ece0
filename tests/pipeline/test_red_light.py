"""Red light: UU 22/2009 article 287(2)."""

from dataclasses import replace
from datetime import timedelta

import pytest
from scenario import G, R, U, Y, drive, findings, history, lamps, rule, second, seconds_of, sighting

from etle.types import SignalId, Track, TrackId
from pipeline.scene.scene import Scene

RED_LIGHT = {"rule": "red_light", "line": "henti", "entry": "simpang", "signal": "barat"}
THROUGH = drive((4.0, 40, 60))  # 5 m/s: at the line after 2.0 s, at the junction after 2.8 s

TO_A_STAND = ((1.6, 40, 49.6), (0.8, 49.6, 52), (0.8, 52, 53.6), (0.8, 53.6, 54), (2.0, 54, 54))
STARTING = drive(*TO_A_STAND, (0.8, 54, 54.8), (1.6, 54.8, 58.4))
DRIFTING = drive(*TO_A_STAND, (0.8, 54, 54.8), (3.0, 54.8, 54.8))
PAUSING = drive((1.6, 40, 49.6), (0.8, 49.6, 52), (3.0, 52, 52), (0.8, 52, 54), (1.5, 54, 61))


@pytest.mark.parametrize(
    ("rows", "signal", "expected"),
    [
        pytest.param(THROUGH, lamps((0, R)), [2.0], id="drives through on red"),
        pytest.param(THROUGH, lamps((0, G)), [], id="drives through on green"),
        pytest.param(THROUGH, lamps((0, Y)), [], id="drives through on yellow"),
        pytest.param(THROUGH, lamps((0, G), (2.3, R)), [], id="had crossed the line on green when it turned red"),
        pytest.param(THROUGH, lamps((0, Y), (1.9, R)), [], id="the red was 0.1 s old: not older than its uncertainty"),
        pytest.param(THROUGH, lamps((0, Y), (1.4, R)), [2.0], id="the red was 0.6 s old"),
        pytest.param(THROUGH, lamps((0, R), (2.4, G)), [], id="entered on green after creeping over the line on red"),
        pytest.param(THROUGH, lamps((0, U)), [], id="an unknown lamp is not red"),
        pytest.param(THROUGH, lamps((0, R), (1.6, U), (2.4, R)), [], id="the lamp was hidden at the crossing"),
        pytest.param(THROUGH, lamps((0, R), (2.2, G), (2.25, R)), [], id="one green reading between crossing and entry is a doubt"),
        pytest.param(THROUGH, lamps((0, R), (2.2, Y), (2.25, R)), [2.0], id="one amber reading is a misread red"),
        pytest.param(THROUGH, lamps((0, R), (2.1, G)), [], id="the green came between crossing and entry"),
        pytest.param(THROUGH, lamps((0, G), (0.5, R)), [], id="red right after green: the amber may be misread"),
        pytest.param(drive((2.0, 40, 49), (5.0, 49, 49)), lamps((0, R)), [], id="stops before the line"),
        pytest.param(drive((2.0, 40, 52), (5.0, 52, 52)), lamps((0, R)), [], id="stops between line and junction"),
        pytest.param(PAUSING, lamps((0, R)), [1.73], id="stands past the line, then runs the same red"),
        pytest.param(PAUSING, lamps((0, R), (4.5, G)), [], id="stands past the line, then goes on green"),
        pytest.param(DRIFTING, lamps((0, R)), [], id="stands at the edge of the junction, and its foot drifts over it"),
        pytest.param(STARTING, lamps((0, R)), [1.73], id="stands at the edge of the junction, and drives in"),
        pytest.param(drive((2.0, 40, 52), (3.0, 52, 48), (2.0, 48, 48)), lamps((0, R)), [], id="rolls back behind the line"),
        pytest.param(drive((4.0, 60, 40)), lamps((0, R)), [], id="comes the other way"),
        pytest.param(drive((2.0, 55, 65)), lamps((0, R)), [], id="is first seen beyond the line"),
        pytest.param(THROUGH[:18] + THROUGH[23:], lamps((0, R)), [2.0], id="is hidden for half a second while it crosses"),
        pytest.param(THROUGH[:18] + THROUGH[29:], lamps((0, R)), [], id="is hidden for a second: it may be another vehicle afterwards"),
        pytest.param(THROUGH[::5], lamps((0, R)), [2.0], id="two frames a second"),
    ],
)
def test_red_light(rows, signal, expected):
    assert seconds_of(findings(rule(RED_LIGHT), rows, signal)) == pytest.approx(expected, abs=0.02)


def test_a_lower_edge_that_alone_passes_the_edge_of_the_junction_has_not_entered_it():
    """A car stands before the junction, and one box holds it and another that passes before it."""
    rows, tested = drive(*TO_A_STAND, (2.0, 54, 58), (2.0, 58, 58)), rule(RED_LIGHT)
    seen = [
        replace(each, box=each.box._replace(y1=525.0)) if n >= 60 else each
        for n, each in enumerate(sighting(*position) for position in rows)
    ]
    for n in range(40, len(seen) + 1):
        scene = Scene(
            now=seen[n - 1].captured_at,
            tracks=(Track(id=TrackId("t"), sightings=tuple(seen[:n])),),
            ended=(),
            signals={SignalId("barat"): history(lamps((0, R), until=n / 10))},
        )
        assert [*tested.findings(scene)] == []


def test_a_vehicle_that_passes_beside_the_drawn_line_has_not_crossed_it():
    assert findings(rule(RED_LIGHT), THROUGH, lamps((0, R)), x=700) == []


def test_jitter_of_the_box_of_a_vehicle_on_the_line_is_not_a_crossing():
    jitter = [(n / 10, 50 + (0.25 if n % 2 else -0.25)) for n in range(100)]
    assert findings(rule(RED_LIGHT), jitter, lamps((0, R))) == []


def test_it_measures_how_long_it_was_red_and_how_fast_the_vehicle_was():
    (found,) = findings(rule(RED_LIGHT), THROUGH, lamps((-3, G), (-2, Y), (0.5, R)))
    measured = {each.name: each for each in found.measured}
    assert measured["time_into_red"].value == pytest.approx(1.5, abs=0.05)
    assert measured["time_into_red_at_entry"].value == pytest.approx(2.3, abs=0.05)
    assert measured["speed"].value == pytest.approx(18.0, abs=0.1)
    assert all(each.uncertainty and each.uncertainty > 0 for each in found.measured)


def test_the_moment_of_slow_vehicles_is_more_uncertain_and_needs_an_older_red():
    creeping = drive((12.0, 46, 58))  # 1 m/s: at the line after 4.0 s; 0.3 m are 0.3 s
    assert findings(rule(RED_LIGHT), creeping, lamps((0, Y), (3.5, R), until=20)) == []
    assert seconds_of(findings(rule(RED_LIGHT), creeping, lamps((0, Y), (3.2, R), until=20))) == pytest.approx([4.0], abs=0.02)


@pytest.mark.parametrize(("red_from", "reported"), [(0.0, True), (2.0, False)])
def test_who_creeps_over_the_line_crossed_no_earlier_than_the_front_can_have_been_there(red_from, reported):
    creeping = drive((3.0, 44, 49.6), (10.0, 49.6, 50.1), (4.0, 50.1, 66))  # 0.05 m/s at the line after 11 s: 0.3 m are 6 s
    found = findings(rule(RED_LIGHT), creeping, lamps((0, Y), (red_from, R), until=20))
    assert bool(found) is reported


def test_the_moment_of_one_who_stood_on_the_line_is_as_uncertain_as_he_stood_long():
    stood = drive((6.0, 41.1, 50.1), (6.0, 50.1, 50.1), (5.0, 50.1, 57.6))
    (found,) = findings(rule(RED_LIGHT), stood, lamps((0, Y), (0.5, R), until=20))
    came, went = found.occurred_at, second(12.0)
    u_s = next(each.uncertainty for each in found.measured if each.name == "time_into_red")
    assert came + 2 * timedelta(seconds=u_s) >= went


def test_from_behind_the_front_is_a_vehicles_length_ahead_of_the_foot():
    feet = [(s, metre - 4.4) for s, metre in THROUGH]
    assert seconds_of(findings(rule(RED_LIGHT, view="rear"), feet, lamps((0, R)))) == pytest.approx([2.0], abs=0.02)


def test_without_metres_it_uses_the_foot_in_pixels_and_measures_no_speed():
    (found,) = findings(rule(RED_LIGHT, metres=False), THROUGH, lamps((0, R)))
    assert [each.name for each in found.measured] == ["time_into_red", "time_into_red_at_entry"]
