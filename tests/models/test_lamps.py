"""Signal heads drawn by the test: lit lamps are read, ambiguous heads are UNKNOWN."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from etle.errors import WeightsError, WeightsMissing
from etle.types import Box, Lamp
from models.signals.head_reader import WEIGHTS, SignalHeadReader
from models.weights.locate import weight

READER = SignalHeadReader(weight(WEIGHTS))
RED, YELLOW, GREEN, UNKNOWN = Lamp.RED, Lamp.YELLOW, Lamp.GREEN, Lamp.UNKNOWN
ORDER = (RED, YELLOW, GREEN)
Colour = tuple[int, int, int]  # blue, green, red
LIT: dict[Lamp, Colour] = {RED: (60, 60, 250), YELLOW: (40, 190, 250), GREEN: (150, 240, 70)}
OFF: dict[Lamp, Colour] = {RED: (22, 22, 60), YELLOW: (25, 55, 65), GREEN: (40, 55, 22)}


def picture(
    lit: Sequence[Lamp],
    *,
    lamp_px: int = 12,
    order: Sequence[Lamp] = ORDER,
    horizontal: bool = False,
    bright: float = 1.0,
    lens: float = 1.0,
    sky: Colour = (190, 170, 150),
    glare: bool = False,
    noise: float = 0.0,
    arrow: tuple[Lamp, float] | None = None,
) -> tuple[np.ndarray, Box]:
    """An image of a head, and its box. `bright` scales all light, `lens` the reflection of unlit lenses.

    `arrow`: a lamp that shows an arrow at half its light, and the width of its lines relative to the section.
    """
    scale, side = 4, 4 * lamp_px
    head = np.full((side * len(order), side, 3), 28, np.uint8)
    for i, lamp in enumerate(order):
        colour = LIT[lamp] if lamp in lit else tuple(min(255, round(part * lens)) for part in OFF[lamp])
        cv2.circle(head, (side // 2, side * i + side // 2), round(0.38 * side), colour, -1, cv2.LINE_AA)
        if glare and lamp in lit:
            cv2.circle(head, (side // 2, side * i + side // 2), round(0.3 * side), (255, 255, 255), -1, cv2.LINE_AA)
        if arrow and arrow[0] is lamp:
            ends = ((side // 2, side * i + side // 2 + sign * round(0.28 * side)) for sign in (1, -1))
            dim = tuple(part // 2 for part in LIT[lamp])
            cv2.arrowedLine(head, *ends, dim, max(1, round(arrow[1] * side)), cv2.LINE_AA, tipLength=0.5)
    if horizontal:
        head = head.transpose(1, 0, 2)
    whole = np.full((head.shape[0] + 80 * scale, head.shape[1] + 80 * scale, 3), sky, np.uint8)
    top = left = 40 * scale
    whole[top : top + head.shape[0], left : left + head.shape[1]] = head
    small = cv2.resize(whole, None, fx=1 / scale, fy=1 / scale, interpolation=cv2.INTER_AREA).astype(np.float32) * bright
    if glare:
        small = cv2.GaussianBlur(small, (0, 0), lamp_px / 10)
    small += np.random.default_rng(1).normal(0, noise, small.shape)
    height, width = head.shape[0] / scale, head.shape[1] / scale
    return np.clip(small, 0, 255).astype(np.uint8), Box(40, 40, 40 + width, 40 + height)


def read(image: np.ndarray, head: Box, order: Sequence[Lamp] = ORDER) -> Lamp:
    return READER.read(image, head, order)[0]


@pytest.mark.parametrize("lamp", ORDER)
@pytest.mark.parametrize(
    "light",
    [
        pytest.param({}, id="by day"),
        pytest.param({"lamp_px": 6}, id="far away, lamps of 6 pixels"),
        pytest.param({"lamp_px": 60}, id="near, lamps of 60 pixels"),
        pytest.param({"horizontal": True}, id="lying head"),
        pytest.param({"bright": 0.45, "noise": 3}, id="at dusk, underexposed and noisy"),
        pytest.param({"sky": (5, 5, 8), "noise": 6}, id="at night"),
        pytest.param({"sky": (5, 5, 8), "glare": True}, id="at night, overexposed: white with a coloured ring"),
        pytest.param({"lens": 1.3}, id="sun on the unlit lenses"),
        pytest.param({"sky": (255, 200, 140)}, id="before a blue sky"),
        pytest.param({"sky": (250, 250, 250)}, id="before white clouds"),
        pytest.param({"sky": (40, 130, 60)}, id="before trees"),
    ],
)
def test_the_lit_lamp_is_read(lamp: Lamp, light: dict[str, object]) -> None:
    image, head = picture([lamp], **light)
    found, score = READER.read(image, head, ORDER)
    assert found is lamp
    assert 0.2 < score <= 1


@pytest.mark.parametrize("lamp", ORDER)
@pytest.mark.parametrize(
    "shift",
    [
        pytest.param((0, 0, 0, 0), id="tight"),
        pytest.param((-3, -4, 3, 4), id="a quarter too wide"),
        pytest.param((2, 2, 2, 2), id="shifted by a sixth of a lamp"),
        pytest.param((-2, 1, -2, 1), id="shifted in the other direction"),
    ],
)
def test_a_box_need_not_fit_exactly(lamp: Lamp, shift: tuple[float, float, float, float]) -> None:
    image, head = picture([lamp])
    assert read(image, Box(*(edge + by for edge, by in zip(head, shift, strict=True)))) is lamp


@pytest.mark.parametrize(
    "lamp, lamp_px, width, noise", [(RED, 6, 0.2, 0), (RED, 8, 0.08, 0), (RED, 8, 0.12, 0), (YELLOW, 7, 0.2, 3), (YELLOW, 8, 0.12, 0)]
)
def test_a_dim_arrow_in_a_head_of_a_few_pixels_is_read(lamp: Lamp, lamp_px: int, width: float, noise: float) -> None:
    """The first looks do not tell it; the closer ones do."""
    image, head = picture([], lamp_px=lamp_px, noise=noise, arrow=(lamp, width))
    assert read(image, head) is lamp


@pytest.mark.parametrize("lit", [[], [RED, YELLOW], [YELLOW, GREEN], [RED, GREEN], list(ORDER)], ids=lambda lit: "+".join(lit) or "none")
@pytest.mark.parametrize("sky", [(190, 170, 150), (5, 5, 8), (255, 200, 140), (40, 130, 60)])
def test_none_or_several_lit_lamps_are_unknown(lit: list[Lamp], sky: Colour) -> None:
    image, head = picture(lit, sky=sky)
    assert READER.read(image, head, ORDER) == (UNKNOWN, 0.0)


@pytest.mark.parametrize("lens", [1.5, 2.5, 3.5])
def test_sun_on_all_lenses_is_unknown(lens: float) -> None:
    assert read(*picture([], lens=lens)) is UNKNOWN


@pytest.mark.parametrize(
    "colour",
    [
        pytest.param((30, 30, 200), id="a red bus"),
        pytest.param((40, 200, 230), id="a yellow angkot"),
        pytest.param((60, 160, 40), id="a green lorry"),
        pytest.param((255, 255, 255), id="a white box van"),
        pytest.param((0, 0, 0), id="darkness"),
    ],
)
def test_a_hidden_head_is_unknown(colour: Colour) -> None:
    image, head = picture([RED])
    image[:] = colour
    image = np.clip(image + np.random.default_rng(2).normal(0, 4, image.shape), 0, 255).astype(np.uint8)
    assert read(image, head) is UNKNOWN


def test_a_colour_at_the_wrong_position_is_unknown() -> None:
    """A tail light behind the lowest section."""
    image, head = picture([])
    cv2.circle(image, (round(head.centre.x), round(head.y2) - 6), 4, LIT[RED], -1)
    assert read(image, head) is UNKNOWN


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(Box(-200, 40, -188, 76), id="left of the image"),
        pytest.param(Box(40, -20, 52, 16), id="half above the image"),
        pytest.param(Box(40, 40, 42, 46), id="two pixels wide"),
        pytest.param(Box(40, 40, 52, 46), id="sections of two pixels"),
        pytest.param(Box(40, 40, 40, 40), id="empty"),
    ],
)
def test_an_invisible_head_is_unknown(head: Box) -> None:
    image, _ = picture([RED])
    assert READER.read(image, head, ORDER) == (UNKNOWN, 0.0)


@pytest.mark.parametrize("lit", [RED, GREEN])
@pytest.mark.parametrize("horizontal", [False, True])
def test_two_lamps_in_any_order(lit: Lamp, horizontal: bool) -> None:
    image, head = picture([lit], order=(GREEN, RED), horizontal=horizontal)
    assert read(image, head, (GREEN, RED)) is lit


@pytest.mark.parametrize("places", [(2,), (3,), (2, 3)], ids=["the disc", "the arrow", "both"])
def test_a_head_has_a_green_disc_and_a_green_arrow(places: Sequence[int]) -> None:
    order = (RED, YELLOW, GREEN, GREEN)
    image, head = picture([], order=order)
    for place in places:
        cv2.circle(image, (round(head.centre.x), round(head.y1) + 6 + 12 * place), 4, LIT[GREEN], -1, cv2.LINE_AA)
    assert read(image, head, order) is GREEN


def test_a_green_arrow_beside_red_is_unknown() -> None:
    order = (RED, YELLOW, GREEN, GREEN)
    image, head = picture([RED], order=order)
    cv2.circle(image, (round(head.centre.x), round(head.y2) - 6), 4, LIT[GREEN], -1, cv2.LINE_AA)
    assert read(image, head, order) is UNKNOWN


@pytest.mark.parametrize("lit", [YELLOW, GREEN])
@pytest.mark.parametrize("dx", [-8, 0, 8])
@pytest.mark.parametrize("dy", [-8, -5, 5, 8])
def test_a_shifted_box_makes_nothing_red(lit: Lamp, dx: int, dy: int) -> None:
    image, head = picture([lit])
    assert read(image, Box(head.x1 + dx, head.y1 + dy, head.x2 + dx, head.y2 + dy)) in (lit, UNKNOWN)


@pytest.mark.parametrize("orange", [(40, 110, 230), (60, 120, 200), (110, 170, 255)])
@pytest.mark.parametrize("lamp_px", [7, 12])
@pytest.mark.parametrize("down", [-0.2, 0.0, 0.2])
def test_an_orange_lamp_in_the_middle_is_not_red(orange: Colour, lamp_px: int, down: float) -> None:
    """Yellow lamps that burn out or age are as orange as some red ones: their place tells them apart, which a shifted box hides."""
    image, head = picture([], lamp_px=lamp_px)
    cv2.circle(image, (round(head.centre.x), round(head.centre.y)), round(lamp_px * 0.35), orange, -1, cv2.LINE_AA)
    y = down * head.height
    assert read(image, Box(head.x1, head.y1 + y, head.x2, head.y2 + y)) is not RED


@pytest.mark.parametrize("level", [65, 75, 90])
def test_sun_on_the_red_lens_is_not_red(level: int) -> None:
    image, head = picture([])
    cv2.circle(image, (round(head.centre.x), round(head.y1) + 6), 4, (level // 3, level // 3, level), -1, cv2.LINE_AA)
    assert read(image, head) is not RED


@pytest.mark.parametrize("lit", [RED, GREEN])
@pytest.mark.parametrize("hidden_px", [20, 28, 40])
def test_a_red_bus_before_a_part_of_the_head_is_unknown(lit: Lamp, hidden_px: int) -> None:
    image, head = picture([lit])
    image[round(head.y2) - hidden_px :] = (30, 30, 200)
    assert read(image, head) is UNKNOWN


@pytest.mark.parametrize("by", [0.0, 0.15, 0.3])
def test_the_housing_is_located(by: float) -> None:
    image, head = picture([GREEN])
    drawn = Box(head.x1 - by * 12, head.y1 - by * 36, head.x2 + by * 12, head.y2 + by * 36)
    box = READER.locate(image, drawn, ORDER).box
    assert box is not None
    assert np.abs(np.array(box) - np.array(head)).max() < 3


def test_other_files_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match=r"none\.onnx"):
        SignalHeadReader(tmp_path / "none.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"no network")
    with pytest.raises(WeightsError, match="lamp network"):
        SignalHeadReader(tmp_path / "bad.onnx")
