"""Turning where it is forbidden: UU 22/2009 article 287(1)."""

from itertools import pairwise
from random import Random

import pytest
from road_plan import Row, arc, camera, drive, finding, found_at, judgements, last_reason, rule, track

from etle.errors import ConfigError
from etle.types import VehicleClass
from pipeline.rules import build_rules
from pipeline.scene.calibration import calibrate
from pipeline.scene.judgement import Reason


def braked(rows: list[Row], *, at_m: float, for_s: float, brake: float = 2.0) -> list[Row]:
    """The same way at 6 m/s, but braked to a stand at `at_m` and driven on after `for_s`."""
    speed, step = 6.0, 0.6
    brakes_s, braking_s = (at_m - speed**2 / (2 * brake)) / speed, speed / brake

    def driven(at_s: float) -> float:
        if at_s <= brakes_s:
            return speed * at_s
        since = at_s - brakes_s
        if since <= braking_s:
            return at_m - brake * (braking_s - since) ** 2 / 2
        since -= braking_s + for_s
        return at_m if since <= 0 else at_m + (brake * since**2 / 2 if since <= braking_s else speed * (since - braking_s / 2))

    made: list[Row] = []
    while (index := driven(len(made) / 10) / step) < len(rows) - 1:
        (_, x, y), (_, to_x, to_y), part = rows[int(index)], rows[int(index) + 1], index % 1
        made.append((len(made) / 10, x + part * (to_x - x), y + part * (to_y - y)))
    return made


TURN = {"rule": "forbidden_turn", "entry": "masuk", "exits": ["keluar"]}
AROUND = [(25, 30), *arc(31, 46, 6, 180, 90)]
"""Down the road over the entry, and a quarter circle to the side of the exit."""
LEFT = drive(*AROUND, (45, 52), speed=6)
WAITS = braked(LEFT, at_m=18, for_s=10)
STRAIGHT = drive((25, 30), (25, 90), speed=8)
OTHER_HAND = drive((25, 30), *arc(19, 46, 6, 0, 90), (5, 52), speed=6)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param(LEFT, "reported", id="comes by the entry and leaves by the exit"),
        pytest.param(WAITS, "reported", id="waits in the junction for ten seconds first"),
        pytest.param(STRAIGHT, Reason.LEFT_ELSEWHERE, id="drives straight on"),
        pytest.param(OTHER_HAND, Reason.LEFT_ELSEWHERE, id="turns to the other hand"),
        pytest.param(drive((40, 30), (40, 52), (45, 52), speed=6), None, id="comes from another road"),
        pytest.param(drive((10, 52), (48, 52), speed=6), None, id="crosses from the other side"),
        pytest.param(drive((48, 52), (20, 52), speed=6), None, id="comes out of the exit"),
        pytest.param(drive((25, 30), (25, 42), (48, 42.5), speed=6), Reason.LEFT_ELSEWHERE, id="passes beside the end of the exit"),
        pytest.param(drive((32, 30), (32, 44), (45, 50), speed=6), None, id="came in beside the end of the entry"),
        pytest.param(drive(*AROUND, (34.2, 52), speed=6), Reason.LOST_BEFORE_LINE, id="its track ends before the exit"),
        pytest.param(
            drive(*AROUND, (35.5, 52), (31, 60), (25, 70), (25, 90), speed=6),
            Reason.LEFT_ELSEWHERE,
            id="reaches over the exit and comes back",
        ),
        pytest.param(
            drive((25, 41), *arc(31, 46, 6, 180, 90), (45, 52), speed=6), Reason.FIRST_SEEN_BEYOND_LINE, id="is first seen inside"
        ),
        pytest.param(drive((25, 30), (25, 40.2), (25, 30), (31, 30), (31, 52), (45, 52), speed=6), None, id="turns back at the entry"),
    ],
)
@pytest.mark.parametrize("metres", [True, False])
def test_forbidden_turn(rows: list[Row], expected: str | None, metres: bool) -> None:
    assert last_reason(rule(TURN, metres=metres), rows) == expected


def test_it_measures_the_way_beyond_the_exit_and_the_time_since_the_entry() -> None:
    found = finding(rule(TURN), LEFT)
    measured = {each.name: each for each in found.measured}
    assert measured["past_exit"].value > 2 * measured["past_exit"].uncertainty
    assert measured["since_entry"].value == pytest.approx((6 + 9.42 + 4 + 0.9) / 6, abs=2 * measured["since_entry"].uncertainty)
    assert found_at(found) == pytest.approx((10 + 6 + 9.42 + 4 + 0.9) / 6, abs=0.3), "when its rear edge has passed the exit"
    assert found.facts == (("entered_by", "masuk"), ("left_by", "keluar"))


def test_the_frames_since_the_entry_are_kept_for_the_evidence() -> None:
    made = judgements(rule(TURN), LEFT)
    inside = [judgement for judgement in made if judgement.reason is Reason.LEFT_ELSEWHERE]
    assert inside and all(judgement.began_at == judgement.crossed.at for judgement in inside)
    assert made[-1].began_at is None and made[-1].left.line == "keluar"


@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        pytest.param("09:00-10:00", Reason.OUTSIDE_HOURS, id="before"),
        pytest.param("10:00-11:00", "reported", id="within"),
        pytest.param("10:01-11:00", Reason.OUTSIDE_HOURS, id="after"),
    ],
)
def test_the_schedule_holds_for_the_whole_turn(hours: str, expected: str) -> None:
    """The tables begin at 10:00 local time."""
    assert last_reason(rule({**TURN, "schedule": {"hours": [{"hours": hours}]}}), LEFT) == expected


@pytest.mark.parametrize(
    ("vehicle", "expected"),
    [(VehicleClass.BUS, Reason.CLASS_ALLOWED), (VehicleClass.TRUCK, Reason.CLASS_UNCERTAIN), (VehicleClass.CAR, "reported")],
)
def test_exempt_classes_may_turn(vehicle: VehicleClass, expected: str) -> None:
    assert last_reason(rule({**TURN, "exempt": ["bus"]}), LEFT, vehicle=vehicle) == expected


def test_a_motorcycle_that_is_pushed_is_a_pedestrian() -> None:
    pushed = drive(*AROUND, (45, 52), speed=1.2)
    assert last_reason(rule(TURN), pushed, vehicle=VehicleClass.MOTORCYCLE, width_m=0.8) == Reason.WALKING_PACE
    assert last_reason(rule(TURN), LEFT, vehicle=VehicleClass.MOTORCYCLE, width_m=0.8) == "reported"


def test_a_track_that_continues_with_a_vehicle_of_the_other_road_is_not_one_vehicle() -> None:
    came, crossing = drive((25, 30), (25, 48), speed=6), drive((31, 54), (48, 54), speed=9)
    rows = came + [(round(at_s + came[-1][0] + 0.1, 3), x, y) for at_s, x, y in crossing]
    assert last_reason(rule(TURN), rows) == Reason.NOT_ONE_VEHICLE


def test_a_gap_in_the_junction_is_not_one_vehicle() -> None:
    assert last_reason(rule(TURN), [row for row in LEFT if not 2.2 < row[0] < 3.2]) == Reason.NOT_ONE_VEHICLE


def test_a_foot_that_a_nearer_vehicle_hides_decides_nothing() -> None:
    nearer = track([(at_s, x, y + 1) for at_s, x, y in LEFT], name="nearer")
    assert last_reason(rule(TURN), LEFT, others=[nearer]) == Reason.POSITION_UNCERTAIN


def test_one_of_several_exits_is_enough() -> None:
    straight_too = {**TURN, "exits": ["akhir", "keluar"]}
    for rows, exit in ((LEFT, "keluar"), (STRAIGHT, "akhir")):
        found = finding(rule(straight_too), rows)
        assert dict(found.facts)["left_by"] == exit


def test_the_entry_is_no_exit() -> None:
    with pytest.raises(ConfigError, match="draw a line where the forbidden way leaves"):
        rule({**TURN, "exits": ["masuk"]})


def test_an_unknown_exit_is_refused() -> None:
    made = camera({**TURN, "exits": ["gone"]})
    with pytest.raises(ConfigError, match="gone"):
        build_rules(made, calibrate(made))


@pytest.mark.parametrize("fps", [5, 10])
def test_boxes_that_jitter_accuse_nobody_and_hide_few(fps: int) -> None:
    """Ways and speeds drawn at random, boxes that jitter by 2 pixels; the exit is missed by a metre or more, or certainly passed."""
    drawn, tested, found = Random(fps), rule(TURN), 0
    for _ in range(12):
        radius, x = drawn.uniform(4, 8), drawn.uniform(22, 28)
        speed = drawn.uniform(3, (4 * radius) ** 0.5)  # 4 m/s2 across
        turned = [(x, 30), *arc(x + radius, 52 - radius, radius, 180, 90)]
        innocent = [
            [(x, 25), (x, 90)],
            [(x, 25), *arc(x - radius, 46, radius, 0, 90), (5, 46 + radius)],
            [*turned, (32, 52), (32, 56), (26, 70), (26, 90)],
            [(48, 52), (32, 52), (20, 60)],
        ]
        for way in innocent:
            assert last_reason(tested, jittered(drive(*way, speed=speed, fps=fps), drawn)) != "reported", way
        found += last_reason(tested, jittered(drive(*turned, (48, 52), speed=speed, fps=fps), drawn)) == "reported"
    assert found >= 11


def jittered(rows: list[Row], drawn: Random) -> list[Row]:
    return [(at_s, x + drawn.gauss(0, 0.2), y + drawn.gauss(0, 0.2)) for at_s, x, y in rows]


def test_the_way_to_the_exit_has_no_jump() -> None:
    """The table itself: a step that no vehicle makes would be refused for that reason alone."""
    assert max(abs(two[1] - one[1]) + abs(two[2] - one[2]) for one, two in pairwise(LEFT)) < 1
