"""A motorcycle that drove here and is missing is searched again in a zoom; others are not, and nothing is found that was not lost."""

from dataclasses import replace

import numpy as np
import pytest
from scenario import second

from etle.types import Box, Detection, Digest, Sighting, Track, TrackId, VehicleClass
from pipeline.detect.missing_motorcycles import MissingMotorcycleSearch

SIZE = (1000, 800)
MOTORCYCLE, CAR = VehicleClass.MOTORCYCLE, VehicleClass.CAR
LOST = Box(400, 200, 520, 300)
"""Where the motorcycle is expected."""
NEARER = Box(360, 240, 520, 400)
IMAGE = np.zeros((400, 500, 3), np.uint8)


class ZoomDetector:
    """Finds these boxes of the frame in each part, which is of a picture of half the size."""

    name = "zoom"
    digest = Digest("e" * 64)

    def __init__(self, *boxes: Box, score: float = 0.4, vehicle: VehicleClass = MOTORCYCLE) -> None:
        self.looks: list[tuple[Box, float]] = []
        self._found = tuple(Detection(box=Box(x1 / 2, y1 / 2, x2 / 2, y2 / 2), vehicle=vehicle, score=score) for x1, y1, x2, y2 in boxes)

    def detect(self, images):
        raise AssertionError("the whole frame was searched already")

    def detect_part(self, image, part, zoom=1.0):
        self.looks.append((part, zoom))
        return self._found


def found(box: Box, score: float = 0.8, vehicle: VehicleClass = MOTORCYCLE) -> Detection:
    return Detection(box=box, vehicle=vehicle, score=score)


def coming(*, sightings: int = 4, vehicle: VehicleClass = MOTORCYCLE, lost_s: float = 0.1, dy: float = 0.0, speed: float = 100.0) -> Track:
    """A vehicle that drives so many pixels per second to the right, is at `LOST` at second 1 and was lost so long before."""
    at = [1 - lost_s - 0.1 * (sightings - 1 - n) for n in range(sightings)]
    boxes = [Box(LOST.x1 + speed * (each - 1), LOST.y1 + dy, LOST.x2 + speed * (each - 1), LOST.y2 + dy) for each in at]
    seen = (Sighting(sequence=n, captured_at=second(at[n]), box=box, vehicle=vehicle, score=0.8) for n, box in enumerate(boxes))
    return Track(id=TrackId("lost"), sightings=tuple(seen))


def leaving() -> Track:
    """The last sighting is at the right border."""
    moved = 600.0
    track = coming(speed=800.0)
    boxes = [Box(each.box.x1 + moved, each.box.y1, min(each.box.x2 + moved, SIZE[0]), each.box.y2) for each in track.sightings]
    return replace(track, sightings=tuple(replace(each, box=box) for each, box in zip(track.sightings, boxes, strict=True)))


def look(detector: ZoomDetector, detections: list[Detection], *tracks: Track) -> list[Detection]:
    return MissingMotorcycleSearch(detector, SIZE, 0.25).with_missing(IMAGE, detections, tracks, second(1))


def test_a_motorcycle_behind_another_one_is_found():
    detector = ZoomDetector(LOST, NEARER)
    assert look(detector, [found(NEARER)], coming()) == [found(NEARER), found(LOST, 0.4)]
    ((part, zoom),) = detector.looks  # the first shows it
    assert zoom > 1 and part.x1 < LOST.x1 / 2 and part.y2 > LOST.y2 / 2 and part.area < IMAGE.shape[0] * IMAGE.shape[1] / 4


@pytest.mark.parametrize(
    "detections",
    [
        pytest.param([found(NEARER, vehicle=CAR)], id="behind a car"),
        pytest.param([found(Box(380, 100, 500, 260), vehicle=CAR)], id="before a car"),
        pytest.param([], id="behind a pole, or dark before something dark"),
    ],
)
def test_wherever_it_is_missing(detections):
    assert look(ZoomDetector(LOST), detections, coming()) == [*detections, found(LOST, 0.4)]


@pytest.mark.parametrize(
    ("detections", "track"),
    [
        pytest.param([found(LOST), found(NEARER)], coming(), id="it was found"),
        pytest.param([found(NEARER)], coming(vehicle=CAR), id="a car"),
        pytest.param([found(NEARER)], coming(sightings=2), id="seen twice: it may be noise"),
        pytest.param([found(NEARER)], coming(speed=10.0), id="it stood"),
        pytest.param([found(NEARER)], leaving(), id="it left the picture"),
        pytest.param([found(NEARER)], coming(lost_s=1.5), id="lost for long"),
    ],
)
def test_other_frames_have_no_missing_motorcycles(detections, track):
    detector = ZoomDetector(LOST)
    assert look(detector, detections, track) == detections and detector.looks == []


def test_a_weak_detection_in_its_place_does_not_prevent_the_look():
    assert found(LOST, 0.4) in look(ZoomDetector(LOST), [found(NEARER), found(Box(400, 190, 520, 380), 0.15)], coming())


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param(NEARER, id="the nearer vehicle"),
        pytest.param(Box(362, 250, 515, 395), id="the nearer motorcycle without its rider"),
        pytest.param(Box(600, 200, 720, 300), id="a vehicle elsewhere"),
        pytest.param(Box(400, 200, 470, 300), id="a half of it"),
        pytest.param(Box(390, 190, 525, 400), id="both in one box"),
    ],
)
def test_what_does_not_show_the_lost_one_is_left_out(seen):
    assert look(ZoomDetector(seen), [found(NEARER)], coming()) == [found(NEARER)]


def test_of_several_boxes_the_one_in_its_place_counts_once():
    shifted = Box(LOST.x1 + 25, LOST.y1, LOST.x2 + 25, LOST.y2)
    assert look(ZoomDetector(shifted, LOST), [found(NEARER)], coming()) == [found(NEARER), found(LOST, 0.4)]


def test_two_that_are_lost_are_not_both_found_in_one_box():
    assert look(ZoomDetector(LOST), [found(NEARER)], coming(), coming(dy=5.0)).count(found(LOST, 0.4)) == 1


def test_a_crowd_does_not_make_it_search_the_frame_piece_by_piece():
    detector = ZoomDetector()
    look(detector, [found(NEARER)], *(coming(dy=5.0 * n) for n in range(6)))
    assert len(detector.looks) == 2
