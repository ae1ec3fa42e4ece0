"""The motion gate: frames without motion in the lanes are not analysed."""

import numpy as np
import pytest
from scenario import camera, second

from pipeline.frames.motion_gate import MotionGate


def picture(x=None, y=500, size=30):
    image = np.full((1000, 480, 3), 90, np.uint8)
    if x is not None:
        image[y : y + size, x : x + size] = 200
    return image


@pytest.mark.parametrize(
    ("first", "then", "opens"),
    [
        pytest.param(picture(), picture(), False, id="nothing moves"),
        pytest.param(picture(), picture(200), True, id="a vehicle enters the lane"),
        pytest.param(picture(200), picture(240), True, id="a vehicle moves in the lane"),
        pytest.param(picture(200), picture(200), False, id="a vehicle stands in the lane"),
        pytest.param(picture(), picture(440, 900), False, id="the clock in the corner changes"),
        pytest.param(picture(), picture() + np.uint8(3), False, id="the picture gets slightly brighter"),
    ],
)
def test_the_gate(first, then, opens):
    gate = MotionGate(camera())
    assert gate.opens(first, second(0))
    assert gate.opens(then, second(0.1)) is opens


def test_it_opens_every_half_second_without_motion():
    gate = MotionGate(camera())
    assert [gate.opens(picture(), second(n / 10)) for n in range(12)] == [n % 5 == 0 for n in range(12)]


def test_slow_motion_accumulates_until_it_opens():
    gate = MotionGate(camera())
    opened = [gate.opens(picture(200 + n), second(n / 50)) for n in range(24)]
    assert sum(opened) > 1


def test_without_lanes_motion_counts_everywhere():
    bare = camera().model_copy(update={"lanes": ()})
    gate = MotionGate(bare)
    gate.opens(picture(), second(0))
    assert gate.opens(picture(440, 900), second(0.1))


def test_it_resumes_from_its_state():
    gate = MotionGate(camera())
    gate.opens(picture(200), second(0))
    assert not MotionGate(camera(), gate.state).opens(picture(200), second(0.1))


def test_a_clock_that_goes_back_opens_it():
    gate = MotionGate(camera())
    gate.opens(picture(), second(10))
    assert gate.opens(picture(), second(5))
