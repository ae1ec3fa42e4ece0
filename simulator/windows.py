"""Selects the part of a run that each clip shows.

The ground truth of a window is what happens in it. Windows with overlapping vehicles, with a crossing within 0.3 s of a signal change, or
with a vehicle standing on a line are rejected, because their ground truth would be ambiguous.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby

from simulator.demand import PlannedVehicle
from simulator.events import SimulatedCrossing, crossings, stops_before_line
from simulator.layout import BOX_X, FPS, KELUAR, LINE_X, MASUK, changes_between, signal_age_s
from simulator.traffic import Traffic
from simulator.views import ProjectedView

MARGIN_STEPS = FPS  # in view from one second before to one second after
EDGE_STEPS = 3 * FPS  # distance from the clip's ends: evidence shows some seconds before and after
WRONG_WAY_M = 5.0
BORDERLINE_S = 0.3
CROWD = 9
APPROACH_M = 3.0
"""Of a vehicle that stands nearer to the stop line when the clip begins nobody can tell whether it had crossed it already: cars differ in
length by more than a metre, and a camera that sees rears sees no front."""


@dataclass(frozen=True, slots=True)
class SimulatedViolation:
    rule: str
    vehicle: PlannedVehicle
    sim_s: float
    decided_s: float
    red_age_s: float | None
    speed_kmh: float

    @property
    def required_steps(self) -> range:
        """The steps in which the vehicle has to be in the picture."""
        return range(round(self.sim_s * FPS) - MARGIN_STEPS, round(self.decided_s * FPS) + MARGIN_STEPS + 1)

    def within(self, view: ProjectedView, start: int, steps: int) -> bool:
        """Whether a clip of these steps shows all of it, with some seconds before and after."""
        step, end = round(self.sim_s * FPS), start + steps
        if not start + EDGE_STEPS <= step < end - EDGE_STEPS or self.required_steps[-1] >= end:
            return False
        return all(view.shows(self.vehicle.id, each) for each in self.required_steps)


@dataclass(frozen=True, slots=True)
class FootageWindow:
    """`steps` steps of the run from `start`, and the violations in it that are in full view."""

    start: int
    steps: int
    violations: tuple[SimulatedViolation, ...]
    score: float
    notes: dict[str, int]


def line_violations(view: ProjectedView, found: list[SimulatedCrossing], start: int, steps: int) -> tuple[SimulatedViolation, ...]:
    all_ = (SimulatedViolation(c.rule, c.vehicle, c.line_s, c.decided_s, c.red_age_s, c.speed_kmh) for c in found if c.rule)
    return tuple(violation for violation in all_ if violation.within(view, start, steps))


def shows_approach(traffic: Traffic, view: ProjectedView, violation: SimulatedViolation, start: int) -> bool:
    """Whether a clip from this step on shows the vehicle `APPROACH_M` before the stop line."""
    track = traffic.tracks[violation.vehicle.id]
    return any(s.step >= start and LINE_X - s.x >= APPROACH_M and view.shows(violation.vehicle.id, s.step) for s in track)


def wrong_way_violations(view: ProjectedView, start: int, steps: int) -> tuple[SimulatedViolation, ...]:
    """A vehicle violates the rule when it has moved 5 m since it was completely in the picture, within the window."""
    first: dict[str, float] = {}
    found: dict[str, SimulatedViolation] = {}
    for step in range(start, start + steps):
        for vehicle, s in view.visible.get(step, []):
            if vehicle.wrong_way and vehicle.id not in found and view.shows(vehicle.id, step):
                distance_m = s.x - first.setdefault(vehicle.id, s.x)
                if distance_m >= WRONG_WAY_M:
                    time_s = s.sim_s - (distance_m - WRONG_WAY_M) / max(s.speed_mps, 0.1)
                    found[vehicle.id] = SimulatedViolation("wrong_way", vehicle, time_s, time_s, None, s.speed_mps * 3.6)
    return tuple(violation for violation in found.values() if violation.within(view, start, steps))


def best_masuk(traffic: Traffic, view: ProjectedView, steps: int) -> FootageWindow | None:
    found = crossings(traffic)
    ambiguous = _ambiguous_steps(traffic, found)

    def evaluate(start: int) -> FootageWindow | None:
        end = start + steps
        if any(start <= step < end for step in ambiguous):
            return None
        violations = line_violations(view, found, start, steps)
        listed = {v.vehicle.id for v in violations}
        if any(c.rule and c.vehicle.id not in listed and start - MARGIN_STEPS < c.line_s * FPS < end for c in found):
            return None  # a violation at the clip's edge that is not listed
        inside = [c for c in found if start < c.line_s * FPS < end]
        kinds = Counter(f"{v.rule} {v.vehicle.kind}" for v in violations)
        behaviours = Counter(c.behaviour for c in inside)
        stopped = sum(any(start < s.step < end for s in stops_before_line(t)) for t in traffic.tracks.values())
        score = (
            6 * min(1, kinds["red_light car"])
            + 6 * min(1, kinds["red_light motorcycle"])
            + 6 * min(1, kinds["stop_line motorcycle"] + kinds["stop_line car"])
            + 2 * min(3, sum(kinds.values()))
            - 3 * _vehicles_with_passengers(violations)
            - 20 * sum(not shows_approach(traffic, view, each, start) for each in violations)
            + 4 * min(1, behaviours["crosses_green_stands_past_line"])
            + 3 * min(1, behaviours["crosses_yellow"])
            + min(3, behaviours["crosses_green"])
            + min(3, stopped)
            + min(2, sum(name != "red" for _, name in changes_between(start / FPS, end / FPS)))
            + _calm_bonus(view, start, steps)
            - _crowding_penalty(view, start, steps)
        )
        return FootageWindow(start, steps, violations, score, {**kinds, **behaviours, "stopped": stopped})

    return _best(view, steps, evaluate)


def best_keluar(view: ProjectedView, steps: int) -> FootageWindow | None:
    def evaluate(start: int) -> FootageWindow | None:
        violations = wrong_way_violations(view, start, steps)
        seen = {v.id: v for step in range(start, start + steps) for v, _ in view.visible.get(step, [])}
        if sum(v.wrong_way for v in seen.values()) != len(violations):
            return None  # a vehicle at the clip's edge
        kinds = Counter(v.vehicle.kind for v in violations)
        legal = sum(not v.wrong_way for v in seen.values())
        score = 8.0 * min(2, kinds["motorcycle"]) + 5 * min(1, kinds["car"]) + min(8, legal)
        score += _calm_bonus(view, start, steps) - _crowding_penalty(view, start, steps) - 3 * _vehicles_with_passengers(violations)
        return FootageWindow(start, steps, violations, score, {**kinds, "legal": legal})

    return _best(view, steps, evaluate)


def _best(view: ProjectedView, steps: int, evaluate: Callable[[int], FootageWindow | None]) -> FootageWindow | None:
    last = max(view.visible) - steps
    best: FootageWindow | None = None
    for start in range(30 * FPS, last, FPS // 2):
        if any(start <= step < start + steps for step in view.overlaps):
            continue
        window = evaluate(start)
        if window and (best is None or window.score > best.score):
            best = window
    return best


def _crowding_penalty(view: ProjectedView, start: int, steps: int) -> float:
    return 0.05 * sum(max(0, len(view.visible.get(step, [])) - CROWD) for step in range(start, start + steps))


def _vehicles_with_passengers(violations: tuple[SimulatedViolation, ...]) -> int:
    """Scooters with two or three riders: in half of the frames COCO detectors detect only the persons."""
    return sum(len(violation.vehicle.riders) > 1 for violation in violations)


def _calm_bonus(view: ProjectedView, start: int, steps: int) -> float:
    """Score of the longest period without motion, up to two seconds."""
    longest = max((len(list(run)) for still, run in groupby(range(start, start + steps), view.still) if still), default=0)
    return 2.0 * min(2.0, longest / FPS)


def _ambiguous_steps(traffic: Traffic, found: list[SimulatedCrossing]) -> set[int]:
    steps = set()
    for crossing in found:
        for time_s in crossing.times_s():
            if signal_age_s(time_s) < BORDERLINE_S or signal_age_s(time_s + BORDERLINE_S) < BORDERLINE_S:
                steps.add(round(time_s * FPS))
    for vehicle_id, track in traffic.tracks.items():
        if traffic.vehicles[vehicle_id].arm == "W":
            steps.update(s.step for s in track if s.speed_mps < 0.3 and any(-0.5 < s.x - x < 0.6 for x in (LINE_X, BOX_X)))
    return steps


def choose(traffic: Traffic, views: dict[str, ProjectedView], seconds: dict[str, float]) -> dict[str, FootageWindow]:
    """The best window of the run for each camera. Raises LookupError if a camera has none."""
    chosen = {
        MASUK.id: best_masuk(traffic, views[MASUK.id], round(seconds[MASUK.id] * FPS)),
        KELUAR.id: best_keluar(views[KELUAR.id], round(seconds[KELUAR.id] * FPS)),
    }
    missing = [name for name, window in chosen.items() if window is None]
    if missing:
        raise LookupError(f"seed {traffic.seed} has no suitable window for {', '.join(missing)}: try another seed or a longer run")
    return {name: window for name, window in chosen.items() if window}
