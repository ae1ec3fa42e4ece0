"""Rules of zones and lanes: stopping and parking, the yellow box, the bus lane."""

from datetime import UTC, datetime

import pytest
from scenario import camera as plain_camera
from scenario import drive, second, seconds_of, track

from etle.config.site import CameraSettings
from etle.types import Finding, TrackId, VehicleClass
from pipeline.rules import build_rules
from pipeline.scene.calibration import calibrate
from pipeline.scene.judgement import Judgement, Reason
from pipeline.scene.scene import Rule, Scene

KERB = {"id": "bahu", "polygon": [[100, 300], [180, 300], [180, 700], [100, 700]]}
BOX = {"id": "kotak", "polygon": [[100, 540], [400, 540], [400, 700], [100, 700]]}
EXIT = {"id": "keluar", "polygon": [[100, 700], [400, 700], [400, 780], [100, 780]]}
TURNING = {"id": "belok", "polygon": [[300, 540], [400, 540], [400, 700], [300, 700]]}
BESIDE = {"id": "kanan", "polygon": [[200, 0], [400, 0], [400, 1000], [200, 1000]], "along": [[300, 0], [300, 900]]}
AT_KERB, BESIDE_IT = 140, 300
"""Pixels from the left: in the zone, and in the lane beside it."""


def road(entry: dict[str, object]) -> CameraSettings:
    made = plain_camera(entry).model_dump()
    return CameraSettings.model_validate({**made, "zones": [KERB, BOX, EXIT, TURNING], "lanes": [*made["lanes"], BESIDE]})


def rule(entry: dict[str, object]) -> Rule:
    (built,) = build_rules(road(entry), calibrate(road(entry)))
    return built


def judged(entry, vehicles, *, timezone="Asia/Jakarta") -> list[tuple[float, Judgement]]:
    """The judgements on vehicle `t` in every frame, with the second. `vehicles`: keywords of `scenario.track` with their `rows`."""
    tested, found = rule(entry), []
    for at in sorted({second_ for vehicle in vehicles for second_, _ in vehicle["rows"]}):
        seen = []
        for vehicle in vehicles:
            rows = [row for row in vehicle["rows"] if row[0] <= at + 1e-9]
            if rows and at - rows[-1][0] < 2:
                seen.append(track(rows, **{key: value for key, value in vehicle.items() if key != "rows"}))
        scene = Scene(now=second(at), tracks=tuple(seen), ended=(), signals={}, timezone=timezone)
        found += [(at, judgement) for judgement in tested.judge(scene) if judgement.track == TrackId("t")]
    return found


def first_finding(entry, vehicles, **kind) -> list[Finding]:
    return [judgement.finding for _, judgement in judged(entry, vehicles, **kind) if judgement.finding][:1]


def last_reason(entry, vehicles, **kind) -> Reason | None:
    decisions = judged(entry, vehicles, **kind)
    return decisions[-1][1].reason if decisions else None


STOPPING = {"rule": "stopping", "zones": ["bahu"], "limit_s": 10}
STANDS = drive((2.0, 30, 50), (15.0, 50, 50), step_s=0.2)


class TestStopping:
    @pytest.mark.parametrize(
        ("rows", "kind", "expected"),
        [
            pytest.param(STANDS, {}, [12.0], id="stands for fifteen seconds: after ten and the uncertainty"),
            pytest.param(drive((2.0, 30, 50), (8.0, 50, 50), (2.0, 50, 70), step_s=0.2), {}, [], id="stands for eight seconds"),
            pytest.param(drive((8.0, 30, 70), step_s=0.2), {}, [], id="drives through"),
            pytest.param(drive((20.0, 40, 60), step_s=0.2), {}, [], id="creeps through"),
            pytest.param(drive((2.0, 30, 50), (7.0, 50, 50), (1.0, 50, 54), (7.0, 54, 54), step_s=0.2), {}, [], id="drives on in between"),
            pytest.param(STANDS, {"x": 260}, [], id="stands beside the zone"),
            pytest.param(STANDS, {"x": 178}, [], id="stands on its border"),
            pytest.param(drive((2.0, 60, 75), (15.0, 75, 75), step_s=0.2), {}, [], id="stands behind its end"),
            pytest.param(STANDS, {"vehicle": VehicleClass.MOTORCYCLE}, [12.0], id="a motorcycle"),
        ],
    )
    def test_positions(self, rows, kind, expected):
        found = first_finding(STOPPING, [{"rows": rows, "x": AT_KERB, **kind}])
        assert seconds_of(found) == pytest.approx(expected, abs=0.9)

    def test_measures_the_stand(self):
        (found,) = first_finding(STOPPING, [{"rows": STANDS, "x": AT_KERB}])
        (stood,) = found.measured
        assert (stood.name, stood.unit) == ("stood", "s")
        assert stood.value - 2 * stood.uncertainty >= 10
        assert found.facts == (("zone", "bahu"),)

    @pytest.mark.parametrize(
        ("hours", "timezone", "expected"),
        [
            pytest.param("09:00-11:00", "Asia/Jakarta", Reason.REPORTED, id="ten o'clock in Jakarta is within the hours"),
            pytest.param("10:01-11:00", "Asia/Jakarta", Reason.OUTSIDE_HOURS, id="the hours have not begun"),
            pytest.param("09:00-11:00", "Asia/Jayapura", Reason.OUTSIDE_HOURS, id="in Jayapura it is noon"),
        ],
    )
    def test_hours(self, hours, timezone, expected):
        assert datetime(2026, 11, 23, 3, tzinfo=UTC) == second(0)
        entry = {**STOPPING, "schedule": {"hours": [{"hours": hours}]}}
        assert last_reason(entry, [{"rows": STANDS, "x": AT_KERB}], timezone=timezone) is expected

    @pytest.mark.parametrize(
        ("vehicle", "expected"),
        [(VehicleClass.BUS, Reason.CLASS_ALLOWED), (VehicleClass.TRUCK, Reason.CLASS_ALLOWED), (VehicleClass.CAR, Reason.REPORTED)],
    )
    def test_exempt_classes(self, vehicle, expected):
        """A bus and a truck are not told apart."""
        assert last_reason({**STOPPING, "exempt": ["bus"]}, [{"rows": STANDS, "x": AT_KERB, "vehicle": vehicle}]) is expected

    @pytest.mark.parametrize(
        ("others", "expected"),
        [
            pytest.param([], Reason.IN_QUEUE, id="nothing drives past: perhaps a queue"),
            pytest.param([{"rows": [(13 + t, m) for t, m in drive((4.0, 20, 60), step_s=0.2)]}], Reason.REPORTED, id="a car drives past"),
            pytest.param(
                [{"rows": [(13 + t, m) for t, m in drive((4.0, 20, 60), step_s=0.2)], "vehicle": VehicleClass.MOTORCYCLE}],
                Reason.IN_QUEUE,
                id="a motorcycle filters past",
            ),
            pytest.param([{"rows": drive((17.0, 40, 56), step_s=0.2)}], Reason.IN_QUEUE, id="the traffic beside it creeps"),
            pytest.param(
                [
                    {"rows": [(13 + t, m) for t, m in drive((4.0, 20, 60), step_s=0.2)]},
                    {"rows": drive((17.0, 70, 70), step_s=0.2), "name": "v"},
                ],
                Reason.IN_QUEUE,
                id="one drives past, and another stands in that lane",
            ),
            pytest.param([{"rows": [(13 + t, m) for t, m in drive((4.0, 20, 40), step_s=0.2)]}], Reason.IN_QUEUE, id="does not get past"),
            pytest.param([{"rows": [(13 + t, m) for t, m in drive((4.0, 60, 20), step_s=0.2)]}], Reason.IN_QUEUE, id="oncoming"),
        ],
    )
    def test_a_queue_is_no_stop(self, others, expected):
        beside = [{"name": "u", "x": BESIDE_IT, **other} for other in others]
        assert last_reason({**STOPPING, "beside": ["kanan"]}, [{"rows": STANDS, "x": AT_KERB}, *beside]) is expected

    def test_frames_are_kept_from_the_beginning_of_the_stand(self):
        decisions = judged(STOPPING, [{"rows": STANDS, "x": AT_KERB}])
        waiting = [judgement for _, judgement in decisions if judgement.reason is Reason.NOT_STOOD]
        assert waiting and all(abs((judgement.began_at - second(2)).total_seconds()) < 0.9 for judgement in waiting)
        assert decisions[-1][1].finding and decisions[-1][1].began_at is None


def test_parking_has_a_longer_limit():
    long = drive((2.0, 30, 50), (330.0, 50, 50), step_s=1.0)
    (found,) = first_finding({"rule": "parking", "zones": ["bahu"]}, [{"rows": long, "x": AT_KERB}])
    assert found.measured[0].value == pytest.approx(301, abs=2)


YELLOW_BOX = {"rule": "yellow_box", "zone": "kotak", "exit": "keluar", "waiting": ["belok"]}
BRAKES = ((3.0, 30, 50), (1.0, 50, 55), (1.0, 55, 58.5), (1.0, 58.5, 60))
ENTERS = drive(*BRAKES, (9.0, 60, 60), step_s=0.2)
"""Enters the box at 4 s and stands in it from 6 s on."""
BLOCKS = {"rows": drive((15.0, 75, 75), step_s=0.2), "name": "u", "x": 200}


class TestYellowBox:
    @pytest.mark.parametrize(
        ("own", "others", "expected"),
        [
            pytest.param({"rows": ENTERS}, [BLOCKS], Reason.REPORTED, id="enters while a car stands in the exit"),
            pytest.param({"rows": ENTERS}, [], Reason.EXIT_FREE, id="the exit is free"),
            pytest.param(
                {"rows": ENTERS},
                [{**BLOCKS, "rows": drive((3.8, 41, 75), (11, 75, 75), step_s=0.2)}],
                Reason.EXIT_FREE,
                id="the car in front had just come to its stand",
            ),
            pytest.param(
                {"rows": ENTERS},
                [{**BLOCKS, "rows": drive((8.0, 75, 75), (1, 75, 85), (6, 85, 95), step_s=0.2)}],
                Reason.EXIT_FREE,
                id="the exit is free again, and it does not go on",
            ),
            pytest.param({"rows": drive((3.0, 30, 50), (9.0, 50, 50), step_s=0.2)}, [BLOCKS], None, id="waits before the box"),
            pytest.param({"rows": drive((3.0, 30, 50), (3.0, 50, 85), step_s=0.2)}, [BLOCKS], None, id="drives through"),
            pytest.param({"rows": drive(*BRAKES, (3.6, 60, 60), step_s=0.2)}, [BLOCKS], Reason.NOT_STOOD, id="stands for 4 s"),
            pytest.param({"rows": ENTERS, "x": 350}, [BLOCKS], Reason.MAY_WAIT, id="waits to turn right"),
            pytest.param({"rows": drive((14.0, 60, 60), step_s=0.2)}, [BLOCKS], Reason.FIRST_SEEN_INSIDE, id="first seen inside"),
        ],
    )
    def test_yellow_box(self, own, others, expected):
        assert last_reason(YELLOW_BOX, [{"x": 200, **own}, *others]) is expected


BUS_LANE = {"rule": "bus_lane", "lanes": ["kanan"]}
ALONG = drive((6.0, 20, 80))


class TestBusLane:
    @pytest.mark.parametrize(
        ("rows", "kind", "expected"),
        [
            pytest.param(ALONG, {}, Reason.REPORTED, id="a car drives sixty metres in it"),
            pytest.param(ALONG, {"vehicle": VehicleClass.MOTORCYCLE}, Reason.REPORTED, id="a motorcycle"),
            pytest.param(ALONG, {"vehicle": VehicleClass.BUS}, Reason.CLASS_ALLOWED, id="a bus"),
            pytest.param(ALONG, {"vehicle": VehicleClass.TRUCK}, Reason.CLASS_UNCERTAIN, id="a truck may be a bus"),
            pytest.param(drive((2.0, 20, 38)), {}, Reason.TOO_SHORT, id="eighteen metres"),
            pytest.param(ALONG, {"x": 205}, None, id="on its border"),
            pytest.param(drive((6.0, 80, 20)), {}, Reason.TOO_SHORT, id="against the arrow: another rule's offence"),
        ],
    )
    def test_bus_lane(self, rows, kind, expected):
        assert last_reason(BUS_LANE, [{"rows": rows, "x": BESIDE_IT, **kind}]) is expected

    def test_a_car_that_was_taken_for_a_bus_in_a_few_frames_is_not_reported(self):
        from dataclasses import replace

        seen = track(ALONG, x=BESIDE_IT)
        few = tuple(replace(each, vehicle=VehicleClass.BUS) if n % 10 == 0 else each for n, each in enumerate(seen.sightings))
        scene = Scene(now=second(6), tracks=(replace(seen, sightings=few),), ended=(), signals={})
        assert [judgement.reason for judgement in rule(BUS_LANE).judge(scene)] == [Reason.CLASS_UNCERTAIN]

    def test_the_moment_is_when_the_distance_was_reached(self):
        assert seconds_of(first_finding(BUS_LANE, [{"rows": ALONG, "x": BESIDE_IT}])) == pytest.approx([2.0], abs=0.05)

    def test_hours(self):
        entry = {**BUS_LANE, "schedule": {"hours": [{"hours": "05:00-09:00"}]}}
        assert last_reason(entry, [{"rows": ALONG, "x": BESIDE_IT}]) is Reason.OUTSIDE_HOURS
