"""What a rule finds on the sightings that show a vehicle's foot counts for the whole track."""

from dataclasses import replace

import pytest
from scenario import camera, second, sighting

from etle.types import Finding, RuleName, Track, TrackId, VehicleClass
from pipeline.scene.calibration import calibrate
from pipeline.scene.completed_foot import HiddenFootCompletion
from pipeline.scene.hidden_foot import judged_by_visible_feet
from pipeline.scene.judgement import Judgement, NotReported, Reason
from pipeline.scene.scene import LineOnRoad

HIDDEN = 4
"""Sightings at the beginning of the track."""
TRACK = Track(id=TrackId("farther"), sightings=tuple(replace(sighting(n / 10, 40 + n), foot_hidden=n < HIDDEN) for n in range(10)))


def judge(track: Track) -> Judgement:
    """Finds something only where no foot is hidden."""
    rule = RuleName("red_light")
    if track.first.sequence >= HIDDEN:
        finding = Finding(
            rule=rule,
            track=track.id,
            first_sequence=track.first.sequence,
            vehicle=VehicleClass.CAR,
            occurred_at=second(0.9),
            measured=(),
        )
        return Judgement(rule=rule, track=track.id, outcome=finding)
    return Judgement(rule=rule, track=track.id, outcome=NotReported(reason=Reason.NOT_ONE_VEHICLE))


@pytest.mark.parametrize("with_completed_feet", [False, True])
def test_a_finding_on_the_visible_feet_names_the_first_frame_of_the_track(with_completed_feet: bool) -> None:
    if with_completed_feet:
        calibration = calibrate(camera())
        judged = HiddenFootCompletion(calibration, LineOnRoad.of(camera().lines[0], calibration)).judged(judge, [TRACK], second(0.9))
    else:
        judged = judged_by_visible_feet(judge, [TRACK])
    assert [each.finding.first_sequence for each in judged if each.finding is not None] == [0]
