"""Vehicles are detected in the part of a frame that moves; none of them may get a box that the border of that part cuts."""

import cv2
import numpy as np
import pytest
from drawn import RED_LIGHT, STOP_LINE, ColourDetector, driving, frame, frames, process_all, site, stage
from scenario import second

from etle.types import Box, Frame, Sighting, Track, TrackId, VehicleClass
from pipeline.detect.vehicle_search import VehicleSearch
from pipeline.frames.decode import decode
from pipeline.frames.motion_gate import Motion

SIZE = (1000, 800)
CAR = Box(100, 100, 200, 160)


def picture(*cars: Box, halved: bool = False) -> np.ndarray:
    image = np.full((800, 1000, 3), 90, np.uint8)
    for x1, y1, x2, y2 in cars:
        image[int(y1) : int(y2), int(x1) : int(x2)] = (0, 0, 200)
    return image[::2, ::2] if halved else image


def track(*boxes: Box) -> Track:
    seen = (Sighting(sequence=n, captured_at=second(n / 10), box=box, vehicle=VehicleClass.CAR, score=0.9) for n, box in enumerate(boxes))
    return Track(id=TrackId("t"), sightings=tuple(seen))


def moved_by(box: Box, x: float, y: float = 0) -> Box:
    return Box(box.x1 + x, box.y1 + y, box.x2 + x, box.y2 + y)


@pytest.mark.parametrize(
    ("moved", "tracks", "expected"),
    [
        pytest.param(CAR, [], Box(0, 0, 500, 400), id="a quarter of the frame around a car that moves"),
        pytest.param(moved_by(CAR, 780, 600), [], Box(500, 400, 1000, 800), id="the part stays in the frame"),
        pytest.param(Box(0, 0, 1000, 800), [], None, id="motion everywhere"),
        pytest.param(Box(20, 20, 60, 780), [], Box(0, 0, 500, 800), id="the smallest part that fits"),
        pytest.param(CAR, [track(*[moved_by(CAR, 600, 500)] * 5)], Box(0, 0, 500, 400), id="a vehicle that stands elsewhere is left out"),
        pytest.param(
            CAR,
            [track(*(moved_by(CAR, 500 + 20 * n, 100) for n in range(5)))],
            Box(50, 0, 850, 400),
            id="a vehicle that drives elsewhere is searched for",
        ),
        pytest.param(
            CAR,
            [track(*[Box(180, 100, 180 + 380, 240)] * 5)],
            Box(54, 0, 604, 400),
            id="a standing vehicle that the motion touches is whole",
        ),
    ],
)
def test_the_part_that_is_searched(moved, tracks, expected):
    changed = np.zeros((256, 320), np.bool_)
    x1, y1, x2, y2 = (round(edge * 0.32) for edge in moved)
    changed[y1:y2, x1:x2] = True
    assert VehicleSearch(ColourDetector(), SIZE).part_for(Motion(changed, SIZE), tracks, second(0.5)) == expected


@pytest.mark.parametrize("halved", [False, True])
def test_boxes_are_in_pixels_of_the_frame(halved):
    car = moved_by(CAR, 600, 440)
    part = Box(500, 400, 1000, 800)
    found, searched = VehicleSearch(ColourDetector(), SIZE).detect(picture(car, halved=halved), part, [])
    assert ([detection.box for detection in found], searched) == ([car], part)


def test_a_vehicle_that_reaches_over_the_border_is_searched_in_the_whole_frame():
    unknown = Box(450, 300, 620, 380)
    found, searched = VehicleSearch(ColourDetector(), SIZE).detect(picture(CAR, unknown), Box(0, 0, 500, 400), [])
    assert ({detection.box for detection in found}, searched) == ({CAR, unknown}, None)


def test_the_visible_part_of_a_vehicle_that_is_known_to_stand_there_is_left_out():
    known = Box(450, 300, 620, 380)
    detector = ColourDetector()
    found, searched = VehicleSearch(detector, SIZE).detect(picture(CAR, known), Box(0, 0, 500, 400), [track(*[known] * 3)])
    assert ([detection.box for detection in found], searched) == ([CAR], Box(0, 0, 500, 400))
    assert detector.images_seen == 1


def test_a_vehicle_that_the_frame_cuts_is_kept():
    leaving = Box(0, 100, 60, 160)
    found, searched = VehicleSearch(ColourDetector(), SIZE).detect(picture(leaving), Box(0, 0, 500, 400), [])
    assert ([detection.box for detection in found], searched) == ([leaving], Box(0, 0, 500, 400))


def on_dark_asphalt(given: Frame) -> Frame:
    """The drawn cars are as bright as the drawn road, and the motion gate compares brightness."""
    image = decode(given)
    image[(image < 130).all(axis=2)] = 30
    return frame(bytes(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 92])[1]), given.sequence, given.sequence / 10)


def test_it_finds_the_same_violations_as_in_whole_frames_and_searches_less():
    watched = site(RED_LIGHT, STOP_LINE)
    whole = watched.model_copy(update={"detect": watched.detect.model_copy(update={"region": "full"})})
    street = [on_dark_asphalt(each) for each in frames([driving(5, 45, 40, 60), driving(40, 90, 38, 63), driving(10, 60, 30, 49)], 100)]
    in_parts, in_whole = stage(watched), stage(whole)
    found, expected = process_all(in_parts, street), process_all(in_whole, street)
    assert [(each.rule, each.occurred_at) for each in found] == [(each.rule, each.occurred_at) for each in expected]
    assert len(found) == 2
    assert in_parts.counts.detected_area < 0.7 * in_whole.counts.detected_area
