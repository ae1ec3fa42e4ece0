"""What the rules remember of a track changes nothing: in every frame they decide as if they saw the track for the first time."""

from collections.abc import Iterator
from dataclasses import replace
from random import Random

import pytest

from benchmark.situations.road import RoadCamera
from etle.types import Box, Sighting, Track, TrackId, VehicleClass, View
from pipeline.scene.calibration import calibrate
from pipeline.scene.completed_foot import CompletedTrack, HiddenFootCompletion
from pipeline.scene.passage import FrontOffset, Passage, PassageMemory
from pipeline.scene.scene import LineOnRoad
from pipeline.scene.sighting_memory import SightingMemory
from pipeline.scene.vehicle_length import FrontOffsetMemory
from tests.pipeline.scenario import second

CAMERA = RoadCamera(View.REAR)
SETTINGS = CAMERA.settings([])
CALIBRATION = calibrate(SETTINGS)
LINE = LineOnRoad.of(SETTINGS.lines[0], CALIBRATION)


def growing_track(seed: int) -> Iterator[Track]:
    """The track of a vehicle that drives, waits before or beyond the line, and drives on, in each frame; older sightings are thinned."""
    rng = Random(seed)
    s, sightings = rng.uniform(30, 46), []
    waits_at, waits_s = rng.uniform(44, 55), rng.choice((0.0, 3.0, 8.0))
    fps, noise_px = rng.choice((4, 10, 25)), rng.choice((0.0, 1.0, 3.0))
    vehicle = rng.choice(list(VehicleClass))
    for number in range(round(14 * fps)):
        if s < waits_at or number / fps > waits_s + 3:
            s += rng.uniform(4, 9) / fps
        box = CAMERA.box(s, 0.0, (4.3, 1.75, 1.5))
        if rng.random() < 0.05:
            vehicle = rng.choice(list(VehicleClass))
        drawn = Box(*(edge + rng.gauss(0, noise_px) for edge in box))
        sightings.append(Sighting(sequence=number, captured_at=second(number / fps), box=drawn, vehicle=vehicle, score=0.8))
        if len(sightings) > 30 and rng.random() < 0.2:
            del sightings[rng.randrange(1, len(sightings) - 20)]
        yield Track(id=TrackId("t"), sightings=tuple(sightings))


@pytest.mark.parametrize("seed", range(12))
def test_a_passage_is_the_same_as_without_memory(seed):
    memory, front = PassageMemory(LINE.past, CALIBRATION.foot_uncertainty), FrontOffset(3.4, 4.4, 5.4)
    for track in growing_track(seed):
        remembered = memory.passage_of(track, front)
        fresh = PassageMemory(LINE.past, CALIBRATION.foot_uncertainty).passage_of(track, front)
        if isinstance(remembered, Passage) and isinstance(fresh, Passage):
            assert remembered.at == fresh.at
        else:
            assert remembered == fresh


def with_hidden_foot(track: Track, completion: HiddenFootCompletion) -> tuple[Track, Track, CompletedTrack | None]:
    """The track as it is drawn, where a nearer vehicle hides the lower third from the sixth to the eleventh second; without the hidden
    feet; and with them completed."""
    is_hidden = [second(6) <= each.captured_at < second(11) for each in track.sightings]
    drawn = tuple(
        replace(each, box=each.box._replace(y2=each.box.y2 - each.box.height / 3), foot_hidden=True) if hidden else each
        for each, hidden in zip(track.sightings, is_hidden, strict=True)
    )
    shown = replace(track, sightings=tuple(each for each, hidden in zip(drawn, is_hidden, strict=True) if not hidden))
    whole = replace(track, sightings=drawn)
    return whole, shown, completion.completed(whole)


def test_drawn_and_completed_feet_of_one_track_are_not_mixed():
    crossed = []
    for seed in range(8):
        memory, fronts = PassageMemory(LINE.past, CALIBRATION.foot_uncertainty), FrontOffsetMemory(CALIBRATION)
        completion = HiddenFootCompletion(CALIBRATION, LINE)
        for track in [each for whole in [*growing_track(seed)][::7] for each in with_hidden_foot(whole, completion) if each is not None]:
            fresh, front = PassageMemory(LINE.past, CALIBRATION.foot_uncertainty), FrontOffsetMemory(CALIBRATION)
            assert fronts.of(track) == front.of(track)
            remembered, expected = (each.passage_of(track, front.least(track), front.of) for each in (memory, fresh))
            if isinstance(remembered, Passage) and isinstance(expected, Passage):
                assert remembered.at == expected.at
                crossed.append(track)
            else:
                assert remembered == expected
    assert any(isinstance(track, CompletedTrack) for track in crossed)


def test_completed_feet_are_the_same_as_without_memory():
    completion = HiddenFootCompletion(CALIBRATION, LINE)
    made = []
    for whole in [*growing_track(4)][::3]:
        *_, completed = with_hidden_foot(whole, completion)
        *_, fresh = with_hidden_foot(whole, HiddenFootCompletion(CALIBRATION, LINE))
        assert completed == fresh
        made.append(completed)
    assert any(made)


@pytest.mark.parametrize("seed", range(12))
def test_where_the_front_is_is_the_same_as_without_memory(seed):
    memory = FrontOffsetMemory(CALIBRATION)
    for track in growing_track(seed):
        assert memory.of(track) == FrontOffsetMemory(CALIBRATION).of(track)
        assert memory.of(track)[:2] == memory.least(track)[:2]


@pytest.mark.parametrize("seed", range(3))
def test_a_value_is_that_of_its_sighting(seed):
    memory = SightingMemory(lambda sighting: sighting.sequence)
    for track in growing_track(seed):
        assert list(memory.of(track)) == [sighting.sequence for sighting in track.sightings]
