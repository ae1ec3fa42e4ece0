"""Plates in a single photo: the number range of the vehicle around the plate is checked."""

from datetime import UTC, datetime

import cv2
import numpy as np
import pytest

from etle.testing import ScriptedDetector, ScriptedPlateDetector, ScriptedReader
from etle.testing.values import a_read
from etle.types import Box, Certainty, Detection, PlateBox, VehicleClass
from models.synthetic.plates import render_plate
from pipeline.plates.photo import read_photo, vehicles_in

CAR, MOTORCYCLE = VehicleClass.CAR, VehicleClass.MOTORCYCLE
AT = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
PLATE = Box(240, 200, 360, 248)
RIDER, CAR_BEHIND = Box(160, 20, 440, 380), Box(20, 0, 600, 400)


@pytest.mark.parametrize(
    ("vehicles", "certainty"),
    [
        pytest.param([(RIDER, MOTORCYCLE)], Certainty.CERTAIN, id="a motorcycle's number on a motorcycle"),
        pytest.param([(RIDER, MOTORCYCLE), (CAR_BEHIND, CAR)], Certainty.CERTAIN, id="in front of a car"),
        pytest.param([(RIDER, CAR)], Certainty.CHECK, id="on a car"),
        pytest.param([], Certainty.CERTAIN, id="on a vehicle that was not detected"),
    ],
)
def test_the_number_range_is_that_of_the_vehicle_around_the_plate(vehicles, certainty):
    photo = np.full((400, 600, 3), 90, np.uint8)
    photo[200:248, 240:360] = cv2.resize(render_plate(np.random.default_rng(4), vehicle=CAR).image, (120, 48))
    detector = ScriptedDetector([tuple(Detection(box=box, vehicle=vehicle, score=0.8) for box, vehicle in vehicles)])
    finder = ScriptedPlateDetector([*[() for _ in vehicles], (PlateBox(box=PLATE, score=0.9),)])
    readers = ScriptedReader([a_read("B6143ABC", "ours")]), ScriptedReader([a_read("B6143ABC", "theirs")])
    (found,) = read_photo(photo, vehicles_in(photo, detector), finder, readers, AT)
    assert (found.plate.text, found.plate.certainty) == ("B6143ABC", certainty)
