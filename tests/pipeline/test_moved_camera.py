"""A camera that moved: its rules pause, say why, and go on when it is turned back or its lines are drawn again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import cv2
import numpy as np
import pytest
from drawn import RED_LIGHT, driving, frames, process_all, site, stage

from etle.types import Finding, RuleName, TrackId, VehicleClass
from pipeline.detect.pending import PendingFindings
from pipeline.detect.view_check import CHECK_EVERY_S, ViewFault, check_view, is_elsewhere, view_of
from pipeline.detect.visibility_report import limitations
from pipeline.scene.judgement import AwaitsPlate, Judgement, Reason

BEGIN = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
RUNNER = driving(5, 45, 40, 60)


def view(dx=0, dy=0, *, seed=1):
    """A street of boxes and lines, seen from a camera that was turned by so many pixels of 1280."""
    draws = np.random.default_rng(seed)
    image = np.full((920, 1480, 3), 90, np.uint8)
    for _ in range(80):
        x, y, width, height = draws.integers((0, 0, 20, 20), (1400, 860, 200, 140))
        cv2.rectangle(image, (int(x), int(y)), (int(x + width), int(y + height)), [int(value) for value in draws.integers(40, 220, 3)], -1)
    return np.ascontiguousarray(image[100 + dy : 820 + dy, 100 + dx : 1380 + dx])


def checked(*images):
    """The state after one check of each."""
    state, at = None, BEGIN
    for image in images:
        result = check_view(image, at, state)
        assert result is not None
        state, at = result[1], at + timedelta(seconds=CHECK_EVERY_S)
    return state


FOG = np.full((720, 1280, 3), 128, np.uint8)


@pytest.mark.parametrize(
    ("images", "pauses"),
    [
        pytest.param([view(), view(3)], False, id="shakes in the wind"),
        pytest.param([view(), view(60)], False, id="seen moved once: not yet"),
        pytest.param([view(), view(60), view(60)], True, id="moved sideways"),
        pytest.param([view(), view(0, 45), view(0, 45)], True, id="moved down"),
        pytest.param([view(), view(60), FOG, view(60)], True, id="moved; fog in between tells nothing"),
        pytest.param([view(), view(60), view(60), FOG, FOG], True, id="moved, then fog: still paused"),
        pytest.param([view(), view(60), view(60), view()], False, id="moved and turned back"),
        pytest.param([view(), FOG, FOG, FOG], False, id="fog alone"),
    ],
)
def test_when_the_rules_pause(images, pauses):
    assert checked(*images).looks_elsewhere is pauses


def test_the_reference_picture_is_what_the_view_is_compared_with():
    reference = view_of(cv2.imencode(".jpg", view())[1].tobytes())
    assert check_view(view(2), BEGIN, reference)[0] == frozenset()
    assert check_view(view(70), BEGIN, reference)[0] == {ViewFault.MOVED}
    assert is_elsewhere(view(70), reference)
    assert not is_elsewhere(view(2), reference)
    assert not is_elsewhere(FOG, reference)
    assert not is_elsewhere(view(70), None)


def test_a_finding_before_the_next_check_accuses_nobody_either():
    """The camera moves right after a check; the vehicle is found seconds later."""
    seen = stage(site(RED_LIGHT))
    process_all(seen, frames([], 1))
    height, structure = seen.state.view.height, cv2.cvtColor(cv2.resize(view(), (160, seen.state.view.height)), cv2.COLOR_BGR2GRAY)
    at = frames([], 1)[0].captured_at
    state = replace(seen.state.view, reference=structure.tobytes(), height=height, checked_at=at)
    turned = cv2.resize(view(90), (160, height))
    assert is_elsewhere(turned, state)
    assert not state.looks_elsewhere
    assert not is_elsewhere(cv2.resize(view(), (160, height)), state)


def test_a_finding_while_the_camera_looks_elsewhere_accuses_nobody_and_says_why():
    made = stage(site(RED_LIGHT))
    process_all(made, frames([], 1))
    reference = made.state.view
    moved = stage(site(RED_LIGHT))
    moved._state = replace(moved.state, view=replace(reference, moved=2, checked_at=BEGIN + timedelta(hours=1)))
    assert process_all(moved, frames([RUNNER], 60)) == []
    assert moved.state.visibility.vehicles == (("red_light", Reason.VIEW_MOVED, 1),)
    (sentence,) = limitations("simpang", moved.state.visibility, {}, timezone="Asia/Jakarta")
    assert "1 of 1 vehicles that met the line or lane of red_light could not be judged (1 the camera had moved)" in sentence


@pytest.mark.parametrize("dx", [0, 60])
def test_a_vehicle_whose_plate_decides_is_no_candidate_in_the_seconds_after_the_camera_moved(dx):
    """The view was checked before the camera moved, and the next check is to come."""
    made = stage(site({"rule": "odd_even", "line": "henti"}))
    made._state = replace(made.state, view=checked(view()))
    passage = Finding(
        rule=RuleName("odd_even"), track=TrackId("t"), first_sequence=0, vehicle=VehicleClass.CAR, occurred_at=BEGIN, measured=()
    )
    judged = ((0, Judgement(rule=passage.rule, track=passage.track, outcome=AwaitsPlate(passage=passage))),)
    ((_, decided),) = made._without_findings_elsewhere(judged, view(dx), PendingFindings())
    assert decided.reason is (Reason.VIEW_MOVED if dx else Reason.PLATE_AWAITED)
