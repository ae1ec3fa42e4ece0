"""What a rule finds on the sightings that show a vehicle's foot counts for the whole track."""

from dataclasses import replace

import pytest
from scenario import camera, second, sighting

from etle.types import Box, Finding, RuleName, Track, TrackId, VehicleClass
from pipeline.scene.calibration import calibrate
from pipeline.scene.completed_foot import HiddenFootCompletion
from pipeline.scene.hidden_foot import judged_by_visible_feet
from pipeline.scene.judgement import Judgement, NotReported, Reason
from pipeline.scene.scene import Scene

TRACK = Track(id=TrackId("farther"), sightings=tuple(sighting(n / 10, 40 + n) for n in range(10)))
NEARER = Track(
    id=TrackId("nearer"),
    sightings=tuple(replace(each, box=Box(each.box.x1, each.box.y1 + 10, each.box.x2, each.box.y2 + 10)) for each in TRACK.sightings[:4]),
)


def judge(track: Track) -> Judgement:
    """Finds something only where no foot is hidden."""
    rule = RuleName("red_light")
    if track.id == TRACK.id and track.first.sequence >= len(NEARER.sightings):
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
    everyone = (TRACK, NEARER)
    if with_completed_feet:
        scene = Scene(now=second(0.9), tracks=everyone, ended=(), signals={})
        judged = HiddenFootCompletion(calibrate(camera())).judged(judge, [TRACK], scene)
    else:
        judged = judged_by_visible_feet(judge, [TRACK], everyone)
    assert [each.finding.first_sequence for each in judged if each.finding is not None] == [0]
