"""The motion gate: frames without motion in the lanes are not analysed."""

import numpy as np
import pytest
from scenario import camera, second

from etle.types import Box
from pipeline.frames.motion_gate import MotionGate


def picture(x=None, y=500, size=30):
    image = np.full((1000, 480, 3), 90, np.uint8)
    if x is not None:
        image[y : y + size, x : x + size] = 200
    return image


def is_analysed(gate, image, seconds):
    """As the stage uses the gate when it detects in whole frames."""
    motion = gate.motion(image, second(seconds))
    if motion is not None:
        gate.analysed(second(seconds))
    return motion is not None


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
    assert is_analysed(gate, first, 0)
    assert is_analysed(gate, then, 0.1) is opens


def test_it_opens_every_half_second_without_motion():
    gate = MotionGate(camera())
    assert [is_analysed(gate, picture(), n / 10) for n in range(12)] == [n % 5 == 0 for n in range(12)]


def test_slow_motion_accumulates_until_it_opens():
    gate = MotionGate(camera())
    opened = [is_analysed(gate, picture(200 + n), n / 50) for n in range(24)]
    assert sum(opened) > 1


def test_without_lanes_motion_counts_everywhere():
    bare = camera().model_copy(update={"lanes": ()})
    gate = MotionGate(bare)
    is_analysed(gate, picture(), 0)
    assert is_analysed(gate, picture(440, 900), 0.1)


def test_it_resumes_from_its_state():
    gate = MotionGate(camera())
    is_analysed(gate, picture(200), 0)
    assert not is_analysed(MotionGate(camera(), gate.state), picture(200), 0.1)


def test_a_clock_that_goes_back_opens_it():
    gate = MotionGate(camera())
    is_analysed(gate, picture(), 10)
    assert is_analysed(gate, picture(), 5)


def test_it_says_where_something_moved():
    gate = MotionGate(camera())
    is_analysed(gate, picture(), 0)
    motion = gate.motion(picture(200, 600), second(0.1))
    assert motion is not None
    assert motion.box == pytest.approx((200, 600, 230, 630), abs=5)
    assert motion.is_inside(Box(100, 500, 210, 610))
    assert not motion.is_inside(Box(240, 500, 900, 900))


def test_what_was_not_analysed_counts_as_moved_until_it_is():
    gate = MotionGate(camera())
    is_analysed(gate, picture(), 0)
    both = picture(200, 100)
    both[700:730, 300:330] = 200
    gate.motion(both, second(0.1))
    gate.analysed(second(0.1), Box(0, 0, 500, 500))
    left = gate.motion(both, second(0.2))
    assert left is not None
    assert left.box == pytest.approx((300, 700, 330, 730), abs=5)
    gate.analysed(second(0.2), Box(0, 500, 500, 1000))
    assert gate.motion(both, second(0.3)) is None
