"""Compares two runs, or a run with the cases (`live`): what only one of them found, and what they found differently.

A violation of one run and one of the other are the same if they have the same id, or else if they are of the same camera and rule at the
same time and place: another detector sees a vehicle a frame earlier, which gives another id.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from etle.geometry import iou
from etle.protocols import CaseStore
from etle.runs.plan import Part, ReprocessPlan
from etle.storage.runs import LIVE, PostgresRuns
from etle.types import Box, CameraId, Digest, EvidenceRole, Measurement, RuleName, Verdict, Violation, ViolationId

_SAME_TIME: Final = timedelta(seconds=1.5)
_SAME_PLACE: Final = 0.3
"""Minimum intersection over union of the vehicle in the two pictures of the moment."""
_EQUAL: Final = 1e-6
"""Relative difference of two measured values that are the same."""
_PAGE: Final = 200


class Difference(StrEnum):
    PLATE = "plate"
    MEASUREMENT = "measurement"
    CERTAINTY = "certainty"
    """Whether a reviewer has to check the plate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedViolation:
    """What is compared of a violation; small, so that a month fits into memory."""

    id: ViolationId
    camera: CameraId
    rule: RuleName
    occurred_at: datetime
    plate: str | None
    probability: float
    certainty: str
    measured: tuple[Measurement, ...]
    vehicle_box: Box | None
    """In the picture of the moment."""
    picture: Digest | None
    """Of the moment."""
    picture_size: tuple[int, int] | None = None
    """Its width and height, px."""
    verdict: Verdict | None = None
    """Of the reviewers, on the case of that violation."""
    decided_plate: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedPair:
    """A violation that both found."""

    a: ComparedViolation
    b: ComparedViolation
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictScore:
    """How what a run found agrees with the reviewers' verdicts on the cases that are decided."""

    confirmed: int
    """Cases that were confirmed, or ended with a warning."""
    found: int
    """Of those, found by the run."""
    accused: int
    """Cases that were rejected, and that the run found nevertheless."""
    plates: int
    """Found and confirmed cases with a plate by the reviewers."""
    plates_right: int

    @property
    def precision(self) -> float | None:
        """Share of confirmed ones among the decided cases that the run found; None without any."""
        judged = self.found + self.accused
        return self.found / judged if judged else None

    @property
    def recall(self) -> float | None:
        """Share of the confirmed cases that the run found. What was never a case is not counted."""
        return self.found / self.confirmed if self.confirmed else None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunComparison:
    a: str
    b: str
    only_a: tuple[ComparedViolation, ...]
    only_b: tuple[ComparedViolation, ...]
    both: tuple[ComparedPair, ...]
    scores: tuple[tuple[str, VerdictScore], ...]
    """By run; empty if no case of the range is decided."""

    @property
    def changed(self) -> tuple[ComparedPair, ...]:
        return tuple(pair for pair in self.both if pair.differences)

    @property
    def is_empty(self) -> bool:
        """Both found the same."""
        return not (self.only_a or self.only_b or self.changed)


def compare(a: Sequence[ComparedViolation], b: Sequence[ComparedViolation], *, plates: bool = True) -> RunComparison:
    """`plates`: False where one of the two read no plates."""
    names = {each.id: each for each in b}
    by_id = [(each, names[each.id]) for each in a if each.id in names]
    known = {each.id for each, _ in by_id}
    rest_a, rest_b = ([each for each in side if each.id not in known] for side in (a, b))
    by_place = list(_same_place(rest_a, rest_b))
    matched_a, matched_b = ({pair[side].id for pair in by_place} for side in (0, 1))
    pairs = [ComparedPair(a=one, b=other, differences=differences(one, other, plates=plates)) for one, other in (*by_id, *by_place)]
    return RunComparison(
        a="",
        b="",
        only_a=tuple(each for each in rest_a if each.id not in matched_a),
        only_b=tuple(each for each in rest_b if each.id not in matched_b),
        both=tuple(sorted(pairs, key=lambda pair: (pair.a.occurred_at, pair.a.id))),
        scores=(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedRange:
    """What is compared of two runs; None does not narrow it."""

    camera: CameraId | None = None
    since: datetime | None = None
    until: datetime | None = None
    """Exclusive."""

    def of(self, plan: ReprocessPlan) -> ReprocessPlan:
        """The plan without what is outside of the range."""
        cameras = tuple(each for each in plan.cameras if self.camera in (None, each.camera))
        since, until = _latest(plan.since, self.since), _earliest(plan.until, self.until)
        return replace(plan, since=since, until=until, cameras=cameras)


WHOLE: Final = ComparedRange()


def compare_runs(runs: PostgresRuns, cases: CaseStore, a: str, b: str, within: ComparedRange = WHOLE) -> RunComparison:
    """`a` and `b`: names of runs, or `live`. Compares the range and the cameras that both cover. Raises KeyError for an unknown run."""
    plans = [within.of(plan) for plan in (_plan(runs, name) for name in (a, b)) if plan]
    verdicts = {each.id: each for each in _live(cases, plans)}
    sides = [_with_verdicts(_violations(runs, cases, name, plans), verdicts) for name in (a, b)]
    plates = all(plan.part is not Part.RULES for plan in plans)
    not_applied = {rule for plan in plans for rule in plan.not_applied}
    sides = [[each for each in side if each.rule not in not_applied] for side in sides]
    compared = compare(*sides, plates=plates)
    decided = [each for each in verdicts.values() if each.verdict]
    scores = tuple((name, score(side, decided)) for name, side in zip((a, b), sides, strict=True)) if decided else ()
    return replace(compared, a=a, b=b, scores=scores)


def differences(a: ComparedViolation, b: ComparedViolation, *, plates: bool = True) -> tuple[Difference, ...]:
    different = {
        Difference.PLATE: plates and a.plate != b.plate,
        Difference.MEASUREMENT: not _same_measurements(a.measured, b.measured),
        Difference.CERTAINTY: plates and a.certainty != b.certainty,
    }
    return tuple(difference for difference, found in different.items() if found)


def score(found: Sequence[ComparedViolation], decided: Sequence[ComparedViolation]) -> VerdictScore:
    """`decided`: the decided cases, with their verdicts."""
    matched = {pair.b.id: pair.a for pair in compare(found, decided).both}
    confirmed = [case for case in decided if case.verdict is not Verdict.REJECT]
    named = [case for case in confirmed if case.id in matched and case.decided_plate]
    return VerdictScore(
        confirmed=len(confirmed),
        found=sum(case.id in matched for case in confirmed),
        accused=sum(case.verdict is Verdict.REJECT and case.id in matched for case in decided),
        plates=len(named),
        plates_right=sum(matched[case.id].plate == case.decided_plate for case in named),
    )


def compared(violation: Violation) -> ComparedViolation:
    at = next((picture for picture in violation.pictures if picture.role is EvidenceRole.AT), None)
    return ComparedViolation(
        id=violation.id,
        camera=violation.camera,
        rule=violation.rule,
        occurred_at=violation.occurred_at,
        plate=violation.plate.text,
        probability=violation.plate.probability,
        certainty=violation.plate.certainty.value,
        measured=violation.measured,
        vehicle_box=at.vehicle_box if at else None,
        picture=at.sha256 if at else None,
        picture_size=(at.width, at.height) if at else None,
    )


def as_json(comparison: RunComparison) -> dict[str, Any]:
    return {
        "a": comparison.a,
        "b": comparison.b,
        "same": len(comparison.both) - len(comparison.changed),
        "only_a": [violation_json(each) for each in comparison.only_a],
        "only_b": [violation_json(each) for each in comparison.only_b],
        "changed": [
            {"differences": [each.value for each in pair.differences], "a": violation_json(pair.a), "b": violation_json(pair.b)}
            for pair in comparison.changed
        ],
        "verdicts": {name: _score_json(each) for name, each in comparison.scores},
    }


def _score_json(each: VerdictScore) -> dict[str, Any]:
    counts = {"confirmed": each.confirmed, "found": each.found, "accused": each.accused}
    plates = {"plates": each.plates, "plates_right": each.plates_right}
    return {**counts, **plates, "precision": each.precision, "recall": each.recall}


def violation_json(each: ComparedViolation) -> dict[str, Any]:
    return {
        "id": str(each.id),
        "camera": each.camera,
        "rule": each.rule,
        "occurred_at": each.occurred_at.isoformat(),
        "plate": each.plate,
        "plate_probability": each.probability,
        "certainty": each.certainty,
        "measured": {measurement.name: measurement.value for measurement in each.measured},
        "verdict": each.verdict.value if each.verdict else None,
    }


def _plan(runs: PostgresRuns, name: str) -> ReprocessPlan | None:
    """None for the cases. Raises KeyError."""
    if name == LIVE:
        return None
    run = runs.run(name)
    if run is None:
        raise KeyError(name)
    return ReprocessPlan.of(run.plan)


def _violations(runs: PostgresRuns, cases: CaseStore, name: str, plans: Sequence[ReprocessPlan]) -> Iterator[ComparedViolation]:
    if name == LIVE:
        return _live(cases, plans)
    since, until = _latest(*(plan.since for plan in plans)), _earliest(*(plan.until for plan in plans))
    found = runs.violations(name, since=since, until=until)
    return (compared(violation) for violation in found if _is_covered(violation.camera, violation.occurred_at, plans))


def _live(cases: CaseStore, plans: Sequence[ReprocessPlan]) -> Iterator[ComparedViolation]:
    """The cases that every plan covers."""
    since, until = _latest(*(plan.since for plan in plans)), _earliest(*(plan.until for plan in plans))
    after = None
    while page := cases.cases(since=since, until=until, limit=_PAGE, after=after):
        for case in page:
            violation = case.violation
            if all(plan.site == violation.site for plan in plans) and _is_covered(violation.camera, violation.occurred_at, plans):
                decided = case.plate_text if case.state else None
                yield replace(compared(violation), verdict=case.state, decided_plate=decided)
        after = page[-1].violation.id


def _latest(*times: datetime | None) -> datetime | None:
    return max((each for each in times if each), default=None)


def _earliest(*times: datetime | None) -> datetime | None:
    return min((each for each in times if each), default=None)


def _is_covered(camera: CameraId, at: datetime, plans: Sequence[ReprocessPlan]) -> bool:
    return all(plan.contains(at) and any(each.camera == camera for each in plan.cameras) for plan in plans)


def _with_verdicts(
    found: Iterable[ComparedViolation], verdicts: Mapping[ViolationId, ComparedViolation]
) -> list[ComparedViolation]:  # fmt: skip
    known = ((each, verdicts.get(each.id)) for each in found)
    return [replace(each, verdict=case.verdict, decided_plate=case.decided_plate) if case else each for each, case in known]


def _same_measurements(a: Sequence[Measurement], b: Sequence[Measurement]) -> bool:
    ours, theirs = ({each.name: each.value for each in side} for side in (a, b))
    return ours.keys() == theirs.keys() and all(abs(ours[name] - theirs[name]) <= _EQUAL * max(1.0, abs(ours[name])) for name in ours)


def _same_place(
    a: Sequence[ComparedViolation], b: Sequence[ComparedViolation]
) -> Iterator[tuple[ComparedViolation, ComparedViolation]]:  # fmt: skip
    """Pairs of the same camera and rule at about the same time, the nearest first; each violation once."""
    nearby: dict[tuple[str, str, int], list[ComparedViolation]] = {}
    for each in b:
        nearby.setdefault((each.camera, each.rule, _slot(each.occurred_at)), []).append(each)
    found = [
        (abs(one.occurred_at - other.occurred_at), one, other)
        for one in a
        for slot in range(_slot(one.occurred_at) - 1, _slot(one.occurred_at) + 2)
        for other in nearby.get((one.camera, one.rule, slot), ())
        if abs(one.occurred_at - other.occurred_at) <= _SAME_TIME and _overlap(one.vehicle_box, other.vehicle_box)
    ]
    taken: set[tuple[str, ViolationId]] = set()
    for _, one, other in sorted(found, key=lambda each: (each[0], each[1].id, each[2].id)):
        if ("a", one.id) not in taken and ("b", other.id) not in taken:
            taken |= {("a", one.id), ("b", other.id)}
            yield one, other


def _slot(at: datetime) -> int:
    return int(at.timestamp() // _SAME_TIME.total_seconds())


def _overlap(a: Box | None, b: Box | None) -> bool:
    return a is None or b is None or iou(a, b) >= _SAME_PLACE
