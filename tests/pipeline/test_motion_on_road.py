"""Whether a vehicle stands, and which part of a track is one vehicle, by the feet on the road."""

import random
from dataclasses import replace

import pytest
from scenario import camera, drive, second, track

from pipeline.scene.calibration import calibrate
from pipeline.scene.scene import stood_for_s
from pipeline.scene.vehicle_motion import of_one_vehicle


def stood(rows, noise_m: float, seed: int) -> float:
    draws = random.Random(seed)
    return stood_for_s(track([(at, metre + draws.gauss(0, noise_m)) for at, metre in rows]), calibrate(camera()))


@pytest.mark.parametrize("noise_m", [0.0, 0.05, 0.1])
def test_a_vehicle_that_stopped_has_stood_since(noise_m):
    for seed in range(5):
        assert stood(drive((2.0, 40, 51), (3.0, 51, 51)), noise_m, seed) == pytest.approx(3.0, abs=0.35)


@pytest.mark.parametrize("off_m", [0.7, -0.9])
@pytest.mark.parametrize("feet", [1, 2])
def test_a_detectors_error_of_a_moment_does_not_end_a_stand(off_m, feet):
    rows = drive((2.0, 40, 51), (4.0, 51, 51))
    wrong = [(at, metre + (off_m if 4.0 < at < 4.0 + 0.1 * feet + 0.05 else 0.0)) for at, metre in rows]
    assert stood(wrong, 0.05, seed=1) == pytest.approx(4.0, abs=0.35)


@pytest.mark.parametrize(("off_m", "lasting_s"), [(0.8, 0.6), (1.5, 0.3)])
def test_a_vehicle_that_moved_there_and_back_has_stood_since(off_m, lasting_s):
    rows = drive((2.0, 40, 51), (4.0, 51, 51))
    moved = [(at, metre + (off_m if 4.0 < at < 4.0 + lasting_s else 0.0)) for at, metre in rows]
    assert stood(moved, 0.0, seed=1) <= 2.0


@pytest.mark.parametrize("speed", [0.7, 1.0, 1.5])
def test_a_walker_never_stands_for_long(speed):
    for seed in range(10):
        assert stood(drive((4.0, 48, 48 + 4 * speed)), 0.15, seed) < 1.5


@pytest.mark.parametrize("speed", [0.03, 0.09, 0.2])
def test_a_queue_that_creeps_has_not_stood_for_long_however_long_it_creeps(speed):
    """The allowed displacement is half a metre, however long ago."""
    for seed in range(3):
        assert stood(drive((60.0, 50, 50 + 60 * speed)), 0.05, seed) <= 1.3 * 0.5 / speed


def test_a_vehicle_that_stands_for_minutes_has_stood_for_all_of_them():
    assert stood(drive((2.0, 40, 51), (300.0, 51, 51)), 0.1, seed=1) == pytest.approx(300, abs=0.5)


@pytest.mark.parametrize(("jump_m", "kept"), [(0.5, 30), (9.0, 20)])
def test_the_evidence_of_a_track_that_continued_with_another_vehicle_begins_with_it(jump_m, kept):
    before = [(0.1 * n, 30.0) for n in range(10)]
    after = [(1.4 + 0.1 * n, 30.0 + jump_m + 0.15 * n) for n in range(20)]
    whole = track(before + after)
    assert len(of_one_vehicle(whole, calibrate(camera()), second(2.5)).sightings) == kept
    assert len(of_one_vehicle(whole, calibrate(camera()), second(0.5)).sightings) == (30 if kept == 30 else 10)


@pytest.mark.parametrize(("cut", "kept"), [(0.2, 30), (0.5, 20)])
def test_the_evidence_of_a_track_that_took_a_half_hidden_vehicle_in_the_same_place_begins_with_it(cut, kept):
    whole = track([(0.2 * n, 30.0 + 0.1 * n) for n in range(30)])
    taken = (replace(each, box=each.box._replace(y1=each.box.y1 + cut * each.box.height)) for each in whole.sightings[10:])
    whole = replace(whole, sightings=(*whole.sightings[:10], *taken))
    assert len(of_one_vehicle(whole, calibrate(camera()), second(4.0)).sightings) == kept


@pytest.mark.parametrize("frames", [1, 2])
def test_a_box_that_lacks_its_upper_part_for_a_moment_is_still_the_vehicle(frames):
    whole = track([(0.2 * n, 30.0 + 0.1 * n) for n in range(30)])
    sightings = list(whole.sightings)
    for index in range(10, 10 + frames):
        box = sightings[index].box
        sightings[index] = replace(sightings[index], box=box._replace(y1=box.y1 + 0.5 * box.height))
    whole = replace(whole, sightings=tuple(sightings))
    assert len(of_one_vehicle(whole, calibrate(camera()), second(4.0)).sightings) == 30


@pytest.mark.parametrize(("off_px", "hidden_s", "kept"), [(2, 1.7, 60), (20, 1.7, 40)])
def test_the_evidence_of_a_track_that_continued_with_a_vehicle_that_stands_beside_begins_with_it(off_px, hidden_s, kept):
    stood = track([(0.1 * n, 45.0) for n in range(20)])
    stands = track([(1.9 + hidden_s + 0.1 * n, 45.0 + max(0.0, 0.5 * (n - 25))) for n in range(40)], x=250 + off_px)
    whole = replace(stood, sightings=(*stood.sightings, *stands.sightings))
    assert len(of_one_vehicle(whole, calibrate(camera()), second(6.5)).sightings) == kept


@pytest.mark.parametrize(("jump_m", "kept"), [(0.3, 60), (10.0, 30)])
def test_the_evidence_of_a_track_that_took_another_vehicle_from_one_frame_to_the_next_begins_with_it(jump_m, kept):
    waits = [(0.2 * n, 30.0) for n in range(30)]
    drives = [(6.0 + 0.2 * n, 30.0 + jump_m + 0.04 * n**2) for n in range(30)]
    whole = track(waits + drives)
    assert len(of_one_vehicle(whole, calibrate(camera()), second(8.0)).sightings) == kept


@pytest.mark.parametrize(("seen_again", "kept"), [(1, 20), (4, 24)])
def test_a_single_sighting_after_a_time_without_detection_is_no_evidence(seen_again, kept):
    """Of two motorcycles that meet, one may take the other's place once, with the largest box of all."""
    drives = [(0.1 * n, 30.0 + 0.8 * n) for n in range(20)]
    again = [(2.2 + 0.1 * n, 47.6 + 0.8 * n) for n in range(seen_again)]
    whole = track(drives + again)
    assert len(of_one_vehicle(whole, calibrate(camera()), second(1.0)).sightings) == kept
