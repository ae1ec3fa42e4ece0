"""Statistics of an evaluation, compared with values computed by hand or taken from tables."""

import pytest

from etle.types import Box
from pipeline.evaluation.statistics import (
    Proportion,
    calibration_error,
    character_accuracy,
    coverage_at,
    edit_distance,
    error_curve,
    match_boxes,
    reliability,
)

A, B = Box(0, 0, 10, 10), Box(20, 0, 30, 10)


@pytest.mark.parametrize(
    "true, found, min_iou, pairs",
    [
        pytest.param([A], [A], 0.5, {0: 0}, id="the same box"),
        pytest.param([A], [Box(0, 0, 10, 5)], 0.5, {0: 0}, id="exactly at the threshold"),
        pytest.param([A], [Box(0, 0, 10, 4.9)], 0.5, {}, id="just below it"),
        pytest.param([A], [Box(0, 0, 10, 8), Box(0, 0, 10, 9)], 0.5, {0: 1}, id="the better of two detections"),
        pytest.param([A, Box(0, 0, 10, 8)], [Box(0, 0, 10, 9)], 0.5, {0: 0}, id="one detection matches one true box, the better one"),
        pytest.param([A, B], [B, A], 0.5, {0: 1, 1: 0}, id="the order does not matter"),
        pytest.param([Box(0, 0, 10, 8), A], [A, Box(0, 0, 10, 6)], 0.5, {0: 1, 1: 0}, id="the largest overlap is matched first"),
        pytest.param([A], [], 0.5, {}, id="nothing found"),
        pytest.param([], [A], 0.5, {}, id="nothing labelled"),
    ],
)
def test_each_box_is_matched_at_most_once(true, found, min_iou, pairs):
    assert match_boxes(true, found, min_iou) == pairs


@pytest.mark.parametrize(
    "count, total, low, high",
    [
        pytest.param(0, 10, 0.0, 0.3085, id="none of ten"),
        pytest.param(10, 10, 0.6915, 1.0, id="ten of ten"),
        pytest.param(5, 10, 0.1871, 0.8129, id="half of ten"),
        pytest.param(1, 100, 0.0003, 0.0545, id="one of a hundred"),
        pytest.param(95, 100, 0.8872, 0.9836, id="95 of a hundred"),
        pytest.param(0, 300, 0.0, 0.0122, id="none of 300"),
    ],
)
def test_intervals_are_those_of_clopper_and_pearson(count, total, low, high):
    assert Proportion(count, total).interval == pytest.approx((low, high), abs=6e-5)


def test_a_share_of_nothing_has_no_value():
    assert Proportion(0, 0).value is None
    assert Proportion(0, 0).interval is None


def reads(*outcomes: bool):
    """Probability and whether the text is right, with decreasing probability."""
    return [(1 - i / 1000, right) for i, right in enumerate(outcomes)]


@pytest.mark.parametrize(
    "ranked, error, coverage",
    [
        pytest.param(reads(True, True, True, True), 0.01, 1.0, id="all right"),
        pytest.param(reads(True, True, False, True), 0.01, 0.5, id="one of four wrong: the reads before it"),
        pytest.param(reads(False, True, True, True), 0.01, 0.0, id="the most probable one wrong"),
        pytest.param(reads(False, *[True] * 99), 0.01, 1.0, id="one of a hundred is within the target error, at any rank"),
        pytest.param(reads(False, *[True] * 98), 0.01, 0.0, id="one of 99 is not"),
        pytest.param(reads(*[True] * 60, False, *[True] * 39), 0.01, 1.0, id="a gap in between is bridged"),
        pytest.param(reads(True, False, True, True), 0.25, 1.0, id="a higher target error"),
        pytest.param([(0.9, True), (0.8, True), (0.8, False), (0.7, True)], 0.01, 0.25, id="equally probable reads are accepted together"),
        pytest.param(list(reversed(reads(True, True, False, True))), 0.01, 0.5, id="the order of the file does not matter"),
        pytest.param([], 0.01, None, id="nothing read"),
    ],
)
def test_coverage_is_the_largest_share_within_the_target_error(ranked, error, coverage):
    assert coverage_at(error, error_curve(ranked)) == coverage


def test_calibration_uses_ten_bins():
    bins = reliability([(0.95, True), (0.95, False), (1.0, True), (0.05, False), (0.0, False)])
    assert [bin.n for bin in bins] == [2, 0, 0, 0, 0, 0, 0, 0, 0, 3]
    assert bins[9].right == pytest.approx(2 / 3)
    assert bins[9].probability == pytest.approx(2.9 / 3)
    assert calibration_error(bins) == pytest.approx((3 * (2.9 - 2) / 3 + 2 * 0.025) / 5)


def test_probabilities_equal_to_the_share_of_right_reads_have_no_calibration_error():
    assert calibration_error(reliability([(0.75, True), (0.75, True), (0.75, True), (0.75, False)])) == 0
    assert calibration_error(reliability([])) is None


@pytest.mark.parametrize(
    "first, second, distance",
    [
        ("B1234XYZ", "B1234XYZ", 0),
        ("B1234XYZ", "B1234XY", 1),
        ("B1234XYZ", "B234XYZ", 1),
        ("B1234XYZ", "D1234XYQ", 2),
        ("", "B1A", 3),
        ("B1A", "", 3),
    ],
)
def test_edit_distance(first, second, distance):
    assert edit_distance(first, second) == distance


def test_character_accuracy_weights_all_characters_equally():
    assert character_accuracy([("B1234XYZ", "B1234XYZ"), ("B1", "")]) == pytest.approx(0.8)
    assert character_accuracy([("B1", "B1234XYZ")]) == 0
    assert character_accuracy([]) is None
