"""Tables of drives: which vehicles there are, what was detected of them, and which tracks are expected."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etle.types import Box, Detection, Sighting, Track, TrackId, VehicleClass
from models.tracking.tracker import MAX_LOST_S, Tracker, TrackerState, TrackerStep
from models.tracking.vehicle_class import vehicle_class_of

START = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
CAR, MOTORCYCLE, BUS, TRUCK = VehicleClass.CAR, VehicleClass.MOTORCYCLE, VehicleClass.BUS, VehicleClass.TRUCK
Path = Callable[[float], tuple[float, float] | None]


@dataclass(frozen=True)
class Drive:
    """`at` gives the middle of the box at a second, None while it is not detected."""

    at: Path
    size: tuple[float, float] = (90, 70)
    vehicle: VehicleClass = CAR
    score: float = 0.8

    def seen(self, second: float) -> Detection | None:
        place = self.at(second)
        if place is None:
            return None
        (x, y), (w, h) = place, self.size
        return Detection(box=Box(x - w / 2, y - h / 2, x + w / 2, y + h / 2), vehicle=self.vehicle, score=self.score)


def line(x: float, y: float, vx: float, vy: float, *, begin: float = -1e9, end: float = 1e9, hidden: tuple[float, float] = (0, 0)) -> Path:
    """Constant speed in pixels a second, seen from `begin` to `end` but for the time it is hidden."""
    return lambda s: None if not begin <= s <= end or hidden[0] <= s < hidden[1] else (x + vx * s, y + vy * s)


def stop_and_go(s: float) -> tuple[float, float]:
    """Drives to the line for 2 s, stands for 5 s, goes on."""
    return 300.0, 600 - 150 * min(s, 2) - 60 * max(0.0, s - 7) ** 2


def moments(fps: float, seconds: float) -> list[float]:
    return [round(i / fps, 3) for i in range(round(fps * seconds) + 1)]


def run(drives: Sequence[Drive], times: Sequence[float], tracker: Tracker | None = None) -> list[TrackerStep]:
    tracker = tracker or Tracker()
    return [tracker.update(i, START + timedelta(seconds=t), [d for drive in drives if (d := drive.seen(t))]) for i, t in enumerate(times)]


def tracks_of(steps: Sequence[TrackerStep]) -> list[Track]:
    """Each confirmed track in its longest form, in the order of their start."""
    last: dict[TrackId, Track] = {}
    for step in steps:
        last.update({track.id: track for track in (*step.tracks, *step.ended)})
    return list(last.values())


def followed(drives: Sequence[Drive], tracks: Sequence[Track]) -> list[list[int]]:
    """The drives that each track's sightings belong to, changes only: [[0], [1]] means two tracks that stayed with theirs."""

    def owner(sighting: Sighting) -> int:
        second = (sighting.captured_at - START).total_seconds()
        return next(i for i, drive in enumerate(drives) if (d := drive.seen(second)) and d.box == sighting.box)

    owners = [[owner(sighting) for sighting in track.sightings] for track in tracks]
    return [[each for i, each in enumerate(row) if i == 0 or row[i - 1] != each] for row in owners]


FAR_AND_NEAR = [Drive(line(100, 200, 0, 120)), Drive(line(300, 180, 10, 150), (60, 80), MOTORCYCLE)]
CROSSING = [Drive(line(0, 300, 160, 0)), Drive(line(640, 320, -150, 0))]
AT_AN_ANGLE = [Drive(line(0, 100, 130, 70)), Drive(line(640, 100, -130, 75), (60, 80), MOTORCYCLE)]
SIDE_BY_SIDE = [Drive(line(300 + 45 * i, 700, 3 * i, -170), (40, 66), MOTORCYCLE) for i in range(5)]
IN_FILE = [Drive(line(320, 900 + 110 * i, 0, -200), (40, 66), MOTORCYCLE) for i in range(4)]
STOPPED_QUEUE = [Drive(stop_and_go), Drive(lambda s: (300.0, stop_and_go(s)[1] + 90)), Drive(line(420, 700, 0, -160))]
# a motorcycle of 40 x 66 pixels that comes at 250 pixels a second: at 2 frames a second its boxes lie two lengths apart
FAST = [
    Drive(line(300, 50, 20, 250, end=3), (40, 66), MOTORCYCLE),
    Drive(line(420, -40, 10, 240, begin=0.4, end=3.5), (40, 66), MOTORCYCLE),
]


@pytest.mark.slow
@pytest.mark.parametrize("fps", [2, 4, 6, 12.5, 25])
@pytest.mark.parametrize(
    "drives",
    [
        pytest.param(FAR_AND_NEAR, id="two that keep apart"),
        pytest.param(CROSSING, id="two that meet head-on and overlap"),
        pytest.param(AT_AN_ANGLE, id="two with crossing paths"),
        pytest.param(SIDE_BY_SIDE, id="five motorcycles side by side"),
        pytest.param(IN_FILE, id="four motorcycles one behind the other"),
        pytest.param(STOPPED_QUEUE, id="two that stop at the line and go on, one that passes them"),
        pytest.param(FAST, id="two fast motorcycles, the second entering later"),
    ],
)
def test_every_vehicle_keeps_its_track(drives: list[Drive], fps: float) -> None:
    tracks = tracks_of(run(drives, moments(fps, 4)))
    assert sorted(followed(drives, tracks)) == [[i] for i in range(len(drives))]


@pytest.mark.parametrize(
    "drive, seconds, tracks",
    [
        pytest.param(Drive(line(0, 300, 150, 0, hidden=(1.5, 2.3))), 4, 1, id="hidden for 0.8 s while driving: the same track"),
        pytest.param(Drive(line(300, 300, 0, 0, hidden=(1.5, 3.4))), 5, 1, id="hidden for 1.9 s while standing: the same track"),
        pytest.param(Drive(line(300, 300, 0, 0, hidden=(1.5, 3.8))), 6, 2, id="hidden for 2.3 s: another track"),
        pytest.param(Drive(line(300, 300, 0, 0, begin=1, end=1.1)), 4, 0, id="detected in two frames: not confirmed"),
    ],
)
def test_a_vehicle_that_is_not_detected_for_some_time(drive: Drive, seconds: float, tracks: int) -> None:
    assert len(tracks_of(run([drive], moments(10, seconds)))) == tracks


@pytest.mark.parametrize(
    "score, tracks, sightings",
    [
        pytest.param(0.8, 1, 41, id="high all the time"),
        pytest.param(0.15, 0, 0, id="low all the time starts no track"),
    ],
)
def test_only_high_scores_start_a_track(score: float, tracks: int, sightings: int) -> None:
    found = tracks_of(run([Drive(line(0, 300, 100, 0), score=score)], moments(10, 4)))
    assert [len(track.sightings) for track in found] == [sightings] * tracks


def test_low_scores_keep_a_half_hidden_vehicle() -> None:
    way = line(0, 300, 100, 0)
    tracker = Tracker(score=0.3)
    for i, second in enumerate(moments(10, 6)):
        drive = Drive(way, score=0.12 if 1 <= second <= 5 else 0.7)
        step = tracker.update(i, START + timedelta(seconds=second), [d for d in [drive.seen(second)] if d])
    assert [len(track.sightings) for track in step.tracks] == [61]


def test_sightings_are_detections_and_the_first_is_the_first() -> None:
    drive = Drive(line(0, 300, 150, 0, begin=0.3, hidden=(1.5, 2.3)))
    (track,) = tracks_of(run([drive], moments(10, 4)))
    seconds = [(s.captured_at - START).total_seconds() for s in track.sightings]
    assert [s.box for s in track.sightings] == [d.box for t in seconds if (d := drive.seen(t))]
    assert (track.id, track.first.sequence, seconds[0]) == ("3-0", 3, 0.3)
    assert not [t for t in seconds if 1.5 <= t < 2.3]


def test_changing_classes_change_neither_track_nor_vehicle_class() -> None:
    tracker = Tracker()
    for i, second in enumerate(moments(10, 4)):
        vehicle = [CAR, TRUCK, CAR, BUS, CAR][i % 5]
        seen = Drive(line(0, 300, 120, 0), vehicle=vehicle).seen(second)
        assert seen
        step = tracker.update(i, START + timedelta(seconds=second), [seen])
    assert [(len(track.sightings), vehicle_class_of(track)) for track in step.tracks] == [(41, CAR)]


@pytest.mark.parametrize(
    "sightings, vehicle",
    [
        pytest.param([(CAR, 0.4, 20)] * 30 + [(MOTORCYCLE, 0.6, 80)] * 5, MOTORCYCLE, id="a motorcycle that was far for long"),
        pytest.param([(TRUCK, 0.5, 100), (CAR, 0.6, 100), (TRUCK, 0.5, 100)], TRUCK, id="the scores of equal boxes add up"),
        pytest.param([(BUS, 0.3, 50)], BUS, id="one sighting"),
    ],
)
def test_the_vehicle_class_is_voted_for(sightings: list[tuple[VehicleClass, float, float]], vehicle: VehicleClass) -> None:
    seen = tuple(
        Sighting(sequence=i, captured_at=START + timedelta(seconds=i), box=Box(0, 0, side, side), vehicle=kind, score=score)
        for i, (kind, score, side) in enumerate(sightings)
    )
    assert vehicle_class_of(Track(id=TrackId("0-0"), sightings=seen)) is vehicle


def cut_off(drive: Drive, picture: tuple[int, int]) -> Callable[[float], Detection | None]:
    """The drive as a camera sees it: boxes are clipped to the image, and not detected below 12 pixels."""

    def seen(s: float) -> Detection | None:
        whole = drive.seen(s)
        if whole is None:
            return None
        box = Box(max(0.0, whole.box.x1), max(0.0, whole.box.y1), min(picture[0], whole.box.x2), min(picture[1], whole.box.y2))
        return replace(whole, box=box) if min(box.width, box.height) > 12 else None

    return seen


@pytest.mark.parametrize("fps", [5, 10, 25])
@pytest.mark.parametrize(
    "leaves, enters",
    [
        pytest.param(line(500, 300, 120, 0), line(940, 300, -120, 0), id="to the right, and another from there"),
        pytest.param(line(140, 300, -120, 0), line(-300, 300, 120, 0), id="to the left"),
        pytest.param(line(320, 350, 0, 110), line(320, 720, 0, -110), id="towards the camera"),
        pytest.param(line(320, 120, 0, -100), line(320, -230, 0, 100), id="away from it"),
    ],
)
def test_a_vehicle_that_enters_where_another_left_gets_a_new_track(leaves: Path, enters: Path, fps: float) -> None:
    picture = (640, 480)
    tracker, tracks = Tracker(image_size=picture), {}
    for i, second in enumerate(moments(fps, 5)):
        both = [cut_off(Drive(way), picture)(second) for way in (leaves, enters)]
        step = tracker.update(i, START + timedelta(seconds=second), [d for d in both if d])
        tracks |= {track.id: track for track in (*step.tracks, *step.ended)}
    assert len(tracks) == 2


def test_vehicles_that_come_into_the_picture_side_by_side_keep_their_own_boxes() -> None:
    """The boxes of the first two frames are cut by the border, so that neither their growth nor their motion is the vehicle's."""
    one = [Box(-1, 553, 113, 719), Box(10, 508, 209, 719), Box(120, 476, 288, 664), Box(207, 447, 350, 612)]
    two = [Box(-1, 632, 214, 719), Box(92, 574, 312, 719), Box(212, 527, 392, 719), Box(306, 491, 454, 689)]
    tracker = Tracker(image_size=(1280, 720))
    for i, boxes in enumerate(zip(one, two, strict=True)):
        detections = [Detection(box=box, vehicle=VehicleClass.MOTORCYCLE, score=0.85) for box in boxes]
        tracks = tracker.update(i, START + timedelta(seconds=0.2 * i), detections).tracks
    assert [[sighting.box for sighting in track.sightings] for track in tracks] == [one, two]


def test_the_next_vehicle_that_comes_into_view_does_not_take_the_track_of_one_that_is_not_detected() -> None:
    """Two motorcycles come over the lower border one after the other, and the first is not detected as the second appears."""
    boxes = [Box(80, 506, 277, 720), Box(165, 479, 330, 684), Box(184, 624, 431, 720), Box(268, 578, 477, 719), Box(333, 549, 508, 720)]
    tracker = Tracker(image_size=(1280, 720))
    steps = [
        tracker.update(i, START + timedelta(seconds=i / 6), [Detection(box=box, vehicle=MOTORCYCLE, score=0.8)])
        for i, box in enumerate(boxes)
    ]
    assert [[sighting.box for sighting in track.sightings] for track in tracks_of(steps)] == [boxes[2:]]


@pytest.mark.parametrize(
    ("size", "vehicle", "tracks"),
    [
        pytest.param((190, 160), CAR, 2, id="a car that hides it"),
        pytest.param((95, 125), CAR, 1, id="the same box, taken for a car from then on"),
        pytest.param((120, 150), MOTORCYCLE, 1, id="the box grew with the rider"),
    ],
)
def test_a_track_does_not_go_on_with_a_vehicle_of_the_other_kind(size: tuple[float, float], vehicle: VehicleClass, tracks: int) -> None:
    motorcycle = Drive(line(300, 500, 0, -60, end=1.05), (90, 120), MOTORCYCLE)
    other = Drive(line(300, 490, 0, -60, begin=1.05), size, vehicle)
    seen = tracks_of(run([motorcycle, other], moments(10, 2), Tracker(can_be_one=lambda track, index: True)))
    assert len(seen) == tracks


def test_a_vehicle_that_appears_far_away_gets_a_new_track() -> None:
    """A car is hidden while driving; a second later a motorcycle is first detected half the image width away."""
    drives = [Drive(line(100, 300, 100, 0, end=2)), Drive(line(700, 120, -10, 60, begin=2.9), (60, 90), MOTORCYCLE)]
    assert sorted(followed(drives, tracks_of(run(drives, moments(10, 4))))) == [[0], [1]]


@pytest.mark.parametrize(("other_ahead_px", "tracks"), [(25, 3), (400, 2)])
def test_a_lost_vehicle_is_not_found_again_where_another_detection_may_be_it(other_ahead_px: float, tracks: int) -> None:
    tracker, ids = Tracker(), set()
    for number in range(30):
        here = Box(400, 100 + 8 * number, 460, 160 + 8 * number)
        ahead = Box(here.x1, here.y1 + other_ahead_px, here.x2, here.y2 + other_ahead_px)
        boxes = [] if 12 <= number < 16 else [here] if number < 12 else [here, ahead]
        found = [Detection(box=box, vehicle=VehicleClass.MOTORCYCLE, score=0.9) for box in boxes]
        ids |= {track.id for track in tracker.update(number, START + timedelta(seconds=number / 10), found).tracks}
    assert len(ids) == tracks


@pytest.mark.parametrize("lost_s", [0.4, 0.5])
def test_vehicles_that_wait_side_by_side_are_found_again_each_in_its_place(lost_s: float) -> None:
    """Where nothing moves is not searched in every frame, so that all waiting vehicles are lost and found together."""
    gap = (2.0, 2.0 + lost_s)
    waiting = [Drive(line(x, 300, 0, 0, hidden=gap), (90, 70)) for x in (200, 260, 320)]
    arriving = Drive(line(900, 500, -60, -10, begin=1.5), (80, 90), MOTORCYCLE)
    drives = [*waiting, arriving]
    assert sorted(followed(drives, tracks_of(run(drives, moments(10, 5))))) == [[0], [1], [2], [3]]


@pytest.mark.parametrize(
    ("x1", "x2", "follows"),
    [
        pytest.param(255, 345, True, id="the same vehicle, whose wheels something hides"),
        pytest.param(280, 320, False, id="one that is narrower"),
        pytest.param(355, 445, False, id="one beside it"),
    ],
)
def test_a_track_knows_which_one_was_lost_where_it_begins(x1: float, x2: float, follows: bool) -> None:
    tracker = Tracker()
    shown = Detection(box=Box(255, 400, 345, 480), vehicle=CAR, score=0.8)
    cut = replace(shown, box=Box(x1, 401, x2, 430))
    steps = [tracker.update(i, START + timedelta(seconds=i / 2), [shown if i < 10 else cut]) for i in range(13)]
    begun = next(track for track in steps[-1].tracks if track.first.sequence == 10)
    assert (begun.follows == steps[9].tracks[0].last) is follows


def test_two_boxes_of_one_vehicle_make_one_track() -> None:
    way = line(0, 300, 120, 0)
    both = [Drive(way), Drive(lambda s: (120 * s + 3, 302.0), (96, 76), TRUCK, 0.6)]
    assert len(tracks_of(run(both, moments(10, 4)))) == 1


def test_a_person_beside_a_waiting_car_does_not_take_its_track() -> None:
    """A pedestrian detected as motorcycle passes in front of a car while the car is not detected."""
    car = Drive(line(300, 300, 0, 0, hidden=(1.0, 2.0)), (120, 90))
    walker = Drive(line(150, 310, 100, 0), (22, 60), MOTORCYCLE)
    drives = [car, walker]
    assert sorted(followed(drives, tracks_of(run(drives, moments(10, 4))))) == [[0], [1]]


@pytest.mark.parametrize(
    "times",
    [
        pytest.param([0, 0.1, 0.2, 0.9, 1.0, 1.1, 1.8, 1.9], id="frames lost in bursts"),
        pytest.param([0, 0.02, 0.21, 0.23, 0.4, 0.66, 0.67, 0.9, 1.2], id="jitter"),
        pytest.param([0, 0.5, 1.0, 1.04, 1.08, 1.12, 1.6, 2.1], id="a rate that changes"),
        pytest.param([0, 0.5, 0.5, 1.0, 1.0, 1.5], id="two frames of one moment"),
    ],
)
def test_uneven_frames_keep_the_tracks(times: list[float]) -> None:
    assert sorted(followed(SIDE_BY_SIDE, tracks_of(run(SIDE_BY_SIDE, times)))) == [[i] for i in range(5)]


@pytest.mark.parametrize(
    "jump_s, ended",
    [
        pytest.param(MAX_LOST_S - 0.1, 0, id="a short gap ends no track"),
        pytest.param(MAX_LOST_S + 0.1, 2, id="a gap longer than MAX_LOST_S ends all"),
        pytest.param(-0.1, 2, id="time going back ends all"),
        pytest.param(-86400, 2, id="a clock set to another day ends all"),
    ],
)
def test_a_jump_in_time(jump_s: float, ended: int) -> None:
    drives = [Drive(line(100, 100, 0, 0)), Drive(line(400, 100, 0, 0))]
    tracker = Tracker()
    run(drives, moments(10, 1), tracker)
    seen = [d for drive in drives if (d := drive.seen(0))]
    step = tracker.update(11, START + timedelta(seconds=1 + jump_s), seen)
    assert len(step.ended) == ended
    assert len(step.tracks) == 2 - ended
    assert len(tracker.state.tracks) == 2, "what is in that frame begins anew"


def test_a_track_ends_once_after_max_lost_s() -> None:
    steps = run([Drive(line(100, 100, 50, 0, end=1))], moments(10, 5))
    ends = [i / 10 for i, step in enumerate(steps) if step.ended]
    assert ends == [pytest.approx(1 + MAX_LOST_S + 0.1)]
    assert not steps[-1].tracks


@pytest.mark.slow
@pytest.mark.parametrize("fps", [0.6, 1, 5, 25])
def test_a_vehicle_that_stands_for_minutes_does_not_fill_the_memory(fps: float) -> None:
    tracker = Tracker()
    seen = Drive(line(300, 300, 0, 0)).seen(0)
    assert seen
    for i, second in enumerate(moments(fps, 240)):
        step = tracker.update(i, START + timedelta(seconds=second), [seen])
    (track,) = step.tracks
    seconds = [(s.captured_at - START).total_seconds() for s in track.sightings]
    young = [t for t in seconds if t >= 210]
    old = [t for t in seconds if t < 210]
    assert seconds[0] == 0
    assert len(young) == len([t for t in moments(fps, 240) if t >= 210])
    assert len(old) <= 211
    assert max(b - a for a, b in pairwise(seconds)) <= max(1.2, 1.001 / fps)


def trembling(seed: int, fps: float) -> list[tuple[datetime, list[Detection]]]:
    """Vehicles with noisy boxes and scores, missed detections and false ones."""
    random = np.random.default_rng(seed)
    drives = [*SIDE_BY_SIDE, *STOPPED_QUEUE, Drive(line(0, 150, 140, 10))]
    frames = []
    at = 0.0
    while at < 6:
        at += float(random.uniform(0.5, 1.5)) / fps
        seen = []
        for drive in drives:
            detection = drive.seen(at)
            if detection is not None and random.random() < 0.9:
                box = Box(*(edge + float(random.normal(0, 2)) for edge in detection.box))
                seen.append(replace(detection, box=box, score=float(random.uniform(0.1, 0.9))))
        if random.random() < 0.2:
            x, y = (float(v) for v in random.uniform(0, 600, 2))
            seen.append(Detection(box=Box(x, y, x + 40, y + 60), vehicle=MOTORCYCLE, score=0.3))
        frames.append((START + timedelta(seconds=at), seen))
    return frames


@pytest.mark.slow
@settings(deadline=None, max_examples=12)
@given(seed=st.integers(0, 10_000), fps=st.sampled_from([2, 6, 12]))
def test_resuming_from_any_state_gives_the_same_tracks(seed: int, fps: float) -> None:
    frames = trembling(seed, fps)
    tracker, steps, states = Tracker(), [], []
    for i, (at, seen) in enumerate(frames):
        states.append(msgspec.msgpack.encode(tracker.state))
        steps.append(tracker.update(i, at, seen))
    for split, state in enumerate(states):
        resumed = Tracker(msgspec.msgpack.decode(state, type=TrackerState))
        rest = [resumed.update(i, at, seen) for i, (at, seen) in list(enumerate(frames))[split : split + 4]]
        assert rest == steps[split : split + 4]
        assert resumed.state == tracker.state if split + 4 >= len(frames) else True


@settings(deadline=None, max_examples=12)
@given(seed=st.integers(0, 10_000))
def test_tracks_are_in_order_and_share_no_sighting(seed: int) -> None:
    tracker = Tracker()
    for i, (at, seen) in enumerate(trembling(seed, 10)):
        step = tracker.update(i, at, seen)
        for track in (*step.tracks, *step.ended):
            times = [s.captured_at for s in track.sightings]
            assert times == sorted(set(times))
        used = [(s.sequence, s.box) for track in tracker.state.tracks for s in track.sightings]
        assert len(used) == len(set(used))
        assert not {t.id for t in step.tracks} & {t.id for t in step.ended}


def behind(nearer: Drive, drive: Drive, s: float) -> Detection | None:
    """What of a drive's box is visible above a nearer one; nothing if that is less than a quarter."""
    whole, cover = drive.seen(s), nearer.seen(s)
    if (
        whole is None
        or cover is None
        or cover.box.x1 > whole.box.x2 - 20
        or cover.box.x2 < whole.box.x1 + 20
        or cover.box.y2 < whole.box.y2
    ):
        return whole
    box = whole.box._replace(y2=min(whole.box.y2, cover.box.y1))
    return replace(whole, box=box) if box.height > whole.box.height / 4 else None


WAITS = Drive(at=line(320, 400, 0, 0), size=(300, 220))
GOES = Drive(at=line(60, 420, 110, -60), size=(90, 160), vehicle=MOTORCYCLE)


def seen_behind(drives: Sequence[Drive], moments_: Sequence[float]) -> list[Track]:
    tracker = Tracker()
    steps = []
    for number, s in enumerate(moments_):
        seen = [WAITS.seen(s), *(behind(WAITS, drive, s) for drive in drives)]
        steps.append(tracker.update(number, START + timedelta(seconds=s), [each for each in seen if each is not None]))
    return tracks_of(steps)


def test_a_vehicle_that_reappears_above_a_nearer_one_is_the_one_that_went_behind_it():
    assert any(behind(WAITS, GOES, s) is None for s in moments(10, 4)), "it is hidden for some frames"
    assert [len(track.sightings) > 30 for track in seen_behind([GOES], moments(10, 4))] == [True, True]
