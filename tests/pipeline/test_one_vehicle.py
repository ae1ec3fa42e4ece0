"""A track stays with one vehicle: what the picture cannot tell, the road can. Found on SUMO's traffic (`etle evaluate tracks`)."""

from collections.abc import Sequence
from datetime import timedelta
from random import Random

import pytest

from benchmark.situations.road import LINE_S, RoadCamera, RoadLane, RoadUser, legs, straight
from benchmark.situations.trial import BEGIN, Trial, phases
from etle.types import Box, Lamp, Sighting, Track, TrackId, VehicleClass, View
from models.tracking.hidden_feet import is_foot_hidden
from models.tracking.tracker import Tracker
from pipeline.scene.calibration import calibrate
from pipeline.scene.one_vehicle import gap_check
from pipeline.scene.vehicle_motion import is_one_vehicle

CAMERA = RoadCamera(View.REAR)
CALIBRATION = calibrate(CAMERA.settings([]))
MOTORCYCLE = VehicleClass.MOTORCYCLE


def tracked(users: Sequence[RoadUser], seconds: float, fps: float = 10.0) -> tuple[list[Track], dict[tuple[int, Box], str]]:
    """The tracks in their longest form, and whose each box is."""
    tracker = Tracker(image_size=(1280, 720), can_be_one=gap_check(CALIBRATION))
    longest: dict[str, Track] = {}
    owners: dict[tuple[int, Box], str] = {}
    for sequence in range(round(seconds * fps) + 1):
        seen = []
        for user in users:
            if detection := user.detection(CAMERA, sequence / fps, 0.0, Random(1)):
                owners[sequence, detection.box] = user.name
                seen.append(detection)
        step = tracker.update(sequence, BEGIN + timedelta(seconds=sequence / fps), seen)
        longest |= {track.id: track for track in (*step.tracks, *step.ended)}
    return list(longest.values()), owners


def vehicles_of(tracks: Sequence[Track], owners: dict[tuple[int, Box], str]) -> list[list[str]]:
    """The vehicles of each track. The first sightings after a switch decide only together: fewer than six of another vehicle may remain."""
    return [sorted({owners[each.sequence, each.box] for each in track.sightings}) for track in tracks if len(track.sightings) > 5]


@pytest.mark.parametrize(
    ("users", "expected"),
    [
        pytest.param(
            [
                RoadUser(name="goes", path=straight(40, 12), hidden=((4.0, 99.0),)),
                RoadUser(name="comes", path=straight(92, -12, start=5.2, x=-1.0)),
            ],
            [["goes"], ["comes"]],
            id="one that went out of sight, and one that comes from there",
        ),
        pytest.param(
            [
                RoadUser(name="goes", path=straight(40, 10, x=1.0), vehicle=MOTORCYCLE, hidden=((3.0, 99.0),)),
                RoadUser(name="comes", path=straight(100, -10, x=1.4), vehicle=MOTORCYCLE, hidden=((0.0, 3.0),)),
            ],
            [["goes"], ["comes"]],
            id="two that meet, one of which hides the other",
        ),
        pytest.param(
            [RoadUser(name="brakes", path=legs((0, 28), (2, 40), (3, 45), (4, 48), (5, 49), (9, 49)), hidden=((2.2, 3.2),))],
            [["brakes"]],
            id="one that brakes while it is hidden",
        ),
        pytest.param(
            [RoadUser(name="waits", path=legs((0, 20), (2, 40), (3, 44), (9, 44), (11, 60)), hidden=((5.0, 6.8),))],
            [["waits"]],
            id="one that waits behind a bus",
        ),
        pytest.param(
            [
                RoadUser(
                    name="reappears",
                    path=straight(34, 8),
                    hidden=((2.0, 2.5),),
                    drawn=lambda second, box: box._replace(y2=box.y2 - box.height * 0.6) if second > 2.2 else box,
                ),
                RoadUser(
                    name="nearer", path=legs((0, 26), (1.5, 44)), drawn=lambda second, box: box._replace(y1=box.y1 - box.height * 0.4)
                ),
            ],
            [["reappears"], ["nearer"]],
            id="one that reappears above a nearer one, without its lower part",
        ),
    ],
)
def test_a_track_ends_where_another_vehicle_begins(users, expected):
    assert vehicles_of(*tracked(users, 9)) == expected


@pytest.mark.parametrize(
    "stops",
    [
        pytest.param([(0, 30), (2, 42), (3, 46), (4, 48)], id="gently"),
        pytest.param([(0, 30), (2.5, 40), (2.9, 41.5), (3.2, 42.3), (3.5, 42.8), (3.8, 43)], id="braking hard"),
    ],
)
def test_a_vehicle_that_waits_for_minutes_is_one_vehicle_though_frames_are_missing(stops):
    at = stops[-1][1]
    leaves = ((95 + after_s, at + ahead) for after_s, ahead in ((0, 0), (0.5, 0.3), (1, 1.2), (1.5, 2.8), (2, 5)))
    missing = tuple((10.35 + 7 * n + 0.1 * n, 10.85 + 7 * n + 0.1 * n) for n in range(8))
    user = RoadUser(name="waits", path=legs(*stops, *leaves), hidden=missing)
    (track,), _ = tracked([user], 97)
    assert len(track.sightings) < 500
    assert is_one_vehicle(track, CALIBRATION, track.first.captured_at, track.last.captured_at)


@pytest.mark.parametrize(
    ("until_s", "is_one"),
    [
        pytest.param(6.2, True, id="for two frames, as one passes behind it"),
        pytest.param(20.0, False, id="from then on: another vehicle may stand there"),
    ],
)
def test_a_box_that_is_elsewhere_for_a_moment_while_the_vehicle_stands(until_s, is_one):
    def drawn(second: float, box: Box) -> Box:
        return box._replace(y2=box.y2 - box.height * 0.15) if 6.0 <= second < until_s else box

    (track,), _ = tracked([RoadUser(name="waits", path=legs((0, 44), (9, 44)), drawn=drawn)], 9)
    assert is_one_vehicle(track, CALIBRATION, track.first.captured_at, track.last.captured_at) is is_one


@pytest.mark.parametrize(
    ("m_s", "ends_at"),
    [
        pytest.param(8, 720, id="slowly"),
        pytest.param(25, 720, id="fast"),
        pytest.param(8, 697, id="its box ends before the edge that cuts it, as detectors draw it"),
    ],
)
def test_a_vehicle_that_leaves_through_the_lower_edge_of_the_picture_is_one_vehicle(m_s, ends_at):
    camera = RoadCamera(View.FRONT)
    calibration = calibrate(camera.settings([]))
    user = RoadUser(name="leaves", path=straight(20, m_s), drawn=lambda _, box: box._replace(y2=min(box.y2, ends_at)))
    tracker = Tracker(image_size=(1280, 720))
    tracks: dict[str, Track] = {}
    for sequence in range(80):
        detection = user.detection(camera, sequence / 10, 0.0, Random(1))
        step = tracker.update(sequence, BEGIN + timedelta(seconds=sequence / 10), [detection] if detection else [])
        tracks |= {track.id: track for track in step.tracks}
    (track,) = tracks.values()
    assert track.last.box.y2 == ends_at
    shown = [sighting for sighting in track.sightings if calibration.shows_foot(sighting.box)]
    assert is_one_vehicle(track, calibration, shown[0].captured_at, shown[-1].captured_at)


def test_creeping_over_the_line_while_the_light_turns_green_is_no_stop_beyond_it():
    """A short car seen from behind: its front is certainly beyond the line only after the red."""
    camera = RoadCamera(View.REAR, entry_m=5)
    path = legs((0, 20), (3, LINE_S - 2), (5, LINE_S - 2), (6, LINE_S - 0.4), (9, LINE_S - 0.4), (9.6, LINE_S + 0.25), (13, LINE_S + 0.25),
                (14, LINE_S + 1.1), (22, LINE_S + 1.1))  # fmt: skip
    red_until_10_8 = phases((0, Lamp.GREEN), (1, Lamp.YELLOW), (4, Lamp.RED), (10.8, Lamp.GREEN))
    user = RoadUser(name="creeps", path=path, size=(3.7, 1.66, 1.5))
    assert Trial(users=[user], camera=camera, signal=red_until_10_8, length_s=22).run() == []


def test_one_foot_that_is_far_off_does_not_excuse_the_way_after_it():
    """When the rider has come 5 m against the lane, the detector draws the foot of its box too far up for a moment."""

    def drawn(second: float, box: Box) -> Box:
        return Box(box.x1, box.y1, box.x2, box.y2 - 0.5 * box.height) if 1.15 <= second < 1.35 else box

    rider = RoadUser(name="against", path=straight(62, -7, x=-1.8, start=0.5), vehicle=MOTORCYCLE, drawn=drawn)
    lane = RoadLane(id="kiri", left_x=-3.5, right_x=0, start_s=15, end_s=65)
    trial = Trial(
        users=[rider],
        camera=RoadCamera(View.FRONT),
        rules=({"rule": "wrong_way", "lanes": ["kiri"], "distance_m": 12},),
        lanes=[lane],
        length_s=3.8,
    )
    assert [(each.rule, each.users) for each in trial.run()] == [("wrong_way", ("against",))]


def test_a_box_that_ends_at_a_nearer_vehicle_hides_its_foot():
    cut, nearer, beside = Box(100, 100, 150, 140), Box(80, 141, 170, 260), Box(200, 141, 290, 260)
    assert is_foot_hidden(cut, [cut, nearer])
    assert not is_foot_hidden(cut, [cut, beside])


def test_who_runs_the_red_behind_a_vehicle_that_crosses_the_junction_is_found():
    """The crossing vehicle hides the wheels at the line for a moment, and the detector draws only what it sees."""
    camera = RoadCamera(View.FRONT)
    crossing = RoadUser(name="crosses", path=lambda second: (LINE_S + 9, 14 * (second - 3.5)), size=(1.8, 4.4, 1.5))

    def drawn(second: float, box: Box) -> Box:
        other = camera.box(*crossing.path(second), (1.8, 4.4, 1.5))
        hides = other.x1 < box.centre.x < other.x2 and box.y1 < other.y1 < box.y2
        return Box(box.x1, box.y1, box.x2, max(other.y1, box.y1 + box.height / 3)) if hides else box

    runner = RoadUser(name="runs", path=straight(LINE_S - 7 * 3.4, 7), vehicle=MOTORCYCLE, drawn=drawn)
    found = Trial(users=[runner, crossing], camera=camera, length_s=6).run()
    assert [(each.rule, each.users) for each in found] == [("red_light", ("runs",))]


def test_a_box_without_height_ends_no_run():
    """As noise and the border of the picture make them of a vehicle that is far away."""
    check = gap_check(CALIBRATION)
    assert check is not None
    boxes = [Box(600, 300 - 12 * i, 660, 360 - 12 * i) for i in range(4)] + [Box(300, 480 - 9 * i, 330, 480 - 9 * i) for i in range(3)]
    moments = [0.0, 0.1, 0.2, 0.3, 1.3, 1.4, 1.5]
    sightings = tuple(
        Sighting(sequence=i, captured_at=BEGIN + timedelta(seconds=second), box=box, vehicle=MOTORCYCLE, score=0.5)
        for i, (second, box) in enumerate(zip(moments, boxes, strict=True))
    )
    assert not check(Track(id=TrackId("0-0"), sightings=sightings), 4)
