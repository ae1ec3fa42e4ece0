"""Plates of several detection passes are fused into one list."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etle.geometry import iou
from etle.types import Box, PlateBox
from models.plates.fusion import fuse


def plate(x: float, score: float, width: float = 100) -> PlateBox:
    return PlateBox(box=Box(x, 50, x + width, 50 + width / 3), score=score)


@pytest.mark.parametrize(
    ("passes", "scores"),
    [
        pytest.param([], [], id="no pass"),
        pytest.param([[], []], [], id="nothing found"),
        pytest.param([[plate(0, 0.5)], []], [0.5], id="found in one pass"),
        pytest.param([[plate(0, 0.5)], [plate(4, 0.5)]], [0.75], id="found in two passes: wrong only if both are"),
        pytest.param([[plate(0, 0.5), plate(6, 0.3)]], [0.5], id="twice in one pass counts once"),
        pytest.param([[plate(0, 0.4)], [plate(300, 0.9)]], [0.9, 0.4], id="two plates, highest score first"),
    ],
)
def test_more_passes_raise_the_score(passes: list[list[PlateBox]], scores: list[float]) -> None:
    assert [found.score for found in fuse(passes)] == pytest.approx(scores)


def test_the_box_is_a_mean_closer_to_the_box_with_the_higher_score() -> None:
    (found,) = fuse([[plate(0, 0.9)], [plate(10, 0.1)]])
    assert 0 < found.box.x1 < 5


boxes = st.builds(plate, st.floats(0, 500), st.floats(0.05, 0.99), st.floats(20, 200))


@given(st.lists(st.lists(boxes, max_size=5), max_size=4))
def test_plates_never_overlap_and_are_sorted_by_score(passes: list[list[PlateBox]]) -> None:
    found = fuse(passes)
    assert all(iou(one.box, other.box) < 0.4 for i, one in enumerate(found) for other in found[:i])
    assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)
    assert len(found) <= sum(map(len, passes))
