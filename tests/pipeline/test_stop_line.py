"""Stopping beyond the stop line: UU 22/2009 article 287(1)."""

import pytest
from scenario import G, R, U, Y, drive, findings, lamps, rule, seconds_of

from etle.errors import ConfigError

STOP_LINE = {"rule": "stop_line", "line": "henti", "entry": "simpang", "signal": "barat"}
OVER = drive((1.6, 40, 49.6), (0.8, 49.6, 52), (6.0, 52, 52))  # at the line after 1.73 s, brakes, then stands 2 m past it


@pytest.mark.parametrize(
    ("rows", "signal", "expected"),
    [
        pytest.param(OVER, lamps((0, R)), [1.73], id="stops past the line on red"),
        pytest.param(OVER, lamps((0, G)), [], id="stops past the line on green, caught by a jam"),
        pytest.param(OVER, lamps((0, G), (3.0, R)), [], id="crossed on green, stands while it turns red"),
        pytest.param(OVER, lamps((0, Y), (3.0, R)), [], id="crossed on yellow, stands while it turns red"),
        pytest.param(OVER, lamps((0, U)), [], id="an unknown lamp is not red"),
        pytest.param(drive((2.0, 40, 49.5), (6.0, 49.5, 49.5)), lamps((0, R)), [], id="stops before the line"),
        pytest.param(drive((4.0, 40, 60)), lamps((0, R)), [], id="runs the red: that is red_light"),
        pytest.param(drive((8.0, 46.5, 50.8)), lamps((0, R), (7.0, G)), [], id="past the line by less than the uncertainty"),
        pytest.param(drive((10.0, 46, 53.5)), lamps((0, R), (9.0, G)), [], id="creeps past the line until the green, and never stands"),
        pytest.param(OVER[:32], lamps((0, R)), [], id="is hidden before it has stood long enough"),
        pytest.param(drive((2.0, 40, 52), (1.0, 52, 52), (1.5, 52, 48)), lamps((0, R)), [], id="rolls back behind the line at once"),
    ],
)
def test_stop_line(rows, signal, expected):
    assert seconds_of(findings(rule(STOP_LINE), rows, signal)) == pytest.approx(expected, abs=0.02)


def test_it_measures_how_far_past_the_line_and_how_long_it_stood():
    (found,) = findings(rule(STOP_LINE), OVER, lamps((0, R)))
    measured = {each.name: each.value for each in found.measured}
    assert measured["past_line"] == pytest.approx(2.0, abs=0.01)
    assert measured["stood"] == pytest.approx(1.5 + 2 * 0.25, abs=0.1), "stand_s and the uncertainty with k = 2"
    assert measured["time_into_red"] == pytest.approx(1.73, abs=0.02)


@pytest.mark.parametrize("name", ["red_light", "stop_line"])
def test_an_entry_before_its_line_is_refused(name):
    with pytest.raises(
        ConfigError, match=r"`entry` 'henti' does not lie behind `line` 'simpang'.*draw the entry at the edge of the junction"
    ):
        rule({**STOP_LINE, "rule": name, "line": "simpang", "entry": "henti"})
    assert rule({**STOP_LINE, "rule": name, "entry": "henti"}).name == name, "one line may be both"
