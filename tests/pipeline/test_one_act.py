"""One act of a driver is one case, whichever rules see it, and however often the stage is stopped and started."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from drawn import FINGERPRINT, RED_LIGHT, STOP_LINE, Path, driving, frames, process_all, site, stage
from scenario import second, track

from etle.config.site import Site
from etle.types import Finding, RuleName, TrackId, VehicleClass, Violation
from pipeline.detect import state as states
from pipeline.detect.pending import PendingFindings
from pipeline.scene.judgement import Reason

OVER = {**driving(0, 16, 40, 49.6), **driving(16, 24, 49.6, 52)}
"""Over the stop line on red, braking to a stand 2 m beyond it in the 24th frame."""


def stops_then_runs(frames_stood: int) -> Path:
    end = 24 + frames_stood
    starts = {end + n: 52 + (n / 10) ** 2 for n in range(40)}  # with 2 m/s2
    return {**OVER, **dict.fromkeys(range(24, end), 52.0), **starts}


def watched(*rules: dict[str, object], zones: Sequence[str] = ()) -> Site:
    made = Site.model_validate(site().model_dump())
    corners = [[50, 200], [130, 200], [130, 400], [50, 400]]
    camera = made.cameras[0].model_dump() | {"zones": [{"id": name, "polygon": corners} for name in zones], "rules": list(rules)}
    return Site.model_validate({**made.model_dump(), "cameras": [camera]})


@pytest.mark.parametrize("rules", [(RED_LIGHT, STOP_LINE), (STOP_LINE, RED_LIGHT)])
@pytest.mark.parametrize(
    ("stood", "rule"), [*((frames_stood, "red_light") for frames_stood in (5, 15, 22, 25, 30, 40, 60, 150)), (250, "stop_line")]
)
def test_who_stops_beyond_the_line_and_then_runs_the_red_gives_one_case(rules, stood, rule):
    """The stop waits for twenty seconds whether the red is run."""
    (found,) = process_all(stage(site(*rules)), frames([stops_then_runs(stood)], 24 + stood + 45))
    assert found.rule == rule


@pytest.mark.parametrize("at_line", [20, 60])
@pytest.mark.parametrize("stood", [0, 30])
@pytest.mark.parametrize("rules", [(RED_LIGHT, STOP_LINE), (STOP_LINE, RED_LIGHT)])
def test_who_stands_at_the_line_and_then_runs_the_red_crossed_it_when_he_drove_on(at_line, stood, rules):
    """He may be a little beyond it, or a little before it."""
    leaves = 16 + at_line
    stops, starts = leaves + 12, leaves + 12 + stood
    path = {
        **driving(0, 16, 40, 50.1),
        **dict.fromkeys(range(16, leaves), 50.1),
        **driving(leaves, stops, 50.1, 52.5),
        **dict.fromkeys(range(stops, starts), 52.5),
        **{starts + n: 52.5 + (n / 10) ** 2 for n in range(40)},
    }
    (found,) = process_all(stage(site(*rules)), frames([path], starts + 45))
    assert leaves / 10 - 0.3 <= (found.occurred_at - second(0)).total_seconds() <= stops / 10


@pytest.mark.parametrize("stood", [22, 30, 40])
def test_stopped_and_started_anywhere_it_is_the_same_case(stood):
    shown = frames([stops_then_runs(stood)], 24 + stood + 45)
    undisturbed = process_all(stage(site(RED_LIGHT, STOP_LINE)), shown)
    for cut in range(20, len(shown), 6):
        assert resumed(site(RED_LIGHT, STOP_LINE), shown, cut) == undisturbed


def resumed(made: Site, shown, cut: int) -> list[Violation]:
    first = stage(made)
    done = [message.violation for frame in shown[:cut] for message in first.process(frame)]
    second_stage = stage(made, states.decode(states.encode(first.state), FINGERPRINT))
    for frame in shown[first.needed_from : cut]:
        second_stage.refill(frame)
    return done + process_all(second_stage, shown[cut:])


STOPPING = {"rule": "stopping", "zones": ["bahu"], "limit_s": 6}
PARKING = {"rule": "parking", "zones": ["bahu"], "limit_s": 12}
PARKS = {**driving(0, 20, 40, 60), **dict.fromkeys(range(20, 400), 60.0)}


def test_who_stands_where_stopping_and_parking_are_forbidden_gives_one_case():
    (found,) = process_all(stage(watched(STOPPING, PARKING, zones=["bahu"])), frames([PARKS], 260))
    assert found.rule == "stopping"


def found(rule: str, at_s: float, *, by: str = "t", began_s: float | None = None) -> Finding:
    return Finding(
        rule=RuleName(rule),
        track=TrackId(by),
        first_sequence=0,
        vehicle=VehicleClass.CAR,
        occurred_at=second(at_s),
        measured=(),
        began_at=None if began_s is None else second(began_s),
    )


PASSING = track([(n / 10, 40 + n / 2) for n in range(60)])


@pytest.mark.parametrize(
    ("one", "two", "cases"),
    [
        pytest.param(found("stop_line", 2.0), found("red_light", 2.0), 1, id="the same crossing"),
        pytest.param(found("stop_line", 2.0), found("red_light", 2.9), 1, id="measured anew after the vehicle was taken for a bus"),
        pytest.param(found("stop_line", 2.0), found("red_light", 9.0), 2, id="at another line, seconds later"),
        pytest.param(found("stopping", 60, began_s=0), found("parking", 300, began_s=1), 1, id="one stand"),
        pytest.param(found("stopping", 60, began_s=0), found("parking", 600, began_s=300), 2, id="two stands"),
        pytest.param(found("u_turn", 8), found("forbidden_turn", 9, began_s=4), 1, id="a turn that two signs forbid"),
        pytest.param(found("red_light", 2.0), found("wrong_way", 2.5), 2, id="two acts at nearly the same time"),
        pytest.param(found("red_light", 2.0), found("speed", 2.5), 2, id="too fast over the red"),
    ],
)
@pytest.mark.parametrize("complete", [False, True])
def test_two_findings_of_one_vehicle(one: Finding, two: Finding, cases: int, complete: bool) -> None:
    """`complete`: the evidence of the first one is built, and the case is sent, before the second one is found."""
    pending = PendingFindings().with_finding(one, 0, PASSING, one.occurred_at, 1.5)
    sent = pending.due(None) if complete else ()
    pending = pending.without(sent).with_finding(two, 1, PASSING, two.occurred_at, 1.5)
    assert len(sent) + len(pending.waiting) == cases
    if cases == 1:
        assert [each.merged for each in pending.reported] == ([None, Reason.SAME_ACT] if complete else [Reason.SAME_ACT, None])


def test_two_boxes_of_one_vehicle_and_two_rules_are_one_act() -> None:
    twin = replace(PASSING, id=TrackId("twin"))
    pending = PendingFindings().with_finding(found("stop_line", 2.0), 0, PASSING, second(4), 1.5)
    pending = pending.with_finding(found("red_light", 2.2, by="twin"), 1, twin, second(5), 1.5)
    assert [each.finding.rule for each in pending.waiting] == ["stop_line"]


@pytest.mark.parametrize(
    ("hidden_s", "metre", "cases"),
    [
        pytest.param(20, 50.0, 1, id="hidden by a bus for twenty seconds"),
        pytest.param(20, 52.0, 2, id="another one stands behind its place"),
        pytest.param(90, 50.0, 2, id="another one comes to its place after a minute and a half"),
    ],
)
def test_a_vehicle_that_stands_on_while_it_is_hidden_is_one_case(hidden_s: float, metre: float, cases: int) -> None:
    stands = track([(n, 50.0) for n in range(70)])
    later = track([(70 + hidden_s + n, metre) for n in range(70)], name="later")
    pending = PendingFindings().with_finding(found("stopping", 60, began_s=0), 0, stands, second(61), 1.5)
    now = later.last.captured_at
    sent = pending.due(None)
    pending = pending.without(sent).with_tracks([stands]).without_ended([], later.first.captured_at)
    again = found("stopping", 135 + hidden_s, by="later", began_s=70 + hidden_s)
    pending = pending.with_finding(again, 0, later, now, 1.5)
    assert len(sent) + len(pending.waiting) == cases
    assert pending.without_ended([], now).reported == pending.reported[-1:], "forgotten after a minute"
