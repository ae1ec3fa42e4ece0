"""The search for a vehicle's plate: which vehicle a plate belongs to, and in which frames it is read."""

from datetime import timedelta

import cv2
import numpy as np
import pytest

from etle.testing import ScriptedPlateDetector, ScriptedReader
from etle.testing.values import BEGIN, a_frame, a_read
from etle.types import Box, Certainty, PlateBox, Point, Sighting, Track, TrackId, VehicleClass
from models.synthetic.plates import render_plate
from pipeline.frames.buffer import FrameBuffer
from pipeline.frames.decode import decode
from pipeline.plates.crops import translate_plate
from pipeline.plates.search import PlateSearch, belongs

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
        pytest.param(plate(495, 400, 50), BIG, CAR, [(BESIDE, BIKE)], False, id="the motorcycle's, in front of the car's corner"),
        pytest.param(plate(495, 400, 50), BESIDE, BIKE, [(BIG, CAR)], True, id="the motorcycle's own, the car behind it"),
        pytest.param(plate(700, 380, 104), BIG, CAR, [], False, id="of a vehicle outside its box"),
        pytest.param(plate(300, 380, 104), BIG, CAR, [(Box(110, 100, 510, 460), CAR)], False, id="two vehicles match it equally"),
    ],
)
def test_a_plate_belongs_to_the_vehicle_that_it_matches_best(box, vehicle, kind, others, mine):
    assert belongs(box, vehicle, kind, others) is mine


def test_a_plate_in_a_crop_is_translated_to_the_frames_pixels():
    corners = (Point(1, 2), Point(11, 2), Point(11, 6), Point(1, 6))
    found = translate_plate(PlateBox(box=Box(1, 2, 11, 6), score=0.9, corners=corners), Box(100, 200, 300, 400))
    assert found.box == Box(101, 202, 111, 206)
    assert found.corners == (Point(101, 202), Point(111, 202), Point(111, 206), Point(101, 206))


SEEN = (PlateBox(box=Box(75, 150, 195, 198), score=0.9),)  # in the crop of a vehicle 240 pixels wide


def seen(vehicle, *, light=1.0):
    """A JPEG of 768 x 576 pixels: a rendered plate where SEEN is in this vehicle's crop."""
    picture = np.full((576, 768, 3), 90, np.uint8)
    x, y = int(vehicle.x1 - 0.08 * vehicle.width) + 75, int(vehicle.y1 - 0.08 * vehicle.height) + 150
    picture[y : y + 48, x : x + 120] = cv2.resize(render_plate(np.random.default_rng(4), vehicle=CAR).image, (120, 48))
    return cv2.imencode(".jpg", (light * picture).astype(np.uint8))[1].tobytes()


def searched(boxes, finds, ours, theirs, light=1.0, decode=decode):
    """The plate of a vehicle in these boxes, half a second apart, and the plate detector that was called."""
    frames, sightings = FrameBuffer(keep_s=60), []
    for number, box in enumerate(boxes):
        at = BEGIN + timedelta(seconds=number / 2)
        frames.add(a_frame(number, captured_at=at, jpeg=seen(box, light=light)))
        sightings.append(Sighting(sequence=number, captured_at=at, box=box, vehicle=CAR, score=0.9))
    finder = ScriptedPlateDetector(finds)
    readers = ScriptedReader([a_read(text, "ours") for text in ours]), ScriptedReader([a_read(text, "theirs") for text in theirs])
    search = PlateSearch(finder, readers, max_frames=8, decode=decode)
    return search.plate_of(Track(id=TrackId("t"), sightings=tuple(sightings)), (), frames, BEGIN), finder


STANDING = [Box(240, 120, 480, 360)] * 6
DRIVING = [Box(240 - 36 * n, 120, 480 - 36 * n, 360 + 1.2 * n) for n in range(4)]


def test_one_frame_is_enough_if_the_readers_agree():
    plate, finder = searched(DRIVING, [SEEN], ["B1432GMC"], ["B1432GMC"])
    assert (plate.text, plate.certainty, finder.images_seen) == ("B1432GMC", Certainty.CERTAIN, 1)


def test_agreement_at_low_contrast_is_not_certain():
    plate, finder = searched(DRIVING, [SEEN] * 4, ["B1432GMC"] * 4, ["B1432GMC"] * 4, light=0.08)
    assert (plate.text, plate.certainty, finder.images_seen) == ("B1432GMC", Certainty.CHECK, 3)


def test_a_standing_vehicle_is_searched_once_and_if_uncertain_read_again_in_another_frame():
    plate, finder = searched(STANDING, [SEEN], ["B1432GMC", "B1432GMC"], ["B1432GMO", "B1432GMC"])
    assert finder.images_seen == 1
    assert len({sighting.sequence for sighting in plate.sightings}) == 2
    assert len(plate.sightings) == 4


def test_a_plate_that_is_unclear_after_the_second_crop_is_read_in_a_third_and_not_certain():
    plate, _ = searched(STANDING, [SEEN], ["B1432GMC", "B1832GNC", "B1432GMC"], ["B7482GHO", "B1482CMC", "B1432GMC"])
    assert len(plate.sightings) == 6
    assert (plate.text, plate.certainty) == ("B1432GMC", Certainty.CHECK)


def test_a_moving_vehicle_is_read_in_each_frame_until_the_vote_is_certain():
    plate, finder = searched(DRIVING, [SEEN] * 4, ["B1432GMC"] * 6, ["B1432GMO"] * 6)
    assert finder.images_seen == 4
    assert len(plate.sightings) == 12, "each of four frames, and two further crops of one"
    assert plate.certainty is not Certainty.CERTAIN


def test_a_plate_that_is_hidden_at_first_is_searched_in_another_frame_of_the_same_view():
    plate, finder = searched(STANDING, [(), SEEN], ["B1432GMC"], ["B1432GMC"])
    assert (plate.text, finder.images_seen) == ("B1432GMC", 2)


def test_without_a_plate_in_any_crop_one_whole_frame_is_searched():
    plate, finder = searched(DRIVING, [()] * 5, [], [])
    assert (plate.text, finder.images_seen) == (None, 5)


@pytest.mark.parametrize(
    ("boxes", "finds", "decoded"),
    [
        pytest.param(DRIVING, [()] * 5, 4, id="once more for the whole frame"),
        pytest.param(STANDING, [(), SEEN], 2, id="once more for a second crop in another frame of the view"),
    ],
)
def test_each_frame_is_decoded_once(boxes, finds, decoded):
    sequences = []

    def counted(frame):
        sequences.append(frame.sequence)
        return decode(frame)

    searched(boxes, finds, ["B1432GMC"] * 3, ["B1432GMO"] * 3, decode=counted)
    assert len(sequences) == len(set(sequences)) == decoded


def test_agreement_is_not_certain_where_the_picture_ends_within_the_plate():
    at_the_border = PlateBox(box=Box(0, 150, 180, 198), score=0.9)
    plate, _ = searched([Box(0, 120, 240, 360)], [(at_the_border,)], ["B1432GMC"] * 2, ["B1432GMC"] * 2)
    assert (plate.text, plate.certainty) == ("B1432GMC", Certainty.CHECK)
