"""Points, lines and areas."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from etle.geometry import (
    box_contains,
    displacement_along,
    distance,
    fraction_along,
    intersection_area,
    iou,
    polygon_contains,
    signed_distance,
)
from etle.types import Box, Point

P = Point
coordinates = st.floats(-2000, 2000, allow_nan=False)
points = st.builds(Point, coordinates, coordinates)


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        pytest.param(P(50, 90), 10.0, id="beyond"),
        pytest.param(P(50, 130), -30.0, id="before"),
        pytest.param(P(500, 100), 0.0, id="on the line, past its end"),
    ],
)
@pytest.mark.parametrize(
    "ends", [pytest.param((P(0, 100), P(200, 100)), id="left to right"), pytest.param((P(200, 100), P(0, 100)), id="right to left")]
)
def test_signed_distance(point: Point, expected: float, ends: tuple[Point, Point]) -> None:
    """The line is at y = 100 and vehicles cross it upwards."""
    assert signed_distance(point, *ends, P(70, 0)) == pytest.approx(expected)


def test_signed_distance_of_a_slanting_line() -> None:
    assert signed_distance(P(0, 0), P(0, 10), P(10, 0), P(20, 20)) == pytest.approx(-math.sqrt(50))


@given(points, points, points, points)
def test_beyond_is_beyond(point: Point, start: Point, end: Point, beyond: Point) -> None:
    assume(distance(start, end) > 1)
    assume(abs(signed_distance(beyond, start, end, beyond)) > 1e-3)
    assert signed_distance(beyond, start, end, beyond) > 0
    assert abs(signed_distance(point, start, end, beyond)) <= distance(point, start) + 1e-6


@pytest.mark.parametrize(
    ("point", "fraction"), [(P(0, 0), 0.0), (P(10, 7), 0.5), (P(20, -3), 1.0), (P(30, 0), 1.5), (P(-10, 0), -0.5)], ids=str
)
def test_fraction_along(point: Point, fraction: float) -> None:
    assert fraction_along(point, P(0, 0), P(20, 0)) == pytest.approx(fraction)


@pytest.mark.parametrize(
    ("point", "inside"),
    [
        pytest.param(P(5, 5), True, id="in the bar"),
        pytest.param(P(5, 15), True, id="in the foot"),
        pytest.param(P(15, 5), False, id="in the notch of the L"),
        pytest.param(P(15, 15), True, id="in the arm"),
        pytest.param(P(-1, 5), False, id="left of it"),
        pytest.param(P(5, 21), False, id="below it"),
    ],
)
def test_polygon_contains(point: Point, inside: bool) -> None:
    shape = (P(0, 0), P(10, 0), P(10, 10), P(20, 10), P(20, 20), P(0, 20))
    assert polygon_contains(shape, point) is inside
    assert polygon_contains(shape[::-1], point) is inside


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        pytest.param(P(0, -10), 10.0, id="along the arrow"),
        pytest.param(P(0, 10), -10.0, id="against it"),
        pytest.param(P(10, 0), 0.0, id="across it"),
        pytest.param(P(3, -4), 4.0, id="aslant"),
    ],
)
def test_displacement_along(second: Point, expected: float) -> None:
    assert displacement_along(P(0, 0), second, P(100, 500), P(100, 100)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("first", "second", "area", "expected"),
    [
        pytest.param(Box(0, 0, 10, 10), Box(0, 0, 10, 10), 100, 1.0, id="the same"),
        pytest.param(Box(0, 0, 10, 10), Box(5, 0, 15, 10), 50, 1 / 3, id="half over"),
        pytest.param(Box(0, 0, 10, 10), Box(10, 0, 20, 10), 0, 0.0, id="touching"),
        pytest.param(Box(0, 0, 10, 10), Box(30, 30, 40, 40), 0, 0.0, id="apart"),
        pytest.param(Box(0, 0, 10, 10), Box(2, 2, 4, 4), 4, 0.04, id="inside"),
        pytest.param(Box(0, 0, 0, 0), Box(0, 0, 0, 0), 0, 0.0, id="of no size"),
    ],
)
def test_iou(first: Box, second: Box, area: float, expected: float) -> None:
    assert intersection_area(first, second) == intersection_area(second, first) == pytest.approx(area)
    assert iou(first, second) == iou(second, first) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("point", "inside"), [(P(0, 0), True), (P(9.9, 9.9), True), (P(10, 5), False), (P(5, 10), False), (P(-0.1, 5), False)], ids=str
)
def test_a_box_contains_its_upper_left_edge_and_not_its_lower_right_one(point: Point, inside: bool) -> None:
    assert box_contains(Box(0, 0, 10, 10), point) is inside
