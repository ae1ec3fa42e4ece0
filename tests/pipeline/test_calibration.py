"""Calibration: from pixels to metres on the road."""

import numpy as np
import pytest
from scenario import camera, sighting, track

from etle.errors import ConfigError
from etle.types import Point, VehicleClass, View
from pipeline.scene.calibration import calibrate


def perspective(points, depth=0.002):
    """A road in perspective: points further up in the picture are farther away."""
    return [{"px": [500 + (x - 500) / (1 + depth * y), 1000 / (1 + depth * y)], "m": [x / 10, y / 10]} for x, y in points]


def with_points(points):
    return camera().model_validate({**camera().model_dump(exclude_unset=True), "ground_points": points})


def test_four_points_determine_all_others():
    made = calibrate(with_points(perspective([(0, 0), (1000, 0), (0, 800), (1000, 800)])))
    for given in perspective([(500, 400), (250, 700), (900, 100)]):
        found = made.ground(Point(*given["px"]))
        assert (found.x, found.y) == pytest.approx(given["m"], abs=1e-6)
    assert made.unit == "m"


def test_without_ground_points_distances_are_pixels():
    made = calibrate(camera(metres=False))
    assert made.ground(Point(3, 4)) == Point(3, 4)
    assert made.unit == "px"
    assert made.front_offset(track([(0, 40)])) == (0.0, 0.0)


def test_points_on_one_line_are_rejected():
    with pytest.raises(ConfigError, match="lie on one line"):
        calibrate(with_points([{"px": [n * 100, n * 100], "m": [n, n]} for n in range(5)]))


def test_a_point_that_contradicts_the_others_is_named():
    points = perspective([(0, 0), (1000, 0), (0, 800), (1000, 800), (500, 400), (200, 300), (800, 600)])
    points[4]["m"][0] += 9
    with pytest.raises(ConfigError, match=r"ground_points\[4\]"):
        calibrate(with_points(points))


@pytest.mark.parametrize(("view", "ahead"), [(View.FRONT, 0.0), (View.REAR, 4.4)])
def test_seen_from_behind_the_front_is_one_vehicle_length_ahead(view, ahead):
    made = calibrate(camera(view=view))
    assert made.front_offset(track([(0, 40)]))[0] == ahead


@pytest.mark.parametrize("vehicle", [VehicleClass.BUS, VehicleClass.TRUCK])
def test_the_length_of_a_bus_or_truck_is_uncertain_by_metres(vehicle):
    seen = track([(0, 40)], vehicle=vehicle)
    length, u = calibrate(camera(view="rear")).front_offset(seen)
    assert length - 2 * u < 4.5
    assert length + 2 * u > 10.5


def test_the_uncertainty_of_a_foot_is_in_the_calibrations_unit():
    assert calibrate(camera()).foot_uncertainty(sighting(0, 50)) == 0.3
    assert calibrate(camera(metres=False)).foot_uncertainty(sighting(0, 50)) >= 2.0
    assert np.isfinite(calibrate(camera()).ground(Point(500, 500)).x)
