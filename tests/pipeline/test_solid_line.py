"""Crossing a solid line along the road: UU 22/2009 article 287(1)."""

import pytest
from road_plan import Row, drive, finding, found_at, judged, last_reason, rule, track

from etle.types import VehicleClass
from pipeline.scene.judgement import Reason

SOLID_LINE = {"rule": "solid_line", "markings": ["marka"]}
CHANGE = drive((22.5, 25), (22.5, 40), (27.5, 55), (27.5, 70))
"""A car changes over the line: its middle is over it at 47.5 m, after 15 m + half of 15.8 m at 5 m/s."""


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param(CHANGE, "reported", id="changes lanes over the line"),
        pytest.param(drive((27.5, 70), (27.5, 55), (22.5, 40), (22.5, 25)), "reported", id="the other way, the other direction"),
        pytest.param(
            drive((22.5, 25), (22.5, 40), (27.5, 50), (27.5, 55), (22.5, 65), (22.5, 75)), "reported", id="overtakes and comes back"
        ),
        pytest.param(drive((22.5, 25), (22.5, 75)), None, id="drives beside the line"),
        pytest.param(drive((22.5, 25), (24.4, 40), (24.4, 60), (22.5, 75)), None, id="touches the line"),
        pytest.param(
            drive((22.5, 25), (22.5, 40), (25.4, 50), (25.4, 75)), Reason.POSITION_UNCERTAIN, id="rides on the line, with its middle beyond"
        ),
        pytest.param(drive((22.5, 25), (22.5, 40), (24.9, 50), (22.5, 60), (22.5, 75)), None, id="comes back from the line"),
        pytest.param(drive((22.5, 2), (22.5, 5), (27.5, 15), (27.5, 40)), Reason.NOT_SOLID_THERE, id="changes before the solid part"),
        pytest.param(drive((22.5, 60), (22.5, 80), (27.5, 90), (27.5, 99)), Reason.NOT_SOLID_THERE, id="changes beyond the solid part"),
        pytest.param(drive((22.5, 10), (22.5, 14), (27.5, 29), (27.5, 60)), Reason.NOT_SOLID_THERE, id="begins before the solid part"),
        pytest.param(
            drive((22.5, 60), (22.5, 72), (27.5, 86), (27.5, 95)), Reason.NOT_SOLID_THERE, id="just before its end: not certainly"
        ),
    ],
)
def test_solid_line(rows: list[Row], expected: str | None) -> None:
    assert last_reason(rule(SOLID_LINE), rows) == expected


def test_the_moment_is_that_at_which_the_middle_crosses() -> None:
    found = finding(rule(SOLID_LINE), CHANGE)
    assert found_at(found) == pytest.approx((15 + 15.81 / 2) / 5, abs=0.05)
    (past,) = found.measured
    assert (past.name, past.unit) == ("past_marking", "m")
    assert past.value > 2 * past.uncertainty


@pytest.mark.parametrize(
    ("crossable_from", "expected"),
    [
        pytest.param((225, 400), Reason.CROSSABLE_SIDE, id="from the side of the broken line"),
        pytest.param((275, 400), "reported", id="from the side of the solid line"),
        pytest.param(None, "reported", id="solid on both sides"),
    ],
)
def test_a_line_that_is_broken_on_one_side_may_be_crossed_from_there(crossable_from, expected) -> None:
    assert last_reason(rule(SOLID_LINE, crossable_from=crossable_from), CHANGE) == expected


def test_it_is_reported_once_the_whole_width_is_beyond() -> None:
    tested = rule(SOLID_LINE)
    reported = [n for n in range(1, len(CHANGE) + 1) if any(each.finding for each in judged(tested, CHANGE[:n]))]
    assert 25 + 0.8 * 0.9 < CHANGE[reported[0] - 1][1] < 27.5
    assert len(reported) == len(CHANGE) + 1 - reported[0], "once it is beyond, it stays reported"


def test_a_foot_that_a_nearer_vehicle_covers_proves_nothing() -> None:
    """The lower edge of the car behind is hidden by a bus, and drawn too far up: there the line of sight lies beyond the marking."""
    bus = track([(at_s, x, y + 1.2) for at_s, x, y in CHANGE], width_m=3.0, vehicle=VehicleClass.BUS, name="bus")
    assert last_reason(rule(SOLID_LINE), CHANGE, others=[bus]) == Reason.POSITION_UNCERTAIN


def test_a_track_that_jumps_to_the_other_lane_is_not_one_vehicle() -> None:
    rows = [(at_s, 22.5 if at_s < 3 else 27.5, y) for at_s, _, y in drive((22.5, 25), (22.5, 75))]
    assert last_reason(rule(SOLID_LINE), rows) == Reason.NOT_ONE_VEHICLE


def test_without_metres_boxes_are_compared_in_pixels() -> None:
    assert last_reason(rule(SOLID_LINE, metres=False), CHANGE) == "reported"
    assert last_reason(rule(SOLID_LINE, metres=False), drive((22.5, 25), (22.5, 75))) is None
