"""Real signals, 6 to 22 pixels wide; the clips may not be distributed, so these tests run only where they exist."""

import os
from collections import Counter
from pathlib import Path

import cv2
import pytest

from etle.types import Box, Lamp
from models.signals.head_reader import WEIGHTS, SignalHeadReader
from models.weights.locate import weight

ORDER = (Lamp.RED, Lamp.YELLOW, Lamp.GREEN)
CLIPS = Path(os.environ.get("ETLE_SHARED", Path(__file__).parents[2].parent / "shared")) / "data" / "clips"


def lamps(clip: str, head: Box) -> list[Lamp]:
    if not (CLIPS / clip).is_file():
        pytest.skip(f"no development clips: {CLIPS / clip} is not there (set ETLE_SHARED)")
    reader = SignalHeadReader(weight(WEIGHTS))
    video, found = cv2.VideoCapture(str(CLIPS / clip)), []
    while (read := video.read())[0]:
        found.append(reader.read(read[1], head, ORDER)[0])
    return found


@pytest.mark.slow
def test_green_then_nothing_visible_then_red() -> None:
    """Junction in Hanoi, 6 frames a second; the yellow lamp cannot be seen by eye either, and the green one goes out at frame 7."""
    found = lamps("junction_hanoi_a_6fps.mp4", Box(612, 172, 634, 222))
    before, after = found[:25], Counter(found[25:])
    assert found[:7] == [Lamp.GREEN] * 7
    assert Lamp.RED not in before, "nothing is red before the red lamp is lit"
    assert set(after) <= {Lamp.RED, Lamp.UNKNOWN}
    assert after[Lamp.RED] >= 0.7 * after.total()


@pytest.mark.slow
@pytest.mark.parametrize(
    "clip, head, share",
    [
        pytest.param("redlight_us_lake_a.mp4", Box(497, 34, 508, 56), 1.0, id="11 pixels wide"),
        pytest.param("redlight_us_lake_a.mp4", Box(575, 36, 586, 58), 1.0, id="11 pixels wide, far right"),
        pytest.param("redlight_us_lake_b.mp4", Box(533, 30, 542, 49), 0.95, id="overexposed"),
        pytest.param("redlight_us_crosswalk.mp4", Box(383, 45, 393, 65), 1.0, id="before a street"),
        pytest.param("redlight_us_platte.mp4", Box(453, 21, 462, 40), 0.95, id="overexposed, red light on the housing"),
        pytest.param("redlight_us_platte.mp4", Box(303, 8, 309, 24), 0.9, id="6 pixels wide"),
    ],
)
def test_red_throughout(clip: str, head: Box, share: float) -> None:
    found = Counter(lamps(clip, head))
    others = found.total() - found[Lamp.RED] - found[Lamp.UNKNOWN]
    assert others <= 0.01 * found.total(), "what is red must not become another lamp"
    assert found[Lamp.RED] >= share * found.total()
