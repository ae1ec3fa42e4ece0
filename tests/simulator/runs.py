"""Runs with a few vehicles on given tracks, for the tests of the ground truth."""

import itertools

from simulator.demand import PlannedVehicle
from simulator.layout import FPS
from simulator.plates import Registration
from simulator.traffic import Track, Traffic, VehicleState


def vehicle(id_: str = "car-0", kind: str = "car", arm: str = "W", *, wrong_way: bool = False, riders: int = 0) -> PlannedVehicle:
    registration = Registration("B 1234 XYZ", "01·29", "white")
    return PlannedVehicle(id=id_, kind=kind, arm=arm, registration=registration, riders=(True,) * riders, wrong_way=wrong_way)


def track(points: list[tuple[float, float]], y: float = 4.5) -> Track:
    """A track through points (second, x of the front) with constant speed between them."""
    steps: list[VehicleState] = []
    for (t0, x0), (t1, x1) in itertools.pairwise(points):
        speed = (x1 - x0) / (t1 - t0)
        for step in range(round(t0 * FPS), round(t1 * FPS)):
            steps.append(VehicleState(step, x0 + speed * (step / FPS - t0), y, 90.0, abs(speed)))
    last_s, last_x = points[-1]
    return [*steps, VehicleState(round(last_s * FPS), last_x, y, 90.0, steps[-1].speed_mps)]


def run(*driven: tuple[PlannedVehicle, Track]) -> Traffic:
    return Traffic(0, {v.id: v for v, _ in driven}, {v.id: t for v, t in driven})
