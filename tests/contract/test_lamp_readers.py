"""What every lamp reader does: the network, and the fake."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from etle.errors import InferenceError
from etle.protocols import LampReader
from etle.testing import ScriptedLamps
from etle.types import Box, Lamp
from models.signals.head_reader import WEIGHTS, SignalHeadReader
from models.weights.locate import weight

ORDER = (Lamp.RED, Lamp.YELLOW, Lamp.GREEN)
COLOURS = {Lamp.RED: (60, 60, 250), Lamp.YELLOW: (40, 190, 250), Lamp.GREEN: (150, 240, 70)}
HEAD = Box(40, 40, 64, 112)
READERS: dict[str, Callable[[Lamp], LampReader]] = {
    "network": lambda _: SignalHeadReader(weight(WEIGHTS)),
    "scripted": lambda lamp: ScriptedLamps([lamp]),
}


def head(lit: Lamp) -> np.ndarray:
    """A head of three lamps, 24 x 72 pixels, in `HEAD`."""
    image = np.full((160, 110, 3), (190, 170, 150), np.uint8)
    image[40:112, 40:64] = 28
    for i, lamp in enumerate(ORDER):
        cv2.circle(image, (52, 52 + 24 * i), 9, COLOURS[lamp] if lamp is lit else (25, 30, 30), -1, cv2.LINE_AA)
    return image


@pytest.mark.parametrize("open_reader", READERS.values(), ids=READERS)
@pytest.mark.parametrize("lamp", ORDER)
def test_the_lit_lamp_is_read_with_a_score(open_reader: Callable[[Lamp], LampReader], lamp: Lamp) -> None:
    found, score = open_reader(lamp).read(head(lamp), HEAD, ORDER)
    assert found is lamp
    assert 0.5 < score <= 1


@pytest.mark.parametrize("open_reader", READERS.values(), ids=READERS)
def test_dark_lamps_are_unknown_with_score_0(open_reader: Callable[[Lamp], LampReader]) -> None:
    assert open_reader(Lamp.UNKNOWN).read(head(Lamp.UNKNOWN), HEAD, ORDER) == (Lamp.UNKNOWN, 0.0)


@pytest.mark.parametrize("box", [Box(500, 500, 524, 572), Box(40, 40, 42, 46), Box(-60, 40, 4, 112)])
def test_a_head_outside_the_image_or_too_small_is_unknown(box: Box) -> None:
    assert SignalHeadReader(weight(WEIGHTS)).read(head(Lamp.RED), box, ORDER) == (Lamp.UNKNOWN, 0.0)


def test_the_fake_raises_when_its_script_ends() -> None:
    with pytest.raises(InferenceError):
        ScriptedLamps([]).read(head(Lamp.RED), HEAD, ORDER)
