"""Classification of the colour of drawn plates, by day and under lamps; line detection, sharpness and contrast."""

from typing import Any

import cv2
import numpy as np
import pytest

from etle.types import PlateColour
from models.plates.readers.colour import plate_colour
from models.plates.readers.lines import detect_lines
from models.plates.readers.sharpness import contrast, sharpness

C = PlateColour
WHITE, BLACK = (235, 235, 235), (25, 25, 25)
YELLOW, RED, GREEN = (20, 190, 240), (30, 25, 190), (60, 150, 40)


def drawn(base: tuple[int, int, int], letters: tuple[int, int, int], expiry: bool = True) -> Any:
    plate = np.full((100, 320, 3), base, np.uint8)
    cv2.putText(plate, "B 1234 XYZ", (14, 58), cv2.FONT_HERSHEY_SIMPLEX, 1.6, letters, 5, cv2.LINE_AA)
    if expiry:
        cv2.putText(plate, "05 27", (120, 90), cv2.FONT_HERSHEY_SIMPLEX, 0.7, letters, 2, cv2.LINE_AA)
    return plate


def lit(plate: Any, blue: float, green: float, red: float) -> Any:
    """The image under a lamp: each channel times its gain."""
    return np.clip(plate * np.array([blue, green, red]), 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("plate", "colour"),
    [
        pytest.param(drawn(WHITE, BLACK), C.WHITE, id="white by day"),
        pytest.param(drawn(BLACK, WHITE), C.BLACK, id="black by day"),
        pytest.param(drawn(YELLOW, BLACK), C.YELLOW, id="yellow by day"),
        pytest.param(drawn(RED, WHITE), C.RED, id="red by day"),
        pytest.param(drawn(GREEN, BLACK), C.GREEN, id="green by day"),
        pytest.param(lit(drawn(WHITE, BLACK), 0.3, 0.3, 0.3), C.WHITE, id="white at dusk"),
        pytest.param(lit(drawn(BLACK, WHITE), 0.2, 0.2, 0.2), C.BLACK, id="black at night"),
        pytest.param(lit(drawn(BLACK, WHITE), 0.3, 0.3, 1.0), C.BLACK, id="black beside a tail lamp is not red"),
        pytest.param(lit(drawn(BLACK, WHITE), 1.0, 0.6, 0.4), C.BLACK, id="black in a blue night is not blue"),
        pytest.param(lit(drawn(WHITE, BLACK), 0.6, 0.85, 1.0), C.WHITE, id="white under a sodium lamp is not yellow"),
        pytest.param(lit(drawn(YELLOW, BLACK), 0.4, 0.4, 0.4), C.YELLOW, id="yellow at dusk"),
        pytest.param(lit(drawn(BLACK, WHITE), 0.05, 0.05, 0.05), C.UNKNOWN, id="too dark"),
        pytest.param(np.full((60, 180, 3), 128, np.uint8), C.UNKNOWN, id="a grey wall"),
        pytest.param(np.zeros((2, 2, 3), np.uint8), C.UNKNOWN, id="too small"),
    ],
)
def test_colour(plate: Any, colour: PlateColour) -> None:
    assert plate_colour(plate) == colour


def tilted(plate: Any, slope: float, margin: int) -> Any:
    """The plate tilted, with a grey margin around it."""
    loose = cv2.copyMakeBorder(plate, margin, margin, margin, margin, cv2.BORDER_CONSTANT, value=(90, 90, 90))
    height, width = loose.shape[:2]
    matrix = np.array([[1, 0, 0], [slope, 1, -slope * width / 2]], dtype=np.float32)
    return cv2.warpAffine(loose, matrix, (width, height), borderMode=cv2.BORDER_CONSTANT, borderValue=(90, 90, 90))


@pytest.mark.parametrize("slope", [0.0, 0.1, -0.15])
@pytest.mark.parametrize("margin", [0, 30])
@pytest.mark.parametrize(("base", "letters"), [(WHITE, BLACK), (BLACK, WHITE)], ids=["dark letters", "light letters"])
def test_the_number_is_rectified_without_the_expiry(slope: float, margin: int, base: Any, letters: Any) -> None:
    main = detect_lines(tilted(drawn(base, letters), slope, margin)).main
    alone = detect_lines(tilted(drawn(base, letters, expiry=False), slope, margin)).main
    letters_px = 40  # the drawn letters' height
    assert letters_px <= main.shape[0] <= 1.7 * letters_px
    assert abs(main.shape[0] - alone.shape[0]) <= 6


def test_the_expiry_is_detected() -> None:
    expiry = detect_lines(drawn(WHITE, BLACK)).expiry
    assert expiry is not None
    assert expiry.min() < 80  # its strokes are in it
    assert detect_lines(drawn(WHITE, BLACK)[:62]).expiry is None


def test_sharpness_falls_with_blur_and_not_with_size() -> None:
    plate = drawn(WHITE, BLACK)
    values = [sharpness(cv2.GaussianBlur(plate, (0, 0), sigma)) for sigma in (0.5, 2, 4, 8)]
    assert values == sorted(values, reverse=True)
    assert values[0] > 4 * values[-1]
    twice = cv2.resize(plate, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    assert sharpness(twice) == pytest.approx(sharpness(plate), rel=0.25)
    assert sharpness(np.zeros((0, 0, 3), np.uint8)) == 0.0


def test_contrast_is_that_of_the_characters_and_not_of_the_surroundings() -> None:
    plate = drawn(WHITE, BLACK)
    on_a_dark_road = cv2.copyMakeBorder(drawn((60, 60, 60), (40, 40, 40)), 10, 10, 30, 30, cv2.BORDER_CONSTANT, value=(250, 250, 250))
    assert contrast(plate) == pytest.approx(210, abs=15)
    assert contrast(on_a_dark_road) == pytest.approx(20, abs=6)
    assert contrast(lit(plate, 0.1, 0.1, 0.1)) == pytest.approx(21, abs=3)
    assert contrast(np.zeros((0, 0, 3), np.uint8)) == 0.0
