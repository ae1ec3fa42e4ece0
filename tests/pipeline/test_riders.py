"""Who rides a motorcycle, and the rules about riders."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from scenario import camera as plain_camera
from scenario import drive, second, track

from etle.config.site import CameraSettings
from etle.types import Box, Finding, Headgear, PersonBox, RiderHead, TrackId, VehicleClass
from models.persons.onnx_detector import distinct_persons
from models.runtime.yolov8 import RawDetection
from pipeline.riders.association import heads_of, heads_on, riders_on
from pipeline.riders.search import search_area
from pipeline.rules import build_rules
from pipeline.rules.rider_rule import RiderRule
from pipeline.scene.calibration import calibrate
from pipeline.scene.judgement import Reason
from pipeline.scene.riders import ObservedRiders, RidersView, rode_together, seats
from pipeline.scene.scene import Scene

TRIPLE = {"rule": "triple_riding", "line": "henti"}
MOTORCYCLE = Box(100, 100, 300, 220)
OVER = drive((4.0, 30, 70))


def person(x: float, *, top: float = 50, foot: float = 200, width: float = 60, score: float = 0.8) -> PersonBox:
    """`x`: of the middle."""
    return PersonBox(box=Box(x - width / 2, top, x + width / 2, foot), score=score)


class TestAssociation:
    @pytest.mark.parametrize(
        ("persons", "certain", "doubtful"),
        [
            pytest.param([person(200)], 1, 0, id="a rider"),
            pytest.param([person(150), person(190), person(230)], 3, 0, id="three that overlap"),
            pytest.param([person(200), person(230, foot=145)], 2, 0, id="a passenger of whom the legs are hidden"),
            pytest.param([person(200, foot=222)], 1, 0, id="feet on the ground at a red light"),
            pytest.param([person(200), person(305, width=50)], 2, 0, id="the last of several, who sits partly behind it"),
            pytest.param([person(200), person(320, width=60)], 1, 0, id="a bystander who overlaps it"),
            pytest.param([person(200), person(360)], 1, 0, id="a bystander beside it"),
            pytest.param([person(200, foot=260)], 0, 0, id="someone who walks in front of it"),
            pytest.param([person(200), person(250, top=95, foot=140, width=20)], 1, 0, id="someone far away, of less than half its height"),
            pytest.param([person(200), person(270, top=60, foot=140, width=18)], 1, 1, id="someone farther away than the rider"),
            pytest.param([person(200, top=20, foot=90)], 0, 0, id="someone behind it who ends above it"),
            pytest.param([person(200), person(160, score=0.3)], 1, 1, id="a person of a low score"),
            pytest.param([], 0, 0, id="nobody"),
        ],
    )
    def test_one_motorcycle(self, persons, certain, doubtful):
        found = riders_on(MOTORCYCLE, (), persons)
        assert (len(found.certain), len(found.doubtful)) == (certain, doubtful)

    @pytest.mark.parametrize(
        ("other", "certain", "doubtful"),
        [
            pytest.param(Box(100, 600, 300, 720), 1, 0, id="far away"),
            pytest.param(Box(280, 100, 480, 220), 0, 1, id="beside it, as near to the person"),
            pytest.param(Box(190, 100, 390, 220), 0, 0, id="which the person fits much better"),
        ],
    )
    def test_another_motorcycle(self, other, certain, doubtful):
        found = riders_on(MOTORCYCLE, [other], [person(290)])
        assert (len(found.certain), len(found.doubtful)) == (certain, doubtful)

    def test_riders_come_from_left_to_right(self):
        found = riders_on(MOTORCYCLE, (), [person(230), person(150), person(190)])
        assert [rider.box.centre.x for rider in found.certain] == [150, 190, 230]


@pytest.mark.parametrize(
    ("second_box", "expected"),
    [
        pytest.param(Box(100, 0, 160, 100), 1, id="the upper part of the same person"),
        pytest.param(Box(98, 2, 162, 210), 1, id="nearly the same box"),
        pytest.param(Box(120, 10, 180, 200), 2, id="the passenger behind, largely hidden"),
        pytest.param(Box(100, 110, 160, 200), 2, id="a child in front, with a head of its own"),
    ],
)
def test_a_person_is_detected_once(second_box, expected):
    raw = [RawDetection(box=Box(100, 0, 160, 200), score=0.9, class_id=0), RawDetection(box=second_box, score=0.6, class_id=0)]
    assert len(distinct_persons(raw)) == expected


def test_riders_are_searched_above_the_motorcycle_inside_the_picture():
    assert search_area(Box(100, 300, 200, 400), (1000, 1000)) == Box(65, 190, 236, 411)
    assert search_area(Box(0, 10, 200, 400), (405, 210)) == Box(0, 0, 210, 405)


def view(n: int, riders: int, *, clear: bool = True, moved: float = 40.0, apart: float = 40.0, towards_camera: bool = False) -> RidersView:
    """The motorcycle has moved by `moved` pixels since the view before, to the right or down the picture."""
    x, y = (0.0, n * moved) if towards_camera else (n * moved, 0.0)
    box = Box(100 + x, 100 + y, 300 + x, 220 + y)
    persons = tuple(person(120 + apart * at + x, top=50 + y, foot=200 + y) for at in range(riders))
    return RidersView(sequence=n, motorcycle=box, riders=persons, doubtful=(), clear=clear)


def rule(entry: dict[str, object]) -> RiderRule:
    made = CameraSettings.model_validate({**plain_camera().model_dump(), "rules": [entry]})
    (built,) = build_rules(made, calibrate(made))
    assert isinstance(built, RiderRule)
    return built


def decided(entry: dict[str, object], views: Sequence[RidersView]):
    tested, seen = rule(entry), track(OVER, vehicle=VehicleClass.MOTORCYCLE)
    passage = Finding(
        rule=tested.name, track=seen.id, first_sequence=0, vehicle=VehicleClass.MOTORCYCLE, occurred_at=second(2), measured=()
    )
    return tested.judge_riders(ObservedRiders(passage=passage, track=seen, views=tuple(views)))


def reason_of(outcome) -> Reason:
    return Reason.REPORTED if isinstance(outcome, Finding) else outcome.reason


class TestTripleRiding:
    @pytest.mark.parametrize(
        ("riders", "expected"),
        [
            pytest.param([3, 3, 3], Reason.REPORTED, id="three persons in three views"),
            pytest.param([3, 2, 3, 3, 2], Reason.REPORTED, id="two of them in some"),
            pytest.param([4, 3, 3], Reason.REPORTED, id="perhaps four"),
            pytest.param([2, 2, 2], Reason.RIDERS_ALLOWED, id="the rider and a passenger"),
            pytest.param([1, 1, 1, 1], Reason.RIDERS_ALLOWED, id="the rider alone"),
            pytest.param([3, 3], Reason.RIDERS_NOT_SEEN, id="two views"),
            pytest.param([3, 0, 3, 0, 3, 0], Reason.REPORTED, id="nobody is seen in half of the views"),
            pytest.param([0, 0, 0, 0], Reason.RIDERS_NOT_SEEN, id="nobody is ever seen"),
            pytest.param([3, 3, 2, 2], Reason.RIDERS_NOT_SEEN, id="three persons in two views"),
            pytest.param([3, 3, 3, 2, 2, 2], Reason.RIDERS_NOT_SEEN, id="three persons in half of the views"),
            pytest.param([], Reason.RIDERS_NOT_SEEN, id="no pictures"),
        ],
    )
    def test_decision(self, riders, expected):
        assert reason_of(decided(TRIPLE, [view(n, count) for n, count in enumerate(riders)])) is expected

    def test_views_in_which_it_is_hidden_do_not_count(self):
        assert reason_of(decided(TRIPLE, [view(n, 3, clear=n > 0) for n in range(3)])) is Reason.RIDERS_NOT_SEEN

    def test_a_bystander_at_a_standing_motorcycle_is_no_third_person(self):
        assert reason_of(decided(TRIPLE, [view(n, 3, moved=5) for n in range(6)])) is Reason.RIDERS_NOT_SEEN

    def test_it_is_a_lead_with_the_least_number_of_persons(self):
        found = decided(TRIPLE, [view(0, 4), view(1, 3), view(2, 3)])
        assert found.marks == ("lead",)
        assert [(each.name, each.value) for each in found.measured] == [
            ("persons", 3),
            ("views_of_persons", 3),
        ]

    @pytest.mark.parametrize(
        ("towards_camera", "dx", "expected"),
        [
            pytest.param(True, 40, Reason.RIDERS_NOT_SEEN, id="beside each other, as they come towards the camera: two motorcycles"),
            pytest.param(True, 12, Reason.REPORTED, id="behind each other, as they come towards the camera"),
            pytest.param(False, 40, Reason.REPORTED, id="behind each other, as they drive across the picture"),
        ],
    )
    def test_three_in_one_box_who_ride_beside_each_other_are_on_two_motorcycles(self, towards_camera, dx, expected):
        views = [view(n, 3, apart=dx, towards_camera=towards_camera) for n in range(4)]
        assert reason_of(decided(TRIPLE, views)) is expected

    def test_heads_beside_each_other_are_on_two_motorcycles_as_well(self):
        views = [
            replace(view(n, 2, towards_camera=True), heads=tuple(head(150 + 45 * at, y=60 + 40 * n) for at in range(3))) for n in range(4)
        ]
        assert reason_of(decided(TRIPLE, views)) is Reason.RIDERS_NOT_SEEN

    def test_more_views_can_be_demanded(self):
        assert reason_of(decided({**TRIPLE, "min_views": 4}, [view(n, 3) for n in range(3)])) is Reason.RIDERS_NOT_SEEN


H, B, U = Headgear.HELMET, Headgear.NO_HELMET, Headgear.UNKNOWN


def head(x: float, gear: Headgear = H, *, y: float = 60, size: float = 30) -> RiderHead:
    """`x`, `y`: of the middle."""
    box = Box(x - size / 2, y - size / 2, x + size / 2, y + size / 2)
    return RiderHead(box=box, found=0.9, headgear=gear, score=0.0 if gear is U else 0.9)


def headed(n: int, *gear: Headgear, riders: int | None = None, moved: float = 40.0, apart: float = 40.0) -> RidersView:
    """The motorcycle drives to the right; the headgear is given from its front to its back."""
    plain = view(n, len(gear) if riders is None else riders, moved=moved)
    heads = tuple(head(240 + n * moved - apart * at, each) for at, each in enumerate(gear))
    return RidersView(sequence=n, motorcycle=plain.motorcycle, riders=plain.riders, doubtful=(), clear=True, heads=tuple(reversed(heads)))


class TestHeads:
    @pytest.mark.parametrize(
        ("heads", "expected"),
        [
            pytest.param([head(200)], 1, id="at the upper end of the rider"),
            pytest.param([head(180), head(215)], 2, id="two, of whom the detector made one person"),
            pytest.param([head(200), head(200, y=150)], 1, id="a knee or a lamp below"),
            pytest.param([head(200), head(300)], 1, id="someone beside"),
            pytest.param([head(200), head(170), head(230, size=60)], 2, id="something of twice the size"),
            pytest.param([head(200), head(232, size=42)], 2, id="a helmet beside a child's bare head"),
            pytest.param([], 0, id="none"),
        ],
    )
    def test_of_a_rider(self, heads, expected):
        assert len(heads_of(heads, [person(200, top=45)])) == expected

    @pytest.mark.parametrize(
        ("heads", "certain"),
        [
            pytest.param([head(160)], 2, id="a head at the upper end of their box"),
            pytest.param([head(160, y=150)], 1, id="something lower"),
            pytest.param([head(230)], 1, id="the head of the other rider"),
            pytest.param([], 1, id="none"),
        ],
    )
    def test_confirms_a_person_of_a_low_score(self, heads, certain):
        persons = [person(225, top=45), person(160, top=45, score=0.3)]
        assert len(riders_on(MOTORCYCLE, (), persons, heads).certain) == certain

    @pytest.mark.parametrize(
        ("x", "found", "expected"),
        [
            pytest.param(200, 0.87, 3, id="between two others"),
            pytest.param(200, 0.8, 2, id="of a lower score"),
            pytest.param(275, 0.87, 2, id="beside them"),
            pytest.param(275, 0.95, 3, id="beside them, for certain"),
        ],
    )
    def test_further_ones(self, x, found, expected):
        riders = [person(170, top=45, width=80), person(240, top=45, width=80)]
        assert len(heads_of([head(165), head(235), replace(head(x), found=found)], riders)) == expected

    def test_none_without_riders(self):
        assert heads_of([head(200)], []) == ()

    @pytest.mark.parametrize(
        ("heads", "expected"),
        [
            pytest.param([head(150), head(195)], [150, 195], id="of a passenger whom the detector of persons does not see"),
            pytest.param([head(195)], [195], id="of a driver whom it does not see"),
            pytest.param([head(150), replace(head(195), found=0.85)], [150], id="of a low score"),
            pytest.param([head(150), head(290)], [150], id="too far away to sit on the same motorcycle"),
            pytest.param([head(150), head(310)], [150], id="beside the motorcycle"),
            pytest.param([head(150), head(195, y=95)], [150], id="a shoulder or a bag, lower than the other"),
            pytest.param([head(150), head(190, y=150)], [150], id="something on the motorcycle"),
            pytest.param([head(195, size=8)], [], id="someone far away"),
        ],
    )
    def test_above_the_motorcycle(self, heads, expected):
        riders = [person(150, top=45, width=50)] if heads[0].box.centre.x == 150 else []
        found = heads_on(MOTORCYCLE, (), riders, riders, heads)
        assert [each.box.centre.x for each in found] == expected

    @pytest.mark.parametrize(
        ("x", "expected"),
        [
            pytest.param(320, 2, id="over the end of the motorcycle, next to the other passenger"),
            pytest.param(355, 1, id="behind the motorcycle"),
        ],
    )
    def test_of_the_last_of_three(self, x, expected):
        rider = person(280, top=45, width=50)
        assert len(heads_on(MOTORCYCLE, (), [rider], [rider], [head(280), head(x)])) == expected

    @pytest.mark.parametrize(
        ("x", "others", "expected"),
        [
            pytest.param(310, [], 2, id="over its end"),
            pytest.param(310, [Box(290, 100, 490, 220)], 1, id="over its end, who may as well ride another"),
            pytest.param(316, [], 1, id="behind it, who hardly overlaps it"),
        ],
    )
    def test_of_a_certain_person_of_whom_a_part_only_is_above_it(self, x, others, expected):
        rider, last = person(260, top=45, width=50), person(x, top=45, foot=150, width=50)
        assert len(heads_on(MOTORCYCLE, others, [rider, last], [rider], [head(260), head(x)])) == expected

    @pytest.mark.parametrize(
        ("y", "expected"),
        [pytest.param(118, 2, id="whose box took in what is behind it"), pytest.param(130, 1, id="which is on the motorcycle")],
    )
    def test_next_to_another_may_be_below_the_upper_edge(self, y, expected):
        rider = person(160, top=85, width=50)
        assert len(heads_on(MOTORCYCLE, (), [rider], [rider], [head(160, y=110), head(200, y=y)])) == expected

    def test_of_two_pairs_side_by_side_none_changes_the_motorcycle(self):
        beside = Box(260, 100, 460, 220)
        persons = [person(x, top=45, width=50) for x in (180, 225, 300, 345)]
        heads = [head(each.box.centre.x) for each in persons]
        for own, other in ((MOTORCYCLE, beside), (beside, MOTORCYCLE)):
            riders = riders_on(own, [other], persons, heads)
            assert len(riders.certain) <= 2 and len(heads_on(own, [other], persons, riders.certain, heads)) <= 2

    def test_a_row_is_followed_from_head_to_head_though_the_last_one_is_the_surest(self):
        rider = person(200, top=45, width=50)
        row = [head(200), replace(head(245), found=0.92), replace(head(290), found=0.99)]
        assert len(heads_on(MOTORCYCLE, (), [rider], [rider], row)) == 3

    @pytest.mark.parametrize(("score", "expected"), [pytest.param(0.3, 2, id="unsure"), pytest.param(0.6, 1, id="certain")])
    def test_a_person_beside_the_motorcycle_owns_a_head_only_if_certain(self, score, expected):
        rider, other = person(260, top=45, width=50), person(305, top=45, foot=95, width=50, score=score)
        assert len(heads_on(MOTORCYCLE, (), [rider, other], [rider], [head(260), head(300)])) == expected

    @pytest.mark.parametrize(
        ("others", "strangers"),
        [
            pytest.param([], [person(200, top=45, foot=95)], id="of somebody who stands behind it"),
            pytest.param([Box(150, 90, 330, 200)], [], id="who may ride another motorcycle"),
        ],
    )
    def test_of_others_are_left_out(self, others, strangers):
        rider = person(150, top=45, width=50)
        found = heads_on(MOTORCYCLE, others, [rider, *strangers], [rider], [head(150), head(195)])
        assert [each.box.centre.x for each in found] == [150]


class TestSeats:
    def test_the_driver_sits_in_front_in_the_direction_of_travel(self):
        found = seats([headed(n, B, H) for n in range(3)])
        assert [[each.headgear for each in seat] for seat in found] == [[B, B, B], [H, H, H]]

    def test_and_the_other_way_round(self):
        found = seats([headed(-n, B, H) for n in range(3)])
        assert [[each.headgear for each in seat] for seat in found] == [[H, H, H], [B, B, B]]

    @pytest.mark.parametrize(
        ("views", "expected"),
        [
            pytest.param([headed(n, B) for n in range(3)], [3], id="a single rider"),
            pytest.param([headed(n, B, moved=0) for n in range(3)], [3], id="who stands"),
            pytest.param([headed(n, B, H, moved=2) for n in range(3)], [], id="two: it is not known where they drive"),
            pytest.param([headed(n, B, H, apart=4) for n in range(3)], [], id="two, behind each other"),
            pytest.param([headed(0, B, H), headed(1, B, H), headed(2, B)], [2, 2], id="one view shows a single head"),
            pytest.param([headed(n, B, riders=2) for n in range(3)], [], id="one of two riders has no head"),
            pytest.param([], [], id="no views"),
        ],
    )
    def test_views_that_count(self, views, expected):
        assert [len(seat) for seat in seats(views)] == expected


NO_HELMET = {"rule": "no_helmet", "line": "henti"}
PASSENGER = {"rule": "no_helmet_passenger", "line": "henti"}


class TestNoHelmet:
    @pytest.mark.parametrize(
        ("gear", "expected"),
        [
            pytest.param([(B,), (B,), (B,)], Reason.REPORTED, id="bare in three views"),
            pytest.param([(B,), (B,), (B,), (U,), (U,)], Reason.REPORTED, id="and not told in others"),
            pytest.param([(B,), (B,), (B,), (H,)], Reason.REPORTED, id="and once with a helmet"),
            pytest.param([(B,), (B,), (B,), (H,), (H,)], Reason.RIDERS_NOT_SEEN, id="and twice with a helmet"),
            pytest.param([(B,), (B,)], Reason.RIDERS_NOT_SEEN, id="bare in two views"),
            pytest.param([(U,), (U,), (U,)], Reason.RIDERS_NOT_SEEN, id="never told"),
            pytest.param([(H,), (H,), (H,)], Reason.RIDERS_ALLOWED, id="a helmet"),
            pytest.param([(H,), (U,), (U,)], Reason.RIDERS_ALLOWED, id="a helmet in one view"),
            pytest.param([(H, B), (H, B), (H, B)], Reason.RIDERS_ALLOWED, id="only the passenger is bare"),
            pytest.param([(B, H), (B, H), (B, H)], Reason.REPORTED, id="only the driver is bare"),
            pytest.param([], Reason.RIDERS_NOT_SEEN, id="no heads"),
        ],
    )
    def test_the_driver(self, gear, expected):
        assert reason_of(decided(NO_HELMET, [headed(n, *each) for n, each in enumerate(gear)])) is expected

    @pytest.mark.parametrize(
        ("gear", "expected"),
        [
            pytest.param([(H, B), (H, B), (H, B)], Reason.REPORTED, id="the passenger is bare"),
            pytest.param([(H, H, B), (H, H, B), (H, H, B)], Reason.REPORTED, id="one of two passengers"),
            pytest.param([(B, H), (B, H), (B, H)], Reason.RIDERS_ALLOWED, id="only the driver is bare"),
            pytest.param([(H, U), (H, U), (H, B)], Reason.RIDERS_NOT_SEEN, id="the passenger is not told"),
            pytest.param([(B,), (B,), (B,)], Reason.RIDERS_ALLOWED, id="no passenger"),
        ],
    )
    def test_the_passenger(self, gear, expected):
        assert reason_of(decided(PASSENGER, [headed(n, *each) for n, each in enumerate(gear)])) is expected

    def test_somebody_who_stands_beside_a_motorcycle_is_not_reported(self):
        assert reason_of(decided(NO_HELMET, [headed(n, B, moved=3) for n in range(4)])) is Reason.RIDERS_NOT_SEEN

    def test_it_is_a_lead_with_the_views_for_and_against(self):
        found = decided(NO_HELMET, [headed(n, gear) for n, gear in enumerate([B, B, B, H])])
        assert found.marks == ("lead",)
        assert [(each.name, each.value) for each in found.measured] == [("views_of_bare_head", 3), ("views_of_helmet", 1)]


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        pytest.param([Box(0, 0, 100, 100), Box(60, 0, 160, 100)], True, id="across the picture"),
        pytest.param([Box(0, 0, 100, 100), Box(0, 10, 130, 140)], True, id="towards the camera"),
        pytest.param([Box(0, 0, 100, 100), Box(10, 0, 110, 100)], False, id="it hardly moved"),
        pytest.param([Box(0, 0, 100, 100)], False, id="one view"),
        pytest.param([], False, id="none"),
    ],
)
def test_persons_ride_together_if_the_motorcycle_moved_with_them(boxes, expected):
    views = [RidersView(sequence=n, motorcycle=box, riders=(), doubtful=(), clear=True) for n, box in enumerate(boxes)]
    assert rode_together(views) is expected


class TestCandidates:
    @pytest.mark.parametrize(
        ("vehicle", "expected"),
        [(VehicleClass.MOTORCYCLE, Reason.PICTURES_AWAITED), (VehicleClass.CAR, Reason.NOT_MOTORCYCLE)],
    )
    def test_motorcycles_that_pass_the_line(self, vehicle, expected):
        seen = track(OVER, vehicle=vehicle)
        (judgement,) = rule(TRIPLE).judge(Scene(now=second(4), tracks=(seen,), ended=(), signals={}))
        assert judgement.reason is expected and judgement.track == TrackId("t")
