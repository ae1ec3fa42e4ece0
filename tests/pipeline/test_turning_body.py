"""A vehicle that turns round shows all its sides: the middle of its box's lower edge moves from a corner to a side."""

from math import cos, pi, sin

import numpy as np
import pytest

from etle.types import RuleName
from pipeline.evaluation.traffic.demand import MODELS, DrawnVehicle
from pipeline.evaluation.traffic.detector import VirtualDetector, frame_steps
from pipeline.evaluation.traffic.place import WatchedPlace
from pipeline.evaluation.traffic.road import road
from pipeline.evaluation.traffic.sumo_run import STEP_S, Trajectory
from pipeline.evaluation.traffic.watch import DetectionReplay

U_TURN = RuleName("u_turn")
SPEED_M_S = 3.5


def gap_in_the_median() -> WatchedPlace:
    return next(place for place in road(1, 100.0)[1] if place.turn is not None)


def turns_round(place: WatchedPlace, model_id: str, waits_s: float, radius_m: float) -> Trajectory:
    """Comes towards the camera, waits across the road, and goes away: (s, x) of the front, and its heading, every 0.1 s."""
    step_m = SPEED_M_S * STEP_S
    came = [(s, 4.0, pi) for s in np.arange(34.0, 8.0 + radius_m, -step_m)]
    quarter = np.arange(0, pi / 2, step_m / radius_m)
    into = [(8.0 + radius_m * (1 - sin(a)), 4.0 - radius_m * (1 - cos(a)), pi - a) for a in quarter]
    waits = [into[-1]] * round(waits_s / STEP_S)
    across = [(8.0, x, pi / 2) for x in np.arange(4.0 - radius_m, -6.5 + radius_m, -step_m)]
    out = [(8.0 + radius_m * (1 - cos(a)), -6.5 + radius_m * (1 - sin(a)), pi / 2 - a) for a in quarter]
    left = [(s, -6.5, 0.0) for s in np.arange(8.0 + radius_m, 34.0, step_m)]
    rows = []
    for number, (s, x, turned) in enumerate([*came, *into, *waits, *across, *out, *left]):
        c, d = cos(place.heading), sin(place.heading)
        position = place.origin[0] + s * c + x * d, place.origin[1] + s * d - x * c
        rows.append((number * STEP_S, *position, place.heading + turned, SPEED_M_S))
    model = next(each for each in MODELS if each.id == model_id)
    return Trajectory(DrawnVehicle(id="v", model=model), np.array(rows))


@pytest.mark.parametrize("model", ["suv", "mpv", "scooter"])
@pytest.mark.parametrize("waits_s", [0.0, 20.0])
@pytest.mark.parametrize("radius_m", [3.0, 4.0])
def test_who_turns_round_is_one_vehicle(model: str, waits_s: float, radius_m: float) -> None:
    place = gap_in_the_median()
    trajectory = turns_round(place, model, waits_s, radius_m)
    detector, watch = VirtualDetector(place, [trajectory]), DetectionReplay(place.settings)
    for sequence, step in enumerate(range(0, len(trajectory.rows), frame_steps(place))):
        watch.see(sequence, step * STEP_S, detector.detect(step, step * STEP_S), {})
    watch.finish()
    assert [case.rule for case in watch.cases] == [U_TURN], {rule: judged.reason for (_, rule), judged in watch.last_judged.items()}
