"""The blue strip of electric vehicles, on rendered plates with a strip painted over the second line."""

import cv2
import numpy as np
import pytest

from etle.types import VehicleClass
from models.plates.readers.ev_strip import has_blue_strip
from models.synthetic.plates import render_plate


def a_plate(width: int = 200) -> np.ndarray:
    rendered = render_plate(np.random.default_rng(4), vehicle=VehicleClass.CAR).image
    return cv2.resize(rendered, (width, round(width * 0.32)), interpolation=cv2.INTER_AREA)


def with_strip(plate: np.ndarray, colour: tuple[int, int, int] = (190, 90, 20)) -> np.ndarray:
    height, width = plate.shape[:2]
    painted = plate.copy()
    cv2.rectangle(painted, (round(0.04 * width), round(0.7 * height)), (round(0.96 * width), round(0.93 * height)), colour, -1)
    cv2.putText(painted, "08.29", (round(0.42 * width), round(0.9 * height)), 0, height / 190, (230, 230, 230), 1)
    return painted


@pytest.mark.parametrize(
    ("plate", "expected"),
    [
        pytest.param(a_plate(), False, id="without a strip"),
        pytest.param(with_strip(a_plate()), True, id="with a blue strip"),
        pytest.param(with_strip(a_plate(90)), True, id="90 pixels wide"),
        pytest.param(with_strip(a_plate(60)), None, id="60 pixels: too small to tell"),
        pytest.param((with_strip(a_plate()) * 0.15).astype(np.uint8), None, id="too dark to tell"),
        pytest.param(with_strip(a_plate(), (40, 40, 170)), False, id="with a red strip"),
        pytest.param(np.full((60, 200, 3), (160, 80, 20), np.uint8), None, id="all blue: the light, or no plate"),
    ],
)
def test_strip(plate, expected):
    assert has_blue_strip(plate) is expected
