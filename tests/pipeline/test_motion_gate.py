"""When nothing moves, nothing is looked at."""

import numpy as np
import pytest
from scenario import camera, second

from pipeline.frames.motion_gate import MotionGate


def picture(x=None, y=500, size=30):
    image = np.full((1000, 1000, 3), 90, np.uint8)
    if x is not None:
        image[y : y + size, x : x + size] = 200
    return image


@pytest.mark.parametrize(
    ("first", "then", "opens"),
    [
        pytest.param(picture(), picture(), False, id="nothing moves"),
        pytest.param(picture(), picture(200), True, id="something comes into the lane"),
        pytest.param(picture(200), picture(240), True, id="something goes on in the lane"),
        pytest.param(picture(200), picture(200), False, id="a vehicle stands in the lane"),
        pytest.param(picture(), picture(900, 900), False, id="the clock in the corner goes on"),
        pytest.param(picture(), picture() + np.uint8(3), False, id="the picture is a little brighter"),
    ],
)
def test_the_gate(first, then, opens):
    gate = MotionGate(camera())
    assert gate.opens(first, second(0))
    assert gate.opens(then, second(0.1)) is opens


def test_it_looks_again_after_half_a_second_however_still_it_is():
    gate = MotionGate(camera())
    assert [gate.opens(picture(), second(n / 10)) for n in range(12)] == [n % 5 == 0 for n in range(12)]


def test_slow_motion_adds_up_until_it_is_seen():
    gate = MotionGate(camera())
    opened = [gate.opens(picture(200 + n), second(n / 50)) for n in range(24)]
    assert sum(opened) > 1


def test_without_lanes_everything_counts():
    bare = camera().model_copy(update={"lanes": ()})
    gate = MotionGate(bare)
    gate.opens(picture(), second(0))
    assert gate.opens(picture(900, 900), second(0.1))


def test_it_goes_on_from_its_state():
    gate = MotionGate(camera())
    gate.opens(picture(200), second(0))
    assert not MotionGate(camera(), gate.state).opens(picture(200), second(0.1))


def test_a_clock_that_goes_back_opens_it():
    gate = MotionGate(camera())
    gate.opens(picture(), second(10))
    assert gate.opens(picture(), second(5))
