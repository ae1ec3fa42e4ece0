"""An offence that lasts: its picture `before` is from the beginning, whatever the length of the frame buffer."""

import pytest
from drawn import FINGERPRINT, driving, frames, process_all, site, stage
from scenario import second

from etle.config.site import Site
from etle.types import EvidenceRole, Sighting, TrackId
from pipeline.detect import state as states
from pipeline.detect.held import EVERY_S, KEPT_S, HeldSightings
from pipeline.scene.judgement import Judgement, NotReported, Reason

STOPPING = {"rule": "stopping", "zones": ["bahu"], "limit_s": 10}
STANDS = {**driving(0, 20, 40, 60), **{number: 60.0 for number in range(20, 160)}}
FRAMES = frames([STANDS], 160)


def with_zone() -> Site:
    watched = Site.model_validate(site().model_dump())
    camera = watched.cameras[0].model_dump() | {
        "zones": [{"id": "bahu", "polygon": [[50, 200], [130, 200], [130, 400], [50, 400]]}],
        "rules": [STOPPING],
    }
    return Site.model_validate({**watched.model_dump(), "cameras": [camera]})


@pytest.fixture(scope="module")
def undisturbed():
    return process_all(stage(with_zone()), FRAMES)


def test_the_picture_before_shows_the_beginning_of_the_stand(undisturbed):
    (found,) = undisturbed
    shown = {picture.role: picture.captured_at for picture in found.pictures}
    assert (shown[EvidenceRole.BEFORE] - second(4)).total_seconds() == pytest.approx(0, abs=1.5)
    assert (shown[EvidenceRole.AT] - shown[EvidenceRole.BEFORE]).total_seconds() > 7  # five seconds of frames are in the buffer


@pytest.mark.parametrize("cut", [60, 110, 130])
def test_a_stage_that_resumes_has_the_same_pictures(cut, undisturbed):
    first = stage(with_zone())
    done = [message.violation for frame in FRAMES[:cut] for message in first.process(frame)]
    needed = first.needed_from
    second_stage = stage(with_zone(), states.decode(states.encode(first.state), FINGERPRINT))
    for frame in FRAMES[needed:cut]:
        second_stage.refill(frame)
    assert done + process_all(second_stage, FRAMES[cut:]) == undisturbed


def test_a_vehicle_that_drives_on_holds_no_frames():
    made = stage(with_zone())
    process_all(made, frames([{**driving(0, 20, 40, 60), **{n: 60.0 for n in range(20, 60)}, **driving(60, 80, 60, 90)}], 80))
    assert made.state.held.sequences == frozenset()


def test_frames_are_held_every_half_minute_for_a_limited_time():
    held, began_at = HeldSightings(), second(0)
    judgement = Judgement(rule=STOPPING["rule"], track=TrackId("t"), outcome=NotReported(reason=Reason.NOT_STOOD), began_at=began_at)
    from scenario import track

    for now in range(2, 600):
        held = held.with_judgements([(0, judgement)], {TrackId("t"): track([(0, 50), (now, 50)])}, second(now))
    ages = [(second(599) - each.sighting.captured_at).total_seconds() for each in held.held]
    assert max(ages) <= KEPT_S and len(ages) == KEPT_S / EVERY_S
    assert isinstance(held.first(0, TrackId("t")), Sighting) and held.first(1, TrackId("t")) is None
