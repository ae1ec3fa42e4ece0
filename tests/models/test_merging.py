"""Several looks, one answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etle.geometry import overlap
from etle.types import Box, PlateBox
from models.plates.fusion import merged


def plate(x: float, score: float, width: float = 100) -> PlateBox:
    return PlateBox(box=Box(x, 50, x + width, 50 + width / 3), score=score)


@pytest.mark.parametrize(
    ("looks", "scores"),
    [
        pytest.param([], [], id="nobody looked"),
        pytest.param([[], []], [], id="nothing there"),
        pytest.param([[plate(0, 0.5)], []], [0.5], id="one look found it"),
        pytest.param([[plate(0, 0.5)], [plate(4, 0.5)]], [0.75], id="two looks found it: both would have to err"),
        pytest.param([[plate(0, 0.5), plate(6, 0.3)]], [0.5], id="twice in one look counts once"),
        pytest.param([[plate(0, 0.4)], [plate(300, 0.9)]], [0.9, 0.4], id="two plates, the better first"),
    ],
)
def test_what_more_looks_find_is_surer(looks: list[list[PlateBox]], scores: list[float]) -> None:
    assert [found.score for found in merged(looks)] == pytest.approx(scores)


def test_the_box_lies_between_those_of_the_looks_nearer_to_the_surer_one() -> None:
    (found,) = merged([[plate(0, 0.9)], [plate(10, 0.1)]])
    assert 0 < found.box.x1 < 5


boxes = st.builds(plate, st.floats(0, 500), st.floats(0.05, 0.99), st.floats(20, 200))


@given(st.lists(st.lists(boxes, max_size=5), max_size=4))
def test_plates_never_overlap_and_the_best_comes_first(looks: list[list[PlateBox]]) -> None:
    found = merged(looks)
    assert all(overlap(one.box, other.box) < 0.3 for i, one in enumerate(found) for other in found[:i])
    assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)
    assert len(found) <= sum(map(len, looks))
