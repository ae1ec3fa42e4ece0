"""Marks for the reviewer: which context is seen, and that nothing is suppressed for it."""

from collections.abc import Sequence

import pytest
from drawn import RED_LIGHT, STOP_LINE, driving, frames, process_all, site, stage
from scenario import G, R, U, Y, history, lamps, second

from etle.types import Finding, Measurement, RuleName, TrackId, VehicleClass
from pipeline.detect.state import decode, encode
from pipeline.evidence.marks import MARKS, MarkContext, kept_findings, marks_of
from pipeline.scene.signals import SignalHistory

CYCLE = history(lamps((0, G), (5, Y), (8, R), until=60))


def finding(at: float, red_s: float | None = None, *, track: str = "t", rule: str = "red_light", kmh: float | None = None) -> Finding:
    """`red_s`: how long it had been red; by default since second 8."""
    measured = [Measurement(name="time_into_red", value=at - 8.0 if red_s is None else red_s, unit="s", uncertainty=0.1)]
    if kmh is not None:
        measured.append(Measurement(name="speed", value=kmh, unit="km/h", uncertainty=2.0))
    return Finding(
        rule=RuleName(rule),
        track=TrackId(track),
        first_sequence=1,
        vehicle=VehicleClass.CAR,
        occurred_at=second(at),
        measured=tuple(measured),
    )


def marks(one: Finding, others: Sequence[Finding] = (), signal: SignalHistory | None = CYCLE) -> set[str]:
    return set(marks_of(MarkContext(finding=one, others=tuple(others), signal=signal)))


def others(*at: float, rule: str = "red_light", red_s: float | None = None) -> list[Finding]:
    return [finding(each, red_s, track=f"o{each}", rule=rule) for each in at]


@pytest.mark.parametrize(
    ("one", "known", "signal", "expected"),
    [
        pytest.param(finding(12), [], CYCLE, set(), id="a single runner has no mark"),
        pytest.param(finding(12), others(11), CYCLE, set(), id="two runners"),
        pytest.param(finding(12), others(11, 14), CYCLE, {"burst"}, id="three runners on one red"),
        pytest.param(finding(40), others(9, 25), CYCLE, {"burst"}, id="three runners on one long red"),
        pytest.param(finding(12), others(11, 14, red_s=60), CYCLE, set(), id="the others ran the red before"),
        pytest.param(finding(12), [*others(11), finding(11, track="t")], CYCLE, set(), id="the same vehicle by another rule"),
        pytest.param(finding(12), [*others(11), *others(11, rule="stop_line")], CYCLE, set(), id="one ran, one stopped"),
        pytest.param(
            finding(12, rule="stop_line"), others(11, 14, rule="stop_line"), CYCLE, {"stopped_together"}, id="three stopped together"
        ),
        pytest.param(finding(12, rule="stop_line"), others(11, 30, rule="stop_line"), CYCLE, set(), id="three stopped one after the other"),
        pytest.param(finding(12), [], history(lamps((0, R), until=20)), {"red_without_amber"}, id="red since the readings began"),
        pytest.param(finding(12), [], history(lamps((0, G), (4, U), (8, R), until=20)), {"red_without_amber"}, id="amber was not readable"),
        pytest.param(finding(12), [], history(lamps((0, U), (8, R), until=20)), {"red_without_amber"}, id="all red after a power cut"),
        pytest.param(
            finding(12), [], history(lamps((0, G), (5, Y), (11, R), (12.5, G), until=20)), {"short_red"}, id="the red was over at once"
        ),
        pytest.param(finding(12, 200), [], CYCLE, {"long_red"}, id="red for more than three minutes"),
        pytest.param(finding(12, kmh=7), [], CYCLE, {"walking_pace"}, id="as slow as people walk, within its uncertainty"),
        pytest.param(finding(12, kmh=20), [], CYCLE, set(), id="faster than people walk"),
    ],
)
def test_marks(one, known, signal, expected):
    assert marks(one, known, signal) == expected


def test_a_rule_without_a_signal_has_no_mark_of_a_red():
    plain = Finding(
        rule=RuleName("wrong_way"), track=TrackId("t"), first_sequence=1, vehicle=VehicleClass.CAR, occurred_at=second(12), measured=()
    )
    assert marks(plain, others(11, 14), None) == set()


def test_every_mark_has_a_test_here():
    tested = set().union(*(case.values[3] for case in test_marks.pytestmark[0].args[1]))
    assert tested == set(MARKS)


def test_findings_of_an_hour_ago_are_forgotten():
    assert [each.track for each in kept_findings([*others(0), *others(3599)], second(3600))] == ["o3599"]


# -- the whole stage: the signal of the drawn road is red from the first frame on ------------------------------------------------------


@pytest.mark.parametrize(
    ("apart", "after_s", "marked"),
    [
        pytest.param(3, 3.0, [True, True, True], id="together"),
        pytest.param(15, 1.5, [False, False, True], id="the third comes when the evidence of the others is complete"),
    ],
)
def test_every_runner_of_a_burst_is_reported_and_marked(apart, after_s, marked):
    runners = frames([driving(5 + apart * n, 45 + apart * n, 40, 60) for n in range(3)], 95)
    watched = site(RED_LIGHT, STOP_LINE)
    watched = watched.model_copy(update={"evidence": watched.evidence.model_copy(update={"after_s": after_s})})
    found = process_all(stage(watched), runners)
    assert [each.rule for each in found] == ["red_light"] * 3
    assert ["burst" in each.marks for each in found] == marked
    assert all("red_without_amber" in each.marks for each in found)


def test_a_stage_that_was_killed_remembers_the_runners_before():
    runners = frames([driving(5 + 15 * n, 45 + 15 * n, 40, 60) for n in range(3)], 95)
    undisturbed = process_all(stage(site(RED_LIGHT)), runners)
    first = stage(site(RED_LIGHT))
    found = [message.violation for frame in runners[:60] for message in first.process(frame)]
    state = decode(encode(first.state), first.state.fingerprint)
    resumed = stage(site(RED_LIGHT), state)
    for frame in runners[:60]:
        if frame.sequence >= first.needed_from:
            resumed.refill(frame)
    assert [each.marks for each in found + process_all(resumed, runners[60:])] == [each.marks for each in undisturbed]
