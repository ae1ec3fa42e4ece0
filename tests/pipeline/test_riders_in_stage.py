"""Rules about riders in the stage: persons are searched in the pictures of motorcycles that pass the line, and nowhere else."""

from collections.abc import Sequence

import numpy as np
import pytest
from drawn import FINGERPRINT, ColourDetector, driving, frames, process_all, site, stage
from scenario import second

from etle.errors import ConfigError
from etle.testing import FixedHeadReader
from etle.types import Box, Digest, PersonBox, VehicleClass, Violation
from pipeline.assembly import Engines, build_stage, shipped_law
from pipeline.detect import state as states
from pipeline.detect.state import StageState
from pipeline.riders.search import RiderSearch
from pipeline.scene.judgement import Reason

TRIPLE = {"rule": "triple_riding", "line": "henti"}
FRAMES = frames([driving(0, 40, 30, 70)], 70)


class PersonsOnRed:
    """So many persons behind each other on the red rectangle of each crop, which drives downwards."""

    name = "persons-on-red"
    digest = Digest("b" * 64)

    def __init__(self, persons: int) -> None:
        self.crops = 0
        self._persons = persons

    def detect_persons(self, images: Sequence[np.ndarray]) -> Sequence[tuple[PersonBox, ...]]:
        self.crops += len(images)
        return [self._detect(image) for image in images]

    def _detect(self, image: np.ndarray) -> tuple[PersonBox, ...]:
        rows, columns = np.nonzero((image[:, :, 2] > 150) & (image[:, :, 1] < 100))
        x1, y1, x2, y2 = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
        return tuple(PersonBox(box=Box(x1 + n, y1 - 15 + 4 * n, x2 - 2 + n, y2 - 5), score=0.8) for n in range(self._persons))


def found_with(persons: PersonsOnRed, vehicle: VehicleClass = VehicleClass.MOTORCYCLE) -> list[Violation]:
    return process_all(stage(site(TRIPLE), detector=ColourDetector(vehicle), riders=RiderSearch(persons, FixedHeadReader())), FRAMES)


def test_three_persons_are_reported_with_the_moment_at_the_line():
    (found,) = found_with(PersonsOnRed(3))
    assert (found.rule, found.article.offence, found.marks) == ("triple_riding", "TRIPLE", ("lead",))
    assert (found.occurred_at - second(2)).total_seconds() == pytest.approx(0, abs=0.1)


def test_two_persons_are_not():
    persons = PersonsOnRed(2)
    made = stage(site(TRIPLE), detector=ColourDetector(VehicleClass.MOTORCYCLE), riders=RiderSearch(persons, FixedHeadReader()))
    assert process_all(made, FRAMES) == [] and 3 <= persons.crops <= 6
    assert {reason for _, reason, _ in made.state.visibility.vehicles} == {Reason.RIDERS_ALLOWED}


def test_other_vehicles_cost_nothing():
    persons = PersonsOnRed(3)
    assert found_with(persons, VehicleClass.CAR) == [] and persons.crops == 0


def test_runs_that_repeat_the_rules_only_decide_nothing():
    assert process_all(stage(site(TRIPLE), detector=ColourDetector(VehicleClass.MOTORCYCLE)), FRAMES) == []


@pytest.mark.parametrize("cut", [15, 30])
def test_a_stage_that_resumes_decides_the_same(cut):
    undisturbed = found_with(PersonsOnRed(3))
    made = {"detector": ColourDetector(VehicleClass.MOTORCYCLE), "riders": RiderSearch(PersonsOnRed(3), FixedHeadReader())}
    first = stage(site(TRIPLE), **made)
    done = [message.violation for frame in FRAMES[:cut] for message in first.process(frame)]
    resumed = stage(site(TRIPLE), states.decode(states.encode(first.state), FINGERPRINT), **made)
    for frame in FRAMES[first.needed_from : cut]:
        resumed.refill(frame)
    assert done + process_all(resumed, FRAMES[cut:]) == undisturbed


def test_a_stage_without_a_person_detector_does_not_start():
    watched = site(TRIPLE)
    engines = Engines(detector=ColourDetector(), plate_detector=None, readers=(), tiebreaker=None, lamps=None)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="rule about riders"):
        build_stage(watched, watched.cameras[0], engines, shipped_law(), StageState(fingerprint=FINGERPRINT, run="r"))
