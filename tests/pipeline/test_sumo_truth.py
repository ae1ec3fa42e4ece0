"""What counts as a violation in simulated traffic, by tables of positions; and one camera of a simulated junction, which needs SUMO."""

import subprocess

import numpy as np
import pytest
from pydantic import TypeAdapter

from etle.types import RuleName, VehicleClass, View
from pipeline.evaluation.traffic.demand import MODELS, DrawnVehicle
from pipeline.evaluation.traffic.detector import VirtualDetector
from pipeline.evaluation.traffic.evaluate import PlaceEvaluation, SimulationOutcome, SumoOptions, evaluate_sumo, report_of, watch_run
from pipeline.evaluation.traffic.judge import ActStatus, CaseStatus, judged_acts, judged_cases
from pipeline.evaluation.traffic.junction import PAINT_M, junction
from pipeline.evaluation.traffic.sumo_run import SignalStates, Trajectory, program
from pipeline.evaluation.traffic.truth import RED_LIGHT, STOP_LINE, TrueAct, acts_at
from pipeline.evaluation.traffic.watch import ReportedCase

GREEN_THEN_RED = SignalStates(((0.0, "G" * 16), (10.0, "y" * 16), (13.0, "r" * 16), (40.0, "G" * 16)))


def place(view: View = View.FRONT):
    return next(each for each in junction(1, 100.0)[1] if each.view is view)


def driven(watched, *points: tuple[float, float], vehicle: VehicleClass = VehicleClass.CAR) -> Trajectory:
    """Through (second, metres beyond the stop line), linear in between, three metres left of the middle of the road."""
    seconds = np.arange(points[0][0], points[-1][0] + 0.05, 0.1)
    s = np.interp(seconds, *zip(*points, strict=True))
    c, d = np.cos(watched.heading), np.sin(watched.heading)
    x, y = watched.origin[0] + s * c - 3 * d, watched.origin[1] + s * d + 3 * c
    model = next(each for each in MODELS if each.vehicle is vehicle)
    rows = np.column_stack([seconds, x, y, np.full(len(s), watched.heading), np.gradient(s, seconds)])
    return Trajectory(DrawnVehicle(id="v", model=model), rows)


@pytest.mark.parametrize(
    ("points", "rules", "clear"),
    [
        pytest.param([(5, -50), (12, 10)], None, False, id="passes on green"),
        pytest.param([(5, -80), (20, -1), (39, -1), (45, 20)], None, False, id="waits before the line"),
        pytest.param([(14, -50), (20, 25)], {RED_LIGHT}, True, id="runs the red"),
        pytest.param([(8.8, -40), (14.8, 20)], None, False, id="crosses on amber and enters on red"),
        pytest.param([(8.8, -40), (14.8, 14)], {RED_LIGHT}, False, id="crosses within the first second of the red"),
        pytest.param([(14, -30), (20, 2.2), (41, 2.2), (45, 20)], {STOP_LINE}, True, id="stops beyond the line until green"),
        pytest.param([(14, -30), (20, 0.3), (41, 0.3), (45, 20)], {STOP_LINE}, False, id="stops with its front hardly beyond the line"),
        pytest.param([(38, -3), (39, 0.5), (40.5, 3), (45, 20)], None, False, id="starts too soon, and enters on green"),
        pytest.param([(14, -30), (20, 2.2), (25, 2.2), (30, 20)], {RED_LIGHT, STOP_LINE}, True, id="stops, then runs the red"),
        pytest.param(
            [(5, -20), (8, 2.2), (41, 2.2), (45, 20)], None, False, id="crossed on green, and stands beyond the line through the red"
        ),
        pytest.param(
            [(14, -3), (16, -2), (18, -2), (20, -0.2), (22, -0.2), (24, 1), (26, 1), (28, 2), (41, 2), (45, 20)],
            {STOP_LINE},
            True,
            id="creeps over the line in a queue: one act",
        ),
    ],
)
def test_what_counts_at_a_stop_line(points, rules, clear):
    watched = place()
    acts = acts_at(watched, [driven(watched, *points)], GREEN_THEN_RED)
    assert [set(act.rules) for act in acts] == ([rules] if rules else [])
    assert [act.clear for act in acts] == ([clear] if rules else [])


@pytest.mark.parametrize(
    ("points", "vehicle", "clear"),
    [
        pytest.param([(13, -4), (17, -4), (19, -1), (22, 2.2), (41, 2.2), (45, 20)], VehicleClass.MOTORCYCLE, False, id="may be pushed"),
        pytest.param([(13, -4), (17, -4), (19, -1), (22, 2.2), (41, 2.2), (45, 20)], VehicleClass.CAR, True, id="a car is not pushed"),
        pytest.param([(14, -30), (20, 2.2), (41, 2.2), (45, 20)], VehicleClass.MOTORCYCLE, True, id="rides over the line"),
        pytest.param([(13, -4), (20, -1), (21, 1), (24, 20)], VehicleClass.MOTORCYCLE, True, id="rides off after the line"),
    ],
)
def test_a_motorcycle_at_walking_pace_may_be_pushed(points, vehicle, clear):
    watched = place()
    (act,) = acts_at(watched, [driven(watched, *points, vehicle=vehicle)], GREEN_THEN_RED)
    assert act.clear is clear


def test_the_front_of_a_bus_seen_from_behind_is_uncertain():
    watched = place(View.REAR)
    stops = [(14, -30), (20, 2.2), (41, 2.2), (45, 20)]
    clear = {
        vehicle: acts_at(watched, [driven(watched, *stops, vehicle=vehicle)], GREEN_THEN_RED)[0].clear
        for vehicle in (VehicleClass.MOTORCYCLE, VehicleClass.BUS)
    }
    assert clear == {VehicleClass.MOTORCYCLE: True, VehicleClass.BUS: False}


def require_sumo() -> None:
    pytest.importorskip("sumo", reason="needs the `sim` extra")
    if subprocess.run([program("sumo"), "--version"], capture_output=True, check=False).returncode:
        pytest.skip("SUMO does not start: apt-get install libgl1 libxext6 libxrender1 libatomic1")


@pytest.mark.parametrize(
    ("behind_m", "shows_foot"), [pytest.param(0.0, True, id="alone"), pytest.param(4.0, False, id="close behind one that hides its wheels")]
)
def test_a_foot_that_a_nearer_vehicle_covers_is_not_seen(behind_m, shows_foot):
    watched = place()
    near = driven(watched, (0, -8), (1, -8), vehicle=VehicleClass.CAR)
    far = driven(watched, (0, -8 - behind_m), (1, -8 - behind_m), vehicle=VehicleClass.TRUCK)
    detected = VirtualDetector(watched, [far, near] if behind_m else [far]).detect(0, 0.0)
    assert {each.shows_foot for each in detected if each.detection.vehicle is VehicleClass.TRUCK} == {shows_foot}


def act(vehicle: str, at_s: float = 20.0, *, clear: bool = True) -> TrueAct:
    return TrueAct(vehicle=vehicle, rules=frozenset({RED_LIGHT}), first_s=at_s, last_s=at_s, windows=((at_s - 1, at_s + 1),), clear=clear)


def case(*vehicles: str, at_s: float = 20.0, rule: RuleName = RED_LIGHT, within_s: float = 0.0) -> ReportedCase:
    return ReportedCase(rule=rule, vehicles=vehicles, at_s=at_s, within_s=within_s)


@pytest.mark.parametrize(
    ("cases", "expected"),
    [
        pytest.param([case("a")], [CaseStatus.RIGHT], id="the vehicle that did it"),
        pytest.param([case("b")], [CaseStatus.FALSE], id="another vehicle"),
        pytest.param([case("a", "b")], [CaseStatus.FALSE], id="evidence that also shows an innocent vehicle"),
        pytest.param([case("a", at_s=30.0)], [CaseStatus.FALSE], id="at another time"),
        pytest.param([case("a", at_s=24.0, within_s=5.0)], [CaseStatus.RIGHT], id="at a time that its uncertainty covers"),
        pytest.param([case("a", rule=STOP_LINE)], [CaseStatus.FALSE], id="of another rule"),
        pytest.param([case("a"), case("a")], [CaseStatus.RIGHT, CaseStatus.DOUBLED], id="twice"),
    ],
)
def test_a_case_is_right_if_it_says_what_its_vehicle_did(cases, expected):
    judged, _ = judged_cases(cases, [act("a")])
    assert [each.status for each in judged] == expected


@pytest.mark.parametrize(
    ("seen", "clear", "expected"),
    [
        pytest.param([19.0, 19.4, 19.8, 20.2, 20.6, 21.0], True, ActStatus.MISSED, id="in full view"),
        pytest.param([19.0, 19.4, 21.0], True, ActStatus.HIDDEN, id="hidden while it crossed"),
        pytest.param([], True, ActStatus.HIDDEN, id="never seen"),
        pytest.param([19.0, 19.4, 19.8, 20.2, 20.6, 21.0], False, ActStatus.UNCERTAIN, id="no certain violation"),
    ],
)
def test_what_was_not_found_is_missed_hidden_or_uncertain(seen, clear, expected):
    assert judged_acts([act("a", clear=clear)], {}, {"a": seen}, 10.0)[0].status is expected


def test_a_stop_line_is_seen_beyond_its_paint():
    for watched in junction(1, 100.0)[1]:
        lines = {line.id: line for line in watched.settings.lines}
        assert watched.approach is not None and watched.approach.entry_s == PAINT_M
        assert set(lines) == {"henti", "simpang"}


def test_outcomes_that_were_kept_are_summed_over_the_seeds(tmp_path):
    for number in (*range(1000, 1005), *range(2000, 2005)):
        counts: dict[RuleName, dict[str, int]] = {RED_LIGHT: {ActStatus.FOUND: 2, CaseStatus.RIGHT: 2}}
        watched = PlaceEvaluation(place="p", vehicles=frozenset({f"v{number}", "v"}), counts=counts, mistakes=())
        kept = TypeAdapter(SimulationOutcome).dump_json(SimulationOutcome(places=(watched,)))
        (tmp_path / f"{number}-600s-noise.json").write_bytes(kept)
    report = evaluate_sumo(SumoOptions(seeds=(1, 2), vehicles=20, noise=True, folder=tmp_path), progress=lambda watched: None)
    assert (report.vehicles, report.simulations) == (20, 10)
    assert report.rules[RED_LIGHT].found == report.rules[RED_LIGHT].cases == 20


def test_a_simulated_junction_accuses_nobody_innocent(tmp_path):
    require_sumo()
    import json

    from etle_cli.main import main

    file = tmp_path / "figures.json"
    assert main(["evaluate", "tracks", "--sumo", "7", "--vehicles", "1", "--seconds", "110", "--workers", "1", "--json", str(file)]) == 0
    figures = json.loads(file.read_text())
    assert figures["vehicles"] > 50
    red = figures["rules"]["red_light"]
    assert red["found"] >= 2 and red["false"] == red["doubled"] == 0


def test_a_simulated_road_with_noise_accuses_nobody_innocent():
    require_sumo()
    report = report_of([watch_run(7001, 150.0, noise=True)])
    assert report.vehicles > 40
    assert {"speed", "solid_line", "u_turn", "wrong_way"} >= set(report.rules)
    assert all(figures.false == figures.doubled == 0 for figures in report.rules.values())
    assert sum(figures.found for figures in report.rules.values()) >= 5
