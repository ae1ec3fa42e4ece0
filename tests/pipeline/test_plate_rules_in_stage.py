"""A rule that decides by the plate, in the stage: the candidate waits, its plate is searched once, and the rule decides."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import pytest
from drawn import FINGERPRINT, RED_LIGHT, driving, frames, process_all, site, stage
from scenario import second

from etle.testing.values import a_plate
from etle.types import Plate, PlateColour, Track, Violation
from pipeline.detect import state as states
from pipeline.frames.buffer import FrameBuffer
from pipeline.plates.search import SearchedPlate
from pipeline.scene.judgement import Reason

ODD_EVEN = {"rule": "odd_even", "line": "henti", "electric_exempt": False}
NUMBER_RANGE = {"rule": "number_range", "line": "henti"}
"""The day of the scenario is Monday, 23 November: even numbers may not drive."""
FRAMES = frames([driving(0, 40, 30, 70)], 70)


@dataclass
class KnownPlates:
    """Every vehicle has this plate, read alike in two frames."""

    text: str
    colour: PlateColour = PlateColour.WHITE
    reads_plates: bool = True
    searched: list[datetime] = field(default_factory=list)

    def search(self, track: Track, others: Sequence[Track], buffer: FrameBuffer, at: datetime, min_frames: int = 1) -> SearchedPlate:
        self.searched.append(at)
        return SearchedPlate(plate=self._plate(track), views=())

    def _plate(self, track: Track) -> Plate:
        made = a_plate(self.text)
        reads = tuple(replace(made.sightings[0], sequence=each.sequence) for each in track.sightings[-2:])
        return replace(made, colour=self.colour, sightings=reads)


def found_with(plates: KnownPlates, *rules: dict[str, object]) -> list[Violation]:
    return process_all(stage(site(*rules), plates=plates), FRAMES)


def test_the_rule_decides_when_the_plate_is_known():
    plates = KnownPlates("B1432GMC")
    (found,) = found_with(plates, ODD_EVEN)
    assert (found.rule, found.plate.text, found.article.offence) == ("odd_even", "B1432GMC", "SIGN/MARK")
    assert dict(found.facts)["day"] == "2026-11-23"
    assert [each.value for each in found.measured] == [2, 23]
    assert (found.occurred_at - second(2)).total_seconds() == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize(("text", "colour"), [("B1433GMC", PlateColour.WHITE), ("B1432GMC", PlateColour.YELLOW)])
def test_a_vehicle_that_may_drive_is_no_violation(text, colour):
    made = stage(site(ODD_EVEN), plates=KnownPlates(text, colour))
    assert process_all(made, FRAMES) == []
    reasons = {reason for _, reason, _ in made.state.visibility.vehicles}
    assert reasons == {Reason.DAY_ALLOWED if colour is PlateColour.WHITE else Reason.EXEMPT}
    assert made.state.found == ()


def test_it_is_an_offence_beside_others_of_the_same_moment():
    plates = KnownPlates("B1432GMC")
    found = found_with(plates, RED_LIGHT, ODD_EVEN, NUMBER_RANGE)
    assert sorted(each.rule for each in found) == ["odd_even", "red_light"]
    assert len({each.id for each in found}) == 2


def test_rules_of_one_moment_and_as_many_frames_share_a_search():
    plates = KnownPlates("B1432GMC")
    found_with(plates, ODD_EVEN, NUMBER_RANGE)
    assert len(plates.searched) == 1


def test_where_no_plates_are_read_no_rule_decides_on_them():
    plates = KnownPlates("B1432GMC", reads_plates=False)
    assert found_with(plates, ODD_EVEN) == [] and plates.searched == []


@pytest.mark.parametrize("cut", [15, 21, 30, 36])
def test_a_stage_that_resumes_decides_the_same(cut):
    undisturbed = found_with(KnownPlates("B1432GMC"), ODD_EVEN)
    first = stage(site(ODD_EVEN), plates=KnownPlates("B1432GMC"))
    done = [message.violation for frame in FRAMES[:cut] for message in first.process(frame)]
    resumed = stage(site(ODD_EVEN), states.decode(states.encode(first.state), FINGERPRINT), plates=KnownPlates("B1432GMC"))
    for frame in FRAMES[first.needed_from : cut]:
        resumed.refill(frame)
    assert done + process_all(resumed, FRAMES[cut:]) == undisturbed


def test_the_decision_is_told():
    made = stage(site(ODD_EVEN), plates=KnownPlates("B1433GMC"))
    decided = []
    for frame in FRAMES:
        made.process(frame)
        decided += made.decided_by_plate
    assert [(entry, judgement.reason) for entry, judgement in decided] == [(0, Reason.DAY_ALLOWED)]
