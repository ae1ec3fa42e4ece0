"""Selection of the part of a run that a clip shows, and when a violation counts as shown."""

import pytest
from runs import run, track, vehicle

from simulator.camera import PinholeCamera
from simulator.events import crossings
from simulator.layout import FPS, KELUAR, MASUK, CameraPlan
from simulator.traffic import Traffic
from simulator.views import ProjectedView, outline, overlap, view_of
from simulator.windows import FootageWindow, best_keluar, best_masuk, line_violations, shows_approach, wrong_way_violations


def seen_by(plan: CameraPlan, traffic: Traffic) -> ProjectedView:
    return view_of(PinholeCamera(plan, 1920, 1080), traffic)


def runner(at_s: float) -> Traffic:
    """A motorcycle that crosses the line at `at_s` with 5 m/s and comes into view three seconds before."""
    return run((vehicle("motorcycle-0", "motorcycle"), track([(at_s - 4, -34), (at_s + 6, 16)])))


@pytest.mark.parametrize(
    ("first_s", "last_s", "shown"),
    [
        pytest.param(10, 40, True, id="in the middle of the clip"),
        pytest.param(22.1, 40, False, id="less than three seconds after the clip's start"),
        pytest.param(10, 27.9, False, id="less than three seconds before its end"),
        pytest.param(22, 28.1, True, id="three seconds before and after"),
    ],
)
def test_a_crossing_is_listed_only_with_seconds_before_and_after_it(first_s: float, last_s: float, shown: bool):
    traffic = runner(25.0)
    start, steps = round(first_s * FPS), round((last_s - first_s) * FPS)
    violations = line_violations(seen_by(MASUK, traffic), crossings(traffic), start, steps)
    assert [v.rule for v in violations] == (["red_light"] if shown else [])


def test_a_stop_beyond_the_line_is_listed_only_if_the_standing_vehicle_is_shown():
    traffic = run((vehicle("motorcycle-0", "motorcycle"), track([(20, -24), (22, -12), (30, -12)])))
    view, found = seen_by(MASUK, traffic), crossings(traffic)
    assert [v.rule for v in line_violations(view, found, 150, 110)] == ["stop_line"]
    assert line_violations(view, found, 150, 98) == ()


def test_a_vehicle_that_comes_into_view_too_late_is_not_listed():
    traffic = run((vehicle(), track([(24, -34), (26, 16)])))  # 90 km/h: its rear shows half a second before the line
    assert line_violations(seen_by(MASUK, traffic), crossings(traffic), 200, 100) == ()


def test_a_window_with_a_crossing_at_a_signal_change_is_rejected():
    clear, ambiguous = runner(69.0), runner(62.1)  # the signal turns red at 62 s
    assert [v.rule for v in _best(clear).violations] == ["red_light"]
    window = _best(ambiguous)
    assert not window.start <= 621 < window.start + window.steps


def test_a_window_shows_how_a_violator_comes_to_the_line_if_one_does():
    traffic = run((vehicle("motorcycle-0", "motorcycle"), track([(63, -34), (67, -15), (78, -15), (82, 16)])))
    view, (crossing,) = seen_by(MASUK, traffic), crossings(traffic)
    window = _best(traffic, 180)
    (violation,) = window.violations
    assert crossing.line_s > 78 and window.start < 670
    assert shows_approach(traffic, view, violation, window.start)
    assert not shows_approach(traffic, view, violation, 680)


def _best(traffic: Traffic, steps: int = 80) -> FootageWindow:
    """The best window of eight seconds, with one more vehicle that is always in the run."""
    idle = (vehicle("car-9", arm="E"), track([(30, 20), (100, 20.5)], y=-4.5))
    window = best_masuk(whole := run(idle, *((traffic.vehicles[i], t) for i, t in traffic.tracks.items())), seen_by(MASUK, whole), steps)
    assert window is not None
    return window


def test_wrong_way_is_five_metres_after_the_rear_came_into_the_picture():
    rider = vehicle("motorcycle-0", "motorcycle", "Wm", wrong_way=True)
    traffic = run((rider, track([(30, -90), (50, -30)], y=-6.55)))
    view = seen_by(KELUAR, traffic)
    (violation,) = wrong_way_violations(view, 250, 200)
    first = next(step for step in range(250, 450) if view.shows(rider.id, step))
    assert violation.sim_s == pytest.approx(first / FPS + 5 / 3.0, abs=0.02)


def test_a_window_with_a_wrong_way_vehicle_at_its_edge_is_rejected():
    rider = vehicle("motorcycle-0", "motorcycle", "Wm", wrong_way=True)
    traffic = run((rider, track([(32, -90), (52, -30)], y=-6.55)), (vehicle("car-1"), track([(0, -140), (120, -139)])))
    view = seen_by(KELUAR, traffic)
    window = best_keluar(view, 150)
    assert window is not None
    assert [v.vehicle.id for v in window.violations] == [rider.id]


def test_overlap_of_vehicle_outlines():
    (here,), (beside,), (same_lane,) = (track([(0, x), (0.1, x)], y)[:1] for x, y in ((0, 0), (0, 2.5), (-3, 0.5)))
    car = vehicle()
    assert overlap(outline(car, here), outline(car, same_lane))
    assert not overlap(outline(car, here), outline(car, beside))


def test_steps_with_overlapping_vehicles_are_marked():
    through = track([(20, -34), (24, 6)])
    assert seen_by(MASUK, run((vehicle("car-1"), through), (vehicle("car-2"), through))).overlaps
    assert not seen_by(MASUK, run((vehicle("car-1"), through))).overlaps
