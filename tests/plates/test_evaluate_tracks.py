"""CPU time of the plate search over a track whose frames repeat one photo."""

import pytest
from evaluation import PHOTOS, evaluated_engines, found, no_progress, outcomes, read, row, write_table

from etle.testing import ScriptedDetector
from etle.testing.values import BEGIN
from etle.types import Box, Detection, VehicleClass
from pipeline.evaluation.peers import sample
from pipeline.evaluation.tracks import track_cost
from pipeline.plates.search import PlateSearch

PLATE = (80, 60, 110, 70)
CAR, LORRY = (45, 10, 145, 95), (5, 2, 195, 98)
ELSEWHERE = (0, 0, 40, 40)


def vehicles(*boxes):
    return tuple(Detection(box=Box(*box), vehicle=VehicleClass.CAR, score=0.9) for box in boxes)


@pytest.fixture
def plate_of_one(tmp_path):
    """The sampled plates and the search for them."""
    write_table(tmp_path, PHOTOS, [row("a.png", "B1A", PLATE)])
    finds, reads = {"a.png": found(PLATE)}, [read("B1A")]
    engines = evaluated_engines(tmp_path, finds, reads)
    return sample(outcomes(tmp_path, finds, reads), 5).given, PlateSearch(engines.plate_detector, engines.readers, 4)


def test_a_plate_is_searched_and_read_in_several_frames(plate_of_one):
    cases, search = plate_of_one
    cost = track_cost(cases, ScriptedDetector([vehicles(LORRY, CAR, ELSEWHERE)]), search, BEGIN, no_progress)
    assert cost.vehicles == 1
    assert cost.frames >= 2
    assert cost.cpu_ms > cost.models_cpu_ms > 0


@pytest.mark.parametrize("seen", [(), (ELSEWHERE,)], ids=["no vehicle", "a vehicle elsewhere"])
def test_a_plate_without_its_vehicle_has_no_track(plate_of_one, seen):
    cases, search = plate_of_one
    assert track_cost(cases, ScriptedDetector([vehicles(*seen)]), search, BEGIN, no_progress) is None
