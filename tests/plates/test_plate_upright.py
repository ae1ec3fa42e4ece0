"""Crops of plates that are turned, loose or cut by their box: upright, whole, and marked where characters may be missing."""

from itertools import product
from typing import Any

import cv2
import numpy as np
import pytest

from etle.geometry import iou
from etle.types import Box, VehicleClass
from models.plates.readers.lines import shipped_line_detector
from models.plates.readers.turned_plate import LocatedNumber
from models.plates.readers.upright import PlateCrop, crop_upright, surround
from models.synthetic.plates import RenderedPlate, render_plate

_WIDTH = 200


def scene(plate: RenderedPlate, turn_deg: float, background: Any = 110) -> tuple[Any, Any, Any]:
    """A picture of 600 x 400 pixels with the plate turned about its middle, the plate's corners and those of its number."""
    height, width = plate.image.shape[:2]
    scale = _WIDTH / width
    matrix = np.vstack([cv2.getRotationMatrix2D((width / 2, height / 2), -turn_deg, scale), (0, 0, 1)])
    matrix = np.array([[1, 0, 300 - width / 2], [0, 1, 200 - height / 2], [0, 0, 1]]) @ matrix
    picture = np.full((400, 600, 3), background, np.uint8)
    cv2.warpPerspective(plate.image, matrix, (600, 400), dst=picture, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_TRANSPARENT)
    corners = [
        np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]], np.float64) for x1, y1, x2, y2 in (Box(0, 0, width, height), plate.main_box)
    ]
    whole, number = (cv2.perspectiveTransform(each[None], matrix)[0] for each in corners)
    return picture, whole, number


def cropped(picture: Any, x1: float, y1: float, x2: float, y2: float) -> PlateCrop:
    return crop_upright(picture, Box(int(max(0, x1)), int(max(0, y1)), int(x2), int(y2)), shipped_line_detector())


def plates(count: int, vehicle: VehicleClass = VehicleClass.MOTORCYCLE) -> list[RenderedPlate]:
    rng = np.random.default_rng(23)
    return [render_plate(rng, vehicle=vehicle) for _ in range(count)]


def slope_deg(crop: PlateCrop) -> float:
    """Of the number's line in the crop."""
    a, b, c, d = shipped_line_detector().corners(crop.image)[0]
    along = b + c - a - d
    return float(np.degrees(np.arctan2(along[1], along[0])))


@pytest.mark.parametrize("turn_deg", [-28, -15, 15, 28])
def test_a_turned_plate_is_cropped_level(turn_deg: float) -> None:
    slopes = []
    for plate in plates(12):
        picture, whole, _ = scene(plate, turn_deg)
        crop = cropped(picture, *(whole.min(axis=0) - 8), *(whole.max(axis=0) + 8))
        slopes.append(abs(slope_deg(crop)))
    assert np.median(slopes) < 3
    assert sum(slope < 8 for slope in slopes) >= 10


def test_plates_that_are_turned_far_are_located_among_the_edges_of_a_fairing() -> None:
    located = []
    for turn_deg, plate in product((-45, -38, 38, 45), plates(12)):
        rng = np.random.default_rng(len(located))
        picture, whole, number = scene(plate, turn_deg, fairing(rng))
        (x1, y1), (x2, y2) = whole.min(axis=0), whole.max(axis=0)
        crop = cropped(picture, x1 - 0.2 * (x2 - x1), y1 - 0.2 * (y2 - y1), x2 + 0.1 * (x2 - x1), y2 + 0.2 * (y2 - y1))
        located.append(is_located(crop, number))
    assert sum(located) >= 30  # of 48; 25 without other starts


def fairing(rng: np.random.Generator) -> Any:
    """Bars and panels in all directions, as bright and dark as letters are."""
    picture = np.full((400, 600, 3), 60, np.uint8)
    for _ in range(40):
        x, y, angle, length = rng.uniform(120, 480), rng.uniform(60, 340), rng.uniform(0, np.pi), rng.uniform(20, 160)
        ends = [(round(x + way * np.cos(angle) * length / 2), round(y + way * np.sin(angle) * length / 2)) for way in (-1, 1)]
        cv2.line(picture, *ends, (int(rng.integers(0, 256)),) * 3, int(rng.integers(2, 14)), cv2.LINE_AA)
    return picture


@pytest.mark.parametrize(
    ("corners", "along"),
    [
        pytest.param(((120, 100), (180, 100), (180, 120), (120, 120)), True, id="a part of the number"),
        pytest.param(((100, 130), (200, 130), (200, 150), (100, 150)), False, id="a line below"),
        pytest.param(((100, 80), (200, 120), (190, 140), (90, 100)), False, id="a turned line"),
        pytest.param(((60, 85), (240, 85), (240, 135), (60, 135)), False, id="edges around the number"),
    ],
)
def test_a_part_of_a_number_is_on_its_line(corners: tuple[tuple[float, float], ...], along: bool) -> None:
    number = np.array(((100, 100), (200, 100), (200, 120), (100, 120)), np.float32)
    turned = LocatedNumber(np.zeros((60, 140, 3), np.uint8), number, number, 0.0)
    assert turned.is_along(np.array(corners, np.float32)) is along


def is_located(crop: PlateCrop, number: Any) -> bool:
    """Within half of the number's height."""
    height = float(np.linalg.norm(number[3] - number[0]))
    return crop.number is not None and float(np.linalg.norm(crop.number - number, axis=1).mean()) < height / 2


def test_a_level_plate_in_a_good_box_is_not_resampled() -> None:
    unchanged = 0
    for plate in plates(20):
        picture, whole, _ = scene(plate, 0)
        (x1, y1), (x2, y2) = whole[0] - (24, 11), whole[2] + (24, 11)
        crop = cropped(picture, x1, y1, x2, y2)
        unchanged += not crop.recropped and np.array_equal(crop.image, picture[int(y1) : int(y2), int(x1) : int(x2)])
    assert unchanged >= 18


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_box_that_cuts_a_character_is_extended(side: str) -> None:
    wider = []
    for plate in plates(20, VehicleClass.CAR):
        picture, whole, number = scene(plate, 0)
        (x1, y1), (x2, y2) = whole[0] - (0, 6), whole[2] + (0, 6)
        cut = 0.12 * (number[1][0] - number[0][0])
        crop = cropped(picture, number[0][0] + cut, y1, x2, y2) if side == "left" else cropped(picture, x1, y1, number[1][0] - cut, y2)
        wider.append(crop.recropped and crop.whole)
    assert sum(wider) >= 16


@pytest.mark.parametrize("turn_deg", [0, 20])
def test_a_box_is_extended_to_contain_the_number(turn_deg: float) -> None:
    contained = []
    for plate in plates(20, VehicleClass.CAR):
        picture, whole, number = scene(plate, turn_deg)
        (x1, y1), (x2, y2) = whole.min(axis=0), whole.max(axis=0)
        cut = Box(x1 + 0.2 * (x2 - x1), y1, x2, y2)
        crop = cropped(picture, *cut)
        assert crop.number is not None
        box = surround(cut, crop.number)
        assert box.x1 <= cut.x1 and box.y1 <= cut.y1 and box.x2 >= cut.x2 and box.y2 >= cut.y2
        contained.append(box.x1 <= number[:, 0].min() and box.x2 >= number[:, 0].max() and iou(box, Box(x1, y1, x2, y2)) > 0.75)
    assert sum(contained) >= 16


@pytest.mark.parametrize(
    ("number", "extended"),
    [
        pytest.param(((110, 105), (215, 105), (215, 125), (110, 125)), Box(100, 100, 221, 140), id="a number that the box cuts"),
        pytest.param(((20, 20), (300, 105), (290, 160), (10, 75)), Box(100, 100, 200, 140), id="an edge far beyond the box"),
        pytest.param(((110, 60), (190, 60), (190, 80), (110, 80)), Box(100, 100, 200, 140), id="a number above the box"),
    ],
)
def test_a_box_is_extended_to_a_number_near_it_only(number: tuple[tuple[float, float], ...], extended: Box) -> None:
    assert np.round(surround(Box(100, 100, 200, 140), np.array(number, np.float32))).tolist() == list(extended)


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_picture_that_ends_beside_a_character_may_cut_others_off(side: str) -> None:
    whole, cut = [], []
    for plate in plates(20, VehicleClass.CAR):
        picture, _, number = scene(plate, 0)
        height = number[3][1] - number[0][1]
        for room, found in ((0.4, whole), (0.05, cut)):
            left, right = (room, 0.4) if side == "left" else (0.4, room)
            part = picture[:, int(number[0][0] - left * height) : int(number[1][0] + right * height)]
            found.append(cropped(part, 0, number[0][1] - height / 2, part.shape[1], number[3][1] + height).whole)
    assert sum(whole) >= 18
    assert sum(cut) <= 3
