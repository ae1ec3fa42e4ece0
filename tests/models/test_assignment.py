"""Linear assignment, compared with trying all assignments."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from models.tracking.assignment import linear_assignment


@pytest.mark.parametrize(
    "scores, pairs",
    [
        pytest.param([[5, 1], [4, 3]], [(0, 0), (1, 1)], id="each with its best"),
        pytest.param([[5, 4], [5, 0.5]], [(0, 1), (1, 0)], id="the greedy choice is not the best"),
        pytest.param([[5, -1], [-1, -1]], [(0, 0)], id="no pair with a negative score"),
        pytest.param([[1, 2, 9]], [(0, 2)], id="more columns than rows"),
        pytest.param([[1], [2], [9]], [(2, 0)], id="more rows than columns"),
        pytest.param([[-1, 0]], [], id="nothing fits"),
    ],
)
def test_pairs(scores: list[list[float]], pairs: list[tuple[int, int]]) -> None:
    assert linear_assignment(np.array(scores, dtype=np.float64)) == pairs


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
def test_nobody_to_pair(shape: tuple[int, int]) -> None:
    assert linear_assignment(np.zeros(shape)) == []


@settings(deadline=None, max_examples=200)
@given(
    arrays.arrays(np.float64, st.tuples(st.integers(1, 5), st.integers(1, 5)), elements=st.integers(-6, 12).map(float)),
)
def test_no_other_pairs_gain_more(scores: np.ndarray) -> None:
    pairs = linear_assignment(scores)
    assert len({row for row, _ in pairs}) == len({column for _, column in pairs}) == len(pairs)
    assert all(scores[pair] > 0 for pair in pairs)
    tall = scores if scores.shape[0] <= scores.shape[1] else scores.T
    most = max(
        sum(max(0.0, tall[row, column]) for row, column in enumerate(order)) for order in permutations(range(tall.shape[1]), tall.shape[0])
    )
    assert sum(scores[pair] for pair in pairs) == pytest.approx(most)
