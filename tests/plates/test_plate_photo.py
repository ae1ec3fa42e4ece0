"""Plates in a single photo: the number range of the vehicle around the plate is checked."""

import random
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest

from etle.testing import ScriptedDetector, ScriptedPlateDetector, ScriptedReader
from etle.testing.values import a_read
from etle.types import Box, Certainty, Detection, PlateBox, VehicleClass
from models.plates.readers import open_plate_reader
from models.synthetic.plates import render_plate
from models.weights.locate import weight
from pipeline.evaluation.dataset import load_dataset
from pipeline.evaluation.pictures import load
from pipeline.plates.photo import read_box, read_photo, vehicles_in

CAR, MOTORCYCLE = VehicleClass.CAR, VehicleClass.MOTORCYCLE
AT = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
PLATE = Box(240, 200, 360, 248)
UNREAD = a_read("", "unread")
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
    finder = ScriptedPlateDetector([*[() for _ in range(max(1, len(vehicles)))], (PlateBox(box=PLATE, score=0.9),)])
    readers = ScriptedReader([a_read("B6143ABC", "ours")]), ScriptedReader([a_read("B6143ABC", "theirs")])
    (found,) = read_photo(photo, vehicles_in(photo, detector), finder, readers, AT)
    assert (found.plate.text, found.plate.certainty) == ("B6143ABC", certainty)


def test_a_photo_without_a_detected_vehicle_is_searched_as_the_crop_of_one():
    photo = np.full((400, 600, 3), 90, np.uint8)
    finder = ScriptedPlateDetector([(PlateBox(box=PLATE, score=0.5),), ()])
    (found,) = read_photo(photo, (), finder, (ScriptedReader([a_read("B6143ABC", "ours")] * 3),), AT)
    assert found.found.box == pytest.approx(PLATE)


@pytest.mark.parametrize(
    ("in_frame", "in_crop", "count"),
    [
        pytest.param((PLATE, 0.25), (PLATE, 0.25), 1, id="low scores in the frame and in the vehicle's crop add up"),
        pytest.param((PLATE, 0.25), (Box(300, 60, 420, 108), 0.25), 0, id="not those of different plates"),
        pytest.param((PLATE, 0.5), (PLATE, 0.05), 1, id="one high score is enough"),
    ],
)
def test_a_plate_is_found_by_all_searches_together(in_frame, in_crop, count):
    photo = np.full((400, 600, 3), 90, np.uint8)
    detector = ScriptedDetector([(Detection(box=Box(0, 0, 600, 400), vehicle=CAR, score=0.8),)])
    finder = ScriptedPlateDetector([(PlateBox(box=box, score=score),) for box, score in (in_crop, in_frame)])
    readers = (ScriptedReader([a_read("B6143ABC", "ours")]),)
    assert len(read_photo(photo, vehicles_in(photo, detector), finder, readers, AT)) == count


@pytest.mark.parametrize(
    ("ours", "theirs", "reads"),
    [
        pytest.param(["B1432GMC"], ["B1432GMC"], 2, id="certain after one crop"),
        pytest.param(["B1432GMC", "B1432GMC", "-"], ["B7482GHO", "B1432GMC", "-"], 4, id="clear after two"),
        pytest.param(["B1432GMC", "B1832GNC", "B1432GMC"], ["B7482GHO", "B1482CMC", "B1432GMC"], 6, id="unclear after two"),
        pytest.param(["", "", "B1432GMC"], ["", "", "B1432GMC"], 6, id="nothing read in two"),
    ],
)
def test_a_third_crop_is_read_if_two_leave_the_plate_unclear(ours, theirs, reads):
    photo = np.full((400, 600, 3), 90, np.uint8)
    photo[200:248, 240:360] = cv2.resize(render_plate(np.random.default_rng(4), vehicle=CAR).image, (120, 48))
    readers = (
        ScriptedReader([a_read(text, "ours") if text else UNREAD for text in ours]),
        ScriptedReader([a_read(text, "theirs") if text else UNREAD for text in theirs]),
    )
    plate = read_box(photo, PLATE, readers, AT)
    assert len(plate.sightings) == reads
    assert plate.certainty is not Certainty.CERTAIN or reads < 6


@pytest.mark.parametrize(("score", "reads"), [(0.5, 2), (0.95, 3)])
def test_what_is_surely_a_plate_gets_a_third_crop_though_nothing_was_read(score, reads):
    """A board that was detected as a plate has a low score."""
    photo = np.full((400, 600, 3), 90, np.uint8)
    found = (PlateBox(box=PLATE, score=score),)
    plates = read_photo(photo, (), ScriptedPlateDetector([found, ()]), (ScriptedReader([UNREAD] * 3),), AT)
    assert [len(each.plate.sightings) for each in plates] == [reads]


@pytest.mark.slow
def test_a_box_that_cuts_a_plate_never_makes_another_plate_certain(shared: Path):
    """Boxes of motorcycles' plates, cut by 2 to 15 % at one side."""
    readers = [open_plate_reader("tnkb", weight("plate-reader")), open_plate_reader("ppocr", weight("ppocrv6-rec"), details=False)]
    chance, plates = random.Random(3), []
    for picture in load_dataset(shared / "data" / "moto", limit=60).photos or ():
        for labelled in picture.plates:
            if labelled.box and labelled.text and labelled.box.width >= 50:
                cut = chance.uniform(0.02, 0.15) * labelled.box.width
                left, right = chance.choice([(cut, 0), (0, cut)])
                box = Box(labelled.box.x1 + left, labelled.box.y1, labelled.box.x2 - right, labelled.box.y2)
                plates.append((labelled.text, read_box(load(picture.path), box, readers, AT)))
    wrong = [(text, plate.text) for text, plate in plates if plate.text != text]
    assert len(plates) >= 25
    assert not [each for each in plates if each[1].certainty is Certainty.CERTAIN and each[1].text != each[0]]
    assert len(wrong) <= 0.2 * len(plates), wrong
