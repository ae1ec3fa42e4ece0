"""Whether a vehicle stands, by its feet on the road."""

import random

import pytest
from scenario import camera, drive, track

from pipeline.scene.calibration import calibrate
from pipeline.scene.scene import stood_for_s


def stood(rows, noise_m: float, seed: int) -> float:
    draws = random.Random(seed)
    return stood_for_s(track([(at, metre + draws.gauss(0, noise_m)) for at, metre in rows]), calibrate(camera()))


@pytest.mark.parametrize("noise_m", [0.0, 0.05, 0.1])
def test_a_vehicle_that_stopped_has_stood_since(noise_m):
    for seed in range(5):
        assert stood(drive((2.0, 40, 51), (3.0, 51, 51)), noise_m, seed) == pytest.approx(3.0, abs=0.35)


@pytest.mark.parametrize("speed", [0.7, 1.0, 1.5])
def test_a_walker_never_stands_for_long(speed):
    for seed in range(10):
        assert stood(drive((4.0, 48, 48 + 4 * speed)), 0.15, seed) < 1.5
