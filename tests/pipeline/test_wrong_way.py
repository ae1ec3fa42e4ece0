"""Driving against the traffic: UU 22/2009 article 287(1)."""

import pytest
from scenario import drive, findings, rule, seconds_of

WRONG_WAY = {"rule": "wrong_way", "lanes": ["kiri"]}


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param(drive((4.0, 60, 40)), [1.0], id="drives against the arrow: after five metres"),
        pytest.param(drive((4.0, 40, 60)), [], id="drives with the arrow"),
        pytest.param(drive((2.0, 60, 56)), [], id="has driven four metres so far"),
        pytest.param(drive((20.0, 60, 50)), [], id="rolls back at walking pace"),
        pytest.param(drive((5.0, 60, 60)), [], id="stands"),
        pytest.param(drive((1.0, 50, 53), (1.2, 53, 49.4)), [], id="comes back to where it was"),
    ],
)
def test_wrong_way(rows, expected):
    assert seconds_of(findings(rule(WRONG_WAY), rows)) == pytest.approx(expected, abs=0.02)


def test_a_vehicle_beside_the_lane_is_not_reported():
    assert findings(rule(WRONG_WAY), drive((4.0, 60, 40)), x=700) == []


def test_it_measures_the_distance_and_the_speed():
    (found,) = findings(rule(WRONG_WAY), drive((4.0, 60, 40)))
    measured = {each.name: each for each in found.measured}
    assert measured["against"].value == pytest.approx(5.0 + 2 * measured["against"].uncertainty, abs=0.6)
    assert measured["against"].unit == "m"
    assert measured["speed"].value == pytest.approx(18.0, abs=0.1)


def test_without_metres_the_distance_is_measured_in_box_heights():
    (found,) = findings(rule(WRONG_WAY, metres=False), drive((4.0, 60, 40)))
    assert [(each.name, each.unit) for each in found.measured] == [("against", "px")]
