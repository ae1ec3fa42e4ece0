"""Who crosses behind a nearer vehicle that hides where their wheels touch the road: found, and nobody else accused."""

from collections.abc import Callable

import pytest

from benchmark.situations.road import RoadCamera, RoadUser, legs
from benchmark.situations.trial import Signal, Trial, phases
from etle.types import Box, Lamp, VehicleClass, View
from pipeline.scene.calibration import calibrate
from pipeline.scene.camera_position import camera_position

LOW = RoadCamera(View.REAR, at_s=22, height_m=4.0)
MOTORCYCLE = VehicleClass.MOTORCYCLE
WAITS = legs((1, 32), (2, 40), (3, 40.5))
"""A car that waits behind the others and hides their feet as far as the edge of the junction."""
DRIVES_OFF = legs((0, 36), (1, 43), (1.5, 44), (6, 44), (7, 45.5), (8, 49.5), (9, 56), (10, 66), (12, 86))
ONTO_RED, ONTO_GREEN = phases((0, Lamp.GREEN), (0.1, Lamp.YELLOW), (2, Lamp.RED)), phases((0, Lamp.RED), (6, Lamp.GREEN))

Shape = Callable[[float, Box], Box]


def hidden_by(nearer: RoadUser, camera: RoadCamera = LOW, shape: Shape = lambda second, box: box) -> Shape:
    """What is visible of a box above a nearer vehicle that is at least as wide. `shape`: of the vehicle, if nobody hid it."""

    def visible(second: float, box: Box) -> Box:
        box, place = shape(second, box), nearer.path(second)
        if place is None or second < 1:
            return box
        cover = camera.box(*place, (4.3, 1.75, 1.5))
        covered = cover.y2 > box.y2 and min(cover.x2, box.x2) - max(cover.x1, box.x1) > box.width / 2
        return box._replace(y2=max(box.y1 + 10, min(box.y2, cover.y1))) if covered else box

    return visible


def risen(start: float, end: float, by: float) -> Shape:
    """The upper edge rises by a part of the height and falls again."""
    return lambda second, box: box._replace(y1=box.y1 - by * box.height * max(0.0, min(1.0, 2 * (second - start), 2 * (end - second))))


def found(user: RoadUser, signal: Signal, *others: RoadUser) -> list[tuple[str, ...]]:
    trial = Trial(users=[user, *others], signal=signal, camera=LOW, fps=8, length_s=12, noise_px=1.0)
    return [(*accusation.users, accusation.rule) for accusation in trial.run()]


CAR = RoadUser(name="car", path=WAITS, hidden=((0.0, 1.0),))


@pytest.mark.parametrize("vehicle", [MOTORCYCLE, VehicleClass.CAR])
def test_who_drives_off_on_red_behind_a_waiting_car_is_found(vehicle: VehicleClass) -> None:
    user = RoadUser(name="runs", path=DRIVES_OFF, vehicle=vehicle, drawn=hidden_by(CAR))
    assert found(user, ONTO_RED, CAR) == [("runs", "red_light")]


@pytest.mark.parametrize("vehicle", [VehicleClass.CAR, MOTORCYCLE])
@pytest.mark.parametrize("green_at_s", [6.0, 7.5, 8.3])
def test_who_enters_the_junction_on_green_is_not(vehicle: VehicleClass, green_at_s: float) -> None:
    user = RoadUser(name="waits", path=DRIVES_OFF, vehicle=vehicle, drawn=hidden_by(CAR))
    assert found(user, phases((0, Lamp.RED), (green_at_s, Lamp.GREEN)), CAR) == []


@pytest.mark.parametrize("rises", [0.2, 0.5])
@pytest.mark.parametrize("vehicle", [VehicleClass.CAR, MOTORCYCLE])
def test_who_stands_up_or_opens_a_tailgate_while_the_foot_is_hidden_is_not(vehicle: VehicleClass, rises: float) -> None:
    user = RoadUser(name="waits", path=DRIVES_OFF, vehicle=vehicle, drawn=hidden_by(CAR, shape=risen(3, 5.5, rises)))
    assert found(user, ONTO_GREEN, CAR) == []


@pytest.mark.parametrize("vehicle", [VehicleClass.CAR, MOTORCYCLE])
@pytest.mark.parametrize(("gap_m", "speed"), [(1.0, 3.0), (2.0, 3.0), (2.0, 6.0)])
@pytest.mark.parametrize("fps", [5, 10])
@pytest.mark.parametrize("leaves_s", [7.0, 12.0])
def test_who_stops_before_the_line_as_the_next_one_draws_up_behind_has_not_passed_it(
    vehicle: VehicleClass, gap_m: float, speed: float, fps: float, leaves_s: float
) -> None:
    """The lower edge rises, little by little, as long as the vehicle still moves: the whole box seems to have moved. Nor has it when the
    next one has left, or is lost, so that nothing but its own boxes is known."""
    camera = RoadCamera(View.REAR, at_s=22, height_m=6.0)
    for stops_at in (48, 49):
        behind = stops_at - (4.3 if vehicle is VehicleClass.CAR else 1.95) - gap_m
        follows = RoadUser(
            name="follows",
            path=legs((0, behind - 5 - 2.5 * speed), (2.5, behind - 3), (4.5, behind), (12, behind)),
            hidden=((leaves_s, 12.0),),
        )
        covered = hidden_by(follows, camera)
        waits = RoadUser(
            name="waits",
            path=legs((0, stops_at - 1.5 - 2.5 * speed), (2.5, stops_at - 1.5), (3.5, stops_at), (12, stops_at)),
            vehicle=vehicle,
            drawn=lambda second, box, covered=covered: covered(second, box) if second < leaves_s else box,
        )
        trial = Trial(users=[waits, follows], signal=phases((0, Lamp.RED)), camera=camera, fps=fps, length_s=12, noise_px=1.0)
        assert trial.run() == []


@pytest.mark.parametrize("fps", [5, 10])
@pytest.mark.parametrize(("signal", "expected"), [((), [("runs", "red_light")]), (((3.0, Lamp.GREEN), (5.0, Lamp.RED)), [])])
def test_who_passes_unseen_from_one_visible_foot_to_the_next_is_found_if_it_was_red_all_the_time(
    fps: float, signal: tuple[tuple[float, Lamp], ...], expected: list[tuple[str, str]]
) -> None:
    """A camera hardly higher than the roofs sees the upper edge of a vehicle in one place wherever its wheels are."""
    camera = RoadCamera(View.REAR, at_s=22, height_m=1.95)
    follows = RoadUser(name="follows", path=legs((0, 24), (1, 36), (3, 38), (6, 52), (8, 56)), hidden=((0.0, 1.0), (6.0, 12.0)))
    runs = RoadUser(
        name="runs",
        path=legs((0, 36), (1, 42), (3, 44), (6, 60.5), (8, 74), (12, 100)),
    )
    trial = Trial(users=[runs, follows], signal=phases((0, Lamp.RED), *signal), camera=camera, fps=fps, length_s=11, noise_px=1.0)
    assert [(*each.users, each.rule) for each in trial.run()] == expected


def test_one_box_with_a_vehicle_that_crosses_farther_away_is_not_followed() -> None:
    runs = RoadUser(name="runs", path=legs((0, 40), (2, 46.5), (3, 46.5), (5, 58), (7, 84)))

    def with_other(second: float, box: Box) -> Box:
        place = runs.path(second)
        assert place is not None
        other = LOW.box(*place, (4.3, 1.75, 1.5))
        return box._replace(y1=min(box.y1, other.y1)) if 3 < second < 5 else box

    waits = RoadUser(
        name="waits", path=legs((0, 36), (1.5, 45), (2, 46), (9, 46), (10, 52), (12, 70)), drawn=hidden_by(CAR, shape=with_other)
    )
    assert found(waits, phases((0, Lamp.RED), (8.5, Lamp.GREEN)), CAR) == []


@pytest.mark.parametrize("view", list(View))
@pytest.mark.parametrize(("height_m", "side_x", "focal_px"), [(3.8, 0.0, 1400.0), (7.0, 8.0, 1100.0), (9.0, -5.0, 2500.0)])
def test_the_place_of_the_camera_follows_from_its_ground_points(view: View, height_m: float, side_x: float, focal_px: float) -> None:
    camera = RoadCamera(view, height_m=height_m, side_x=side_x, focal_px=focal_px)
    place = camera_position(calibrate(camera.settings([])))
    assert place is not None
    assert (*place.below, place.height) == pytest.approx((side_x, 85.0 if view is View.FRONT else 22.0, height_m), abs=1e-3)


def test_a_camera_that_looks_straight_down_has_no_height() -> None:
    settings = LOW.settings([])
    points = [{"px": (100 * x, 100 * y), "m": (float(x), float(y))} for x in (1, 5) for y in (1, 5)]
    down = settings.model_copy(
        update={
            "ground_points": type(settings)
            .model_validate({**settings.model_dump(exclude={"ground_points"}), "ground_points": points})
            .ground_points
        }
    )
    assert camera_position(calibrate(down)) is None
