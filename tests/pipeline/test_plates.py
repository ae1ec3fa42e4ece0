"""Whose plate is it? A neighbour's must never enter a track's vote."""

import pytest

from etle.types import Box, PlateBox, Point, VehicleClass
from pipeline.plate_views import moved
from pipeline.plates import belongs

CAR, BIKE = VehicleClass.CAR, VehicleClass.MOTORCYCLE
BIG = Box(100, 100, 500, 460)  # a car of 400 px: a plate of about 104 px in its middle
BESIDE = Box(430, 200, 560, 470)  # a motorcycle before its right corner: a plate of about 50 px


def plate(x: float, y: float, width: float) -> Box:
    return Box(x - width / 2, y - width / 8, x + width / 2, y + width / 8)


@pytest.mark.parametrize(
    ("box", "vehicle", "kind", "others", "mine"),
    [
        pytest.param(plate(300, 380, 104), BIG, CAR, [], True, id="the car's own, alone"),
        pytest.param(plate(300, 380, 104), BIG, CAR, [(BESIDE, BIKE)], True, id="the car's own, a motorcycle beside it"),
        pytest.param(plate(495, 400, 50), BIG, CAR, [(BESIDE, BIKE)], False, id="the motorcycle's, seen before the car's corner"),
        pytest.param(plate(495, 400, 50), BESIDE, BIKE, [(BIG, CAR)], True, id="the motorcycle's own, the car behind it"),
        pytest.param(plate(700, 380, 104), BIG, CAR, [], False, id="of a vehicle outside its box"),
        pytest.param(plate(300, 380, 104), BIG, CAR, [(Box(110, 100, 510, 460), CAR)], False, id="two boxes fit it as well: nobody's"),
    ],
)
def test_a_plate_belongs_to_the_vehicle_that_it_fits(box, vehicle, kind, others, mine):
    assert belongs(box, vehicle, kind, others) is mine


def test_a_plate_in_a_crop_is_moved_to_the_frames_pixels():
    corners = (Point(1, 2), Point(11, 2), Point(11, 6), Point(1, 6))
    found = moved(PlateBox(box=Box(1, 2, 11, 6), score=0.9, corners=corners), Box(100, 200, 300, 400))
    assert found.box == Box(101, 202, 111, 206)
    assert found.corners == (Point(101, 202), Point(111, 202), Point(111, 206), Point(101, 206))
