"""Turning round where it is forbidden: UU 22/2009 article 287(1)."""

from dataclasses import replace

import pytest
from road_plan import Row, arc, drive, finding, found_at, last_reason, rule, track

from etle.errors import ConfigError
from pipeline.scene.judgement import Reason

U_TURN = {"rule": "u_turn", "zone": "zona"}
ROUND = drive((20, 35), *arc(24, 45, 4, 180, 0), (28, 35), speed=4)
"""Ten metres down the road, a half circle of 4 m radius to the other side, and back."""
TIGHT = drive((20, 35), *arc(22, 45, 2, 180, 0), (24, 35), speed=3)
"""A motorcycle's."""


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param(ROUND, "reported", id="turns round in a half circle"),
        pytest.param(TIGHT, "reported", id="turns round in 4 m"),
        pytest.param(drive((28, 35), *arc(24, 45, 4, 0, 180), (20, 35), speed=4), "reported", id="to the other hand"),
        pytest.param(drive((20, 32), *arc(24, 36, 4, 180, 90), (40, 40), speed=4), None, id="turns off at a right angle"),
        pytest.param(drive((20, 35), *arc(24, 45, 4, 180, 40), (17.1, 62), speed=4), Reason.NOT_TURNED, id="turns by 140 degrees"),
        pytest.param(drive((20, 20), (20, 90)), None, id="drives through"),
        pytest.param(drive((20, 35), (20, 45), (20.2, 35), speed=2), None, id="stops and reverses"),
        pytest.param(drive((20, 5), *arc(24, 15, 4, 180, 0), (28, 5), speed=4), None, id="turns round outside of the zone"),
        pytest.param(
            drive((20, 20), *arc(24, 30, 4, 180, 0), (28, 20), speed=4), "reported", id="turns round at the edge, the turn inside"
        ),
        pytest.param(drive((20, 35), *arc(24, 45, 4, 180, 30), speed=4), Reason.NOT_TURNED, id="has not come out of the turn yet"),
    ],
)
def test_u_turn(rows: list[Row], expected: str | None) -> None:
    assert last_reason(rule(U_TURN), rows) == expected


def test_it_measures_the_turn_and_the_distance_beside_the_way_in() -> None:
    found = finding(rule(U_TURN), ROUND)
    measured = {each.name: each for each in found.measured}
    assert measured["turned"].value == pytest.approx(180, abs=2 * measured["turned"].uncertainty)
    assert measured["offset"].value == pytest.approx(8, abs=2 * measured["offset"].uncertainty)
    assert found_at(found) == pytest.approx((10 + 2 * 3.14) / 4, abs=0.3), "at the top of the half circle"


def test_a_track_that_continues_with_oncoming_traffic_is_not_one_vehicle() -> None:
    there, back = drive((20, 32), (20, 50), speed=6), drive((23, 50), (23, 32), speed=6)
    rows = there + [(round(at_s + there[-1][0] + 0.1, 3), x, y) for at_s, x, y in back]
    assert last_reason(rule(U_TURN), rows) in (None, Reason.NOT_ONE_VEHICLE)


@pytest.mark.parametrize(("nearer_at_x", "expected"), [(20, "reported"), (40, Reason.NOT_ONE_VEHICLE)])
def test_a_foot_that_a_nearer_vehicle_hides_for_a_moment_does_not_excuse_the_turn(nearer_at_x: float, expected: str) -> None:
    """Its box ends where it is hidden, three metres farther away than it is."""
    hidden = ROUND[16:21]
    rows = [(at_s, x, y - 3) if (at_s, x, y) in hidden else (at_s, x, y) for at_s, x, y in ROUND]
    nearer = track([(at_s, nearer_at_x, y + 1) for at_s, _, y in hidden], name="nearer", width_m=4)
    taller = replace(nearer, sightings=tuple(replace(each, box=each.box._replace(y1=each.box.y2 - 45)) for each in nearer.sightings))
    assert last_reason(rule(U_TURN), rows, others=[taller]) == expected


def test_without_metres_it_refuses_to_start() -> None:
    with pytest.raises(ConfigError, match="headings need `ground_points`"):
        rule(U_TURN, metres=False)
