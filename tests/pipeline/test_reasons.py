"""Why each rule does not report a vehicle: the last judgement of a drive, from the code that decides."""

import re
from pathlib import Path

import pytest
from scenario import G, R, U, Y, drive, history, lamps, rule, second, track

from etle.types import SignalId, VehicleClass
from pipeline.scene.judgement import Judgement, Reason
from pipeline.scene.scene import Scene

RED_LIGHT = {"rule": "red_light", "line": "henti", "entry": "simpang", "signal": "barat"}
STOP_LINE = {**RED_LIGHT, "rule": "stop_line"}
WRONG_WAY = {"rule": "wrong_way", "lanes": ["kiri"]}
OVER = drive((4.0, 30, 70))
"""Ten metres per second: at the line at 2.0 s, at the entry at 2.4 s."""


def last_judgement(entry, rows, signal=(), *, ended=True, **kind) -> Judgement | None:
    """As the stage sees it: after the last sighting, and then once more when the track has ended."""
    seen = track(rows, **kind)
    past = history([(s, lamp) for s, lamp in signal if s <= rows[-1][0] + 1e-9])
    judged = None
    for over in (False, True) if ended else (False,):
        tracks = ((), (seen,)) if over else ((seen,), ())
        scene = Scene(now=second(rows[-1][0]), tracks=tracks[0], ended=tracks[1], signals={SignalId("barat"): past})
        judged = next(iter(rule(entry).judge(scene)), judged)
    return judged


@pytest.mark.parametrize(
    ("entry", "rows", "signal", "expected"),
    [
        pytest.param(RED_LIGHT, OVER, lamps((0, R)), Reason.REPORTED, id="runs the red"),
        pytest.param(RED_LIGHT, OVER, lamps((0, G)), Reason.NOT_RED, id="crosses on green"),
        pytest.param(RED_LIGHT, OVER, lamps((0, R), (2.2, G)), Reason.NOT_RED, id="enters on green"),
        pytest.param(RED_LIGHT, OVER, lamps((0, R), (1.5, U)), Reason.SIGNAL_UNKNOWN, id="signal unreadable at the crossing"),
        pytest.param(RED_LIGHT, OVER, lamps((0, G), (1, R)), Reason.RED_NOT_PROVEN, id="red right after green, without amber"),
        pytest.param(RED_LIGHT, OVER, lamps((0, Y), (1.9, R)), Reason.RED_TOO_YOUNG, id="red of a tenth of a second"),
        pytest.param(RED_LIGHT, drive((2.0, 32, 52), (2.0, 52, 52)), lamps((0, R)), Reason.NOT_ENTERED, id="stops between line and entry"),
        pytest.param(RED_LIGHT, drive((1.8, 30, 48)), lamps((0, R)), Reason.LOST_BEFORE_LINE, id="lost just before the line"),
        pytest.param(RED_LIGHT, drive((2.1, 30, 51)), lamps((0, R)), Reason.POSITION_UNCERTAIN, id="lost just beyond the line"),
        pytest.param(
            RED_LIGHT, drive((8.0, 30, 50.3), (3.0, 50.3, 50.3)), lamps((0, R)), Reason.ON_LINE, id="waits with its front on the line"
        ),
        pytest.param(RED_LIGHT, drive((2.0, 52, 72)), lamps((0, R)), Reason.FIRST_SEEN_BEYOND_LINE, id="first seen beyond the line"),
        pytest.param(RED_LIGHT, drive((2.0, 30, 45), (5.0, 45, 45)), lamps((0, R)), None, id="waits before the line: not met"),
        pytest.param(RED_LIGHT, drive((2.0, 60, 80)), lamps((0, R)), None, id="traffic beyond the junction: not met"),
        pytest.param(RED_LIGHT, drive((4.0, 70, 30)), lamps((0, R)), None, id="oncoming: not met"),
        pytest.param(STOP_LINE, OVER, lamps((0, R)), Reason.DROVE_ON, id="drives on"),
        pytest.param(STOP_LINE, drive((2.0, 32, 52), (1.0, 52, 52)), lamps((0, R)), Reason.NOT_STOOD, id="has not stood long enough"),
        pytest.param(STOP_LINE, drive((2.0, 32, 52), (3.0, 52, 52)), lamps((0, U)), Reason.SIGNAL_UNKNOWN, id="stands; signal unreadable"),
        pytest.param(STOP_LINE, drive((8.0, 32, 52), (3.0, 52, 52)), lamps((0, R)), Reason.REPORTED, id="stands beyond the line"),
        pytest.param(WRONG_WAY, drive((4.0, 70, 50)), (), Reason.REPORTED, id="drives against the arrow"),
        pytest.param(WRONG_WAY, drive((2.0, 60, 57)), (), Reason.AGAINST_TOO_SHORT, id="three metres against the arrow"),
        pytest.param(WRONG_WAY, drive((18.0, 70, 55)), (), Reason.TOO_SLOW, id="rolls back"),
        pytest.param(WRONG_WAY, OVER, (), None, id="drives along the arrow"),
    ],
)
def test_reason(entry, rows, signal, expected):
    judgement = last_judgement(entry, rows, signal)
    assert (judgement and judgement.reason) is expected


def test_a_walking_motorcycle_is_told_with_its_speed():
    judgement = last_judgement(RED_LIGHT, drive((20.0, 40, 58)), lamps((0, R)), vehicle=VehicleClass.MOTORCYCLE)
    assert judgement.reason is Reason.WALKING_PACE
    assert judgement.outcome.measured.value == pytest.approx(0.9 * 3.6, abs=0.1)


def test_the_moments_and_the_signal_are_those_that_decided():
    judgement = last_judgement(RED_LIGHT, OVER, lamps((0, R), (1.5, U)))
    assert judgement.crossed.line == "henti"
    assert (judgement.crossed.at - second(2.0)).total_seconds() == pytest.approx(0, abs=0.05)
    assert (judgement.entered.at - second(2.4)).total_seconds() == pytest.approx(0, abs=0.05)
    assert judgement.outcome.signal == (U, second(1.5))


def test_every_reason_is_documented():
    page = (Path(__file__).parents[2] / "docs/rules.md").read_text()
    assert set(Reason) - {Reason.REPORTED} <= set(re.findall(r"`(\w+)`", page))
