"""Simulates traffic, watches it through the cameras of its places, and counts what the rules found, missed, and found where nothing was."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, Final

from pydantic import TypeAdapter

from etle.files import write_atomic
from etle.types import RuleName, SignalId
from pipeline.evaluation.traffic.detector import VirtualDetector, frame_steps
from pipeline.evaluation.traffic.judge import ActStatus, CaseStatus, JudgedAct, JudgedCase, judged_acts, judged_cases
from pipeline.evaluation.traffic.junction import junction
from pipeline.evaluation.traffic.noise import DetectorNoise, drawn_by_hand
from pipeline.evaluation.traffic.place import SIGNAL, WatchedPlace
from pipeline.evaluation.traffic.road import road
from pipeline.evaluation.traffic.sumo_run import STEP_S, TrafficRun, simulate
from pipeline.evaluation.traffic.truth import acts_at
from pipeline.evaluation.traffic.watch import DetectionReplay

RUN_S: Final = 600.0
"""Length of one simulation."""
_SCENARIOS: Final = (junction, road, road, road, road)
"""Simulations of a seed, in turn: the queues of one junction take as long to compute as eight roads."""
_RUNS_OF_SEED: Final = 1000
"""Simulations are numbered: those of one seed begin at its thousand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SumoOptions:
    """`vehicles`: at least so many are watched, over as many simulations as it takes, of the seeds in turn.

    `folder`: keeps the outcome of each simulation; those that are there already are not run again.
    """

    seeds: tuple[int, ...]
    vehicles: int
    noise: bool = False
    workers: int = 1
    run_s: float = RUN_S
    folder: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationMistake:
    """A missed violation or a false case. `reason`: what the rule decided last on the vehicle, if it is known."""

    place: str
    rule: str
    kind: str
    vehicles: tuple[str, ...]
    at_s: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceEvaluation:
    """What one camera saw and reported. `counts`: by rule, how many acts and cases have which status."""

    place: str
    vehicles: frozenset[str]
    counts: dict[RuleName, dict[str, int]]
    mistakes: tuple[EvaluationMistake, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationOutcome:
    """One simulation, through all its cameras."""

    places: tuple[PlaceEvaluation, ...]

    @property
    def vehicles(self) -> int:
        """Each counts once, however many cameras saw it."""
        return len(frozenset[str]().union(*(place.vehicles for place in self.places)))


_OUTCOME: Final = TypeAdapter(SimulationOutcome)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFigures:
    """The field names are keys of the JSON report. `violations` that count are those a camera can certainly tell: `found` and `missed`."""

    violations: int
    found: int
    missed: int
    hidden: int
    uncertain: int
    cases: int
    false: int
    doubled: int

    @property
    def precision(self) -> float | None:
        return (self.cases - self.false - self.doubled) / self.cases if self.cases else None

    @property
    def recall(self) -> float | None:
        return self.found / (self.found + self.missed) if self.found + self.missed else None


@dataclass(frozen=True, slots=True, kw_only=True)
class SumoReport:
    vehicles: int
    simulations: int
    rules: dict[RuleName, RuleFigures]
    mistakes: tuple[EvaluationMistake, ...]


def evaluate_sumo(options: SumoOptions, progress: Callable[[int], None]) -> SumoReport:
    """`progress` is told how many vehicles were watched so far. Raises MissingExtra without SUMO."""
    outcomes: list[SimulationOutcome] = []
    runs, watched = _runs(options.seeds), 0
    with ProcessPoolExecutor(options.workers) as pool:
        while watched < options.vehicles:
            batch = [next(runs) for _ in range(options.workers)]
            for made in pool.map(partial(_outcome_of, options), batch):
                outcomes.append(made)
                watched += made.vehicles
                progress(watched)
    return report_of(outcomes)


def _runs(seeds: Sequence[int]) -> Iterator[int]:
    """Numbers of simulations: of each seed in turn, one of each scenario."""
    for first in count(0, len(_SCENARIOS)):
        for seed in seeds:
            yield from range(seed * _RUNS_OF_SEED + first, seed * _RUNS_OF_SEED + first + len(_SCENARIOS))


def _outcome_of(options: SumoOptions, number: int) -> SimulationOutcome:
    """Of a simulation, from the folder if it is there."""
    if options.folder is None:
        return watch_run(number, options.run_s, noise=options.noise)
    file = options.folder / f"{number}-{options.run_s:g}s{'-noise' if options.noise else ''}.json"
    if file.exists():
        return _OUTCOME.validate_json(file.read_bytes())
    made = watch_run(number, options.run_s, noise=options.noise)
    write_atomic(file, _OUTCOME.dump_json(made))
    return made


def watch_run(number: int, seconds: float, *, noise: bool = False) -> SimulationOutcome:
    """One simulation, through all its cameras."""
    scenario, places = _SCENARIOS[number % len(_SCENARIOS)](number, seconds)
    run = simulate(scenario)
    return SimulationOutcome(places=tuple(_watch(place, run, noise=noise) for place in places))


def report_of(outcomes: Sequence[SimulationOutcome]) -> SumoReport:
    counts: dict[RuleName, Counter[str]] = defaultdict(Counter)
    places = [place for outcome in outcomes for place in outcome.places]
    for outcome in places:
        for rule, some in outcome.counts.items():
            counts[rule].update(some)
    return SumoReport(
        vehicles=sum(outcome.vehicles for outcome in outcomes),
        simulations=len(outcomes),
        rules={rule: _figures(some) for rule, some in sorted(counts.items())},
        mistakes=tuple(mistake for place in places for mistake in place.mistakes),
    )


def as_json(report: SumoReport) -> dict[str, Any]:
    rules = {rule: {**asdict(each), "precision": each.precision, "recall": each.recall} for rule, each in report.rules.items()}
    return {**asdict(report), "rules": rules}


def _figures(counts: Counter[str]) -> RuleFigures:
    acts = {status: counts[status] for status in ActStatus}
    cases = {status: counts[status] for status in CaseStatus}
    return RuleFigures(
        violations=sum(acts.values()),
        found=acts[ActStatus.FOUND],
        missed=acts[ActStatus.MISSED],
        hidden=acts[ActStatus.HIDDEN],
        uncertain=acts[ActStatus.UNCERTAIN],
        cases=sum(cases.values()),
        false=cases[CaseStatus.FALSE],
        doubled=cases[CaseStatus.DOUBLED],
    )


def _watch(place: WatchedPlace, run: TrafficRun, *, noise: bool) -> PlaceEvaluation:
    rng = Random(f"{place.id} noise")
    errors = DetectorNoise(rng, place.fps) if noise else None
    detector = VirtualDetector(place, run.trajectories, errors)
    watch = DetectionReplay(drawn_by_hand(place.settings, rng) if noise else place.settings, errors)
    seen: dict[str, list[float]] = defaultdict(list)
    for sequence, step in enumerate(range(0, run.last_step + 1, frame_steps(place))):
        second = step * STEP_S
        if errors is not None and errors.loses_frame(second):
            continue
        detected = detector.detect(step, second)
        for each in detected:
            seen[each.vehicle] += [second] if each.shows_foot else []
        lamps = {}
        if place.approach is not None:
            lamp = run.signals.lamp_at(second, place.approach.link)
            lamps[SignalId(SIGNAL)] = errors.lamp(lamp) if errors is not None else (lamp, 1.0)
        watch.see(sequence, errors.captured(second) if errors is not None else second, detected, lamps)
    watch.finish()
    acts = acts_at(place, run.trajectories, run.signals)
    cases, found = judged_cases(watch.cases, acts)
    return PlaceEvaluation(
        place=place.id,
        vehicles=frozenset(seen),
        counts=_counts(judged := judged_acts(acts, found, seen, place.fps), cases),
        mistakes=tuple(_mistakes(place, watch, judged, cases)),
    )


def _counts(acts: Sequence[JudgedAct], cases: Sequence[JudgedCase]) -> dict[RuleName, dict[str, int]]:
    counts: dict[RuleName, Counter[str]] = defaultdict(Counter)
    for act in acts:
        counts[act.rule][act.status] += 1
    for case in cases:
        counts[case.case.rule][case.status] += 1
    return {rule: dict(some) for rule, some in counts.items()}


def _mistakes(
    place: WatchedPlace, watch: DetectionReplay, acts: Sequence[JudgedAct], cases: Sequence[JudgedCase]
) -> list[EvaluationMistake]:
    made = []
    for act in acts:
        if act.status is ActStatus.MISSED:
            last = watch.last_judged.get((act.act.vehicle, act.rule))
            reason = last.reason if last else "not judged"
            made.append(_mistake(place, act.rule, act.status, (act.act.vehicle,), act.act.first_s, reason))
    for case in cases:
        if case.status is not CaseStatus.RIGHT:
            made.append(_mistake(place, case.case.rule, case.status, case.case.vehicles, case.case.at_s, ""))
    return made


def _mistake(place: WatchedPlace, rule: RuleName, kind: str, vehicles: tuple[str, ...], at_s: float, reason: str) -> EvaluationMistake:
    return EvaluationMistake(place=place.id, rule=rule, kind=kind, vehicles=vehicles, at_s=round(at_s, 2), reason=reason)
