"""Events at the line, computed from tracks. The signal: green from 0 s of each 44 s cycle, yellow from 15 s, red from 18 to 44 s."""

import pytest
from runs import run, track, vehicle

from simulator.events import crossings
from simulator.layout import BOX_X, CYCLE_S, GREEN_S, LINE_X, YELLOW_S

RED_S = GREEN_S + YELLOW_S


def test_the_tables_below_use_the_signal_and_the_lines_of_the_layout():
    assert (RED_S, CYCLE_S, LINE_X, BOX_X) == (18.0, 44.0, -14.0, -10.0)


@pytest.mark.parametrize(
    ("points", "behaviour", "line_s"),
    [
        pytest.param([(20, -34), (24, 6)], "red_light", 22.0, id="crosses on red and drives on"),
        pytest.param(
            [(20, -24), (22, -14.5), (23, -11), (30, -11), (31, 0)], "red_light", 22.14, id="stands past the line, then enters on red"
        ),
        pytest.param([(20, -24), (22, -12), (50, -12), (52, 0)], "stop_line", 21.67, id="stands past the line until green"),
        pytest.param([(20, -24), (22, -12), (40, -12)], "stop_line", 21.67, id="stands past the line until the end of the track"),
        pytest.param([(40, -24), (43, -13), (45, -8)], "stop_line", 42.73, id="rolls over the line on late red and enters on green"),
        pytest.param([(2, -24), (6, 16)], "crosses_green", 3.0, id="crosses on green"),
        pytest.param(
            [(10, -24), (12, -12), (50, -12), (52, 0)],
            "crosses_green_stands_past_line",
            11.67,
            id="stands past the line at the red",
        ),
        pytest.param([(15, -24), (19, 16)], "crosses_yellow", 16.0, id="crosses on yellow, enters on red"),
        pytest.param([(40, -24), (64, -14.1), (66, 0)], "red_light", 64.01, id="crosses on the next red after waiting through a green"),
        pytest.param([(62, -24), (64, -12), (110, -12), (111, 0)], "stop_line", 63.67, id="crosses on one red and enters on the next"),
    ],
)
def test_behaviour_at_the_line(points: list[tuple[float, float]], behaviour: str, line_s: float):
    (found,) = crossings(run((vehicle(), track(points))))
    assert found.behaviour == behaviour
    assert found.line_s == pytest.approx(line_s, abs=0.02)


@pytest.mark.parametrize(
    ("points", "decided_s"),
    [
        pytest.param([(20, -34), (24, 6)], 22.4, id="red light: when its front enters the box"),
        pytest.param([(20, -24), (22, -12), (50, -12)], 24.0, id="stop line: when it has stood for two seconds"),
        pytest.param([(38, -16), (48, -10.5)], 44.0, id="stop line: when the red ends while it still creeps"),
    ],
)
def test_the_time_from_which_the_rule_is_certain(points: list[tuple[float, float]], decided_s: float):
    (found,) = crossings(run((vehicle(), track(points))))
    assert found.decided_s == pytest.approx(decided_s, abs=0.11)


def test_a_vehicle_that_stops_before_the_line_has_not_crossed_it():
    assert crossings(run((vehicle(), track([(20, -34), (24, -15), (40, -15)])))) == []


def test_vehicles_of_other_arms_and_against_the_traffic_have_no_crossings():
    through = track([(20, -34), (24, 6)])
    assert crossings(run((vehicle("car-1", arm="E"), through), (vehicle("car-2", arm="Wc", wrong_way=True), through))) == []
