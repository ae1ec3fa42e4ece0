"""Chooses the part of a run that each clip shows.

Choosing is all it does: the truth of a window is whatever happened in it. Windows with two bodies in one place, with a crossing
within 0.3 s of a lamp change, or with someone standing on the line are left out, since their truth could be argued about.
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

MARGIN_STEPS = FPS  # in view from a second before to a second after
EDGE_STEPS = 3 * FPS  # from the clip's ends: evidence shows some seconds before and after
WRONG_WAY_M = 5.0
BORDERLINE_S = 0.3
CROWD = 9


@dataclass(frozen=True, slots=True)
class SimulatedViolation:
    rule: str
    vehicle: PlannedVehicle
    sim_s: float
    decided_s: float
    red_age_s: float | None
    speed_kmh: float

    @property
    def watched(self) -> range:
        """The steps in which the vehicle must be in the picture."""
        return range(round(self.sim_s * FPS) - MARGIN_STEPS, round(self.decided_s * FPS) + MARGIN_STEPS + 1)

    def within(self, view: ProjectedView, start: int, steps: int) -> bool:
        """Whether a clip of these steps shows all of it, with some seconds around the moment."""
        moment, end = round(self.sim_s * FPS), start + steps
        if not start + EDGE_STEPS <= moment < end - EDGE_STEPS or self.watched[-1] >= end:
            return False
        return all(view.shows(self.vehicle.id, step) for step in self.watched)


@dataclass(frozen=True, slots=True)
class FootageWindow:
    """`steps` of the run, and the violations that are decided within it in full view."""

    start: int
    steps: int
    violations: tuple[SimulatedViolation, ...]
    score: float
    notes: dict[str, int]


def line_violations(view: ProjectedView, found: list[SimulatedCrossing], start: int, steps: int) -> tuple[SimulatedViolation, ...]:
    all_ = (SimulatedViolation(c.rule, c.vehicle, c.line_s, c.decided_s, c.red_age_s, c.speed_kmh) for c in found if c.rule)
    return tuple(violation for violation in all_ if violation.within(view, start, steps))


def wrong_way_violations(view: ProjectedView, start: int, steps: int) -> tuple[SimulatedViolation, ...]:
    """The moment is when a wrong-way vehicle has come 5 m since it was in the picture to its rear, within the window."""
    first: dict[str, float] = {}
    found: dict[str, SimulatedViolation] = {}
    for step in range(start, start + steps):
        for vehicle, s in view.visible.get(step, []):
            if vehicle.wrong_way and vehicle.id not in found and view.shows(vehicle.id, step):
                gone = s.x - first.setdefault(vehicle.id, s.x)
                if gone >= WRONG_WAY_M:
                    moment = s.sim_s - (gone - WRONG_WAY_M) / max(s.speed_mps, 0.1)
                    found[vehicle.id] = SimulatedViolation("wrong_way", vehicle, moment, moment, None, s.speed_mps * 3.6)
    return tuple(violation for violation in found.values() if violation.within(view, start, steps))


def best_masuk(traffic: Traffic, view: ProjectedView, steps: int) -> FootageWindow | None:
    found = crossings(traffic)
    arguable = _arguable_steps(traffic, found)

    def judge(start: int) -> FootageWindow | None:
        end = start + steps
        if any(start <= step < end for step in arguable):
            return None
        violations = line_violations(view, found, start, steps)
        listed = {v.vehicle.id for v in violations}
        if any(c.rule and c.vehicle.id not in listed and start - MARGIN_STEPS < c.line_s * FPS < end for c in found):
            return None  # a violation at the clip's edge: neither listed nor innocent
        inside = [c for c in found if start < c.line_s * FPS < end]
        kinds = Counter(f"{v.rule} {v.vehicle.kind}" for v in violations)
        behaviours = Counter(c.behaviour for c in inside)
        stopped = sum(any(start < s.step < end for s in stops_before_line(t)) for t in traffic.tracks.values())
        score = (
            6 * min(1, kinds["red_light car"])
            + 6 * min(1, kinds["red_light motorcycle"])
            + 6 * min(1, kinds["stop_line motorcycle"] + kinds["stop_line car"])
            + 2 * min(3, sum(kinds.values()))
            - 3 * _crowded_saddles(violations)
            + 4 * min(1, behaviours["crosses_green_stands_past_line"])
            + 3 * min(1, behaviours["crosses_yellow"])
            + min(3, behaviours["crosses_green"])
            + min(3, stopped)
            + min(2, sum(name != "red" for _, name in changes_between(start / FPS, end / FPS)))
            + _calm(view, start, steps)
            - _crowding(view, start, steps)
        )
        return FootageWindow(start, steps, violations, score, {**kinds, **behaviours, "stopped": stopped})

    return _best(view, steps, judge)


def best_keluar(view: ProjectedView, steps: int) -> FootageWindow | None:
    def judge(start: int) -> FootageWindow | None:
        violations = wrong_way_violations(view, start, steps)
        seen = {v.id: v for step in range(start, start + steps) for v, _ in view.visible.get(step, [])}
        if sum(v.wrong_way for v in seen.values()) != len(violations):
            return None  # someone at the clip's edge
        kinds = Counter(v.vehicle.kind for v in violations)
        legal = sum(not v.wrong_way for v in seen.values())
        score = 8.0 * min(2, kinds["motorcycle"]) + 5 * min(1, kinds["car"]) + min(8, legal)
        score += _calm(view, start, steps) - _crowding(view, start, steps) - 3 * _crowded_saddles(violations)
        return FootageWindow(start, steps, violations, score, {**kinds, "legal": legal})

    return _best(view, steps, judge)


def _best(view: ProjectedView, steps: int, judge: Callable[[int], FootageWindow | None]) -> FootageWindow | None:
    last = max(view.visible) - steps
    best: FootageWindow | None = None
    for start in range(30 * FPS, last, FPS // 2):
        if any(start <= step < start + steps for step in view.clashes):
            continue
        window = judge(start)
        if window and (best is None or window.score > best.score):
            best = window
    return best


def _crowding(view: ProjectedView, start: int, steps: int) -> float:
    return 0.05 * sum(max(0, len(view.visible.get(step, [])) - CROWD) for step in range(start, start + steps))


def _crowded_saddles(violations: tuple[SimulatedViolation, ...]) -> int:
    """Two or three on a scooter hide it from behind: half of the time a COCO detector sees people alone."""
    return sum(len(violation.vehicle.riders) > 1 for violation in violations)


def _calm(view: ProjectedView, start: int, steps: int) -> float:
    """Worth of the seconds in which nothing moves: a little, and no more than two of them."""
    longest = max((len(list(run)) for still, run in groupby(range(start, start + steps), view.still) if still), default=0)
    return 2.0 * min(2.0, longest / FPS)


def _arguable_steps(traffic: Traffic, found: list[SimulatedCrossing]) -> set[int]:
    steps = set()
    for crossing in found:
        for moment in crossing.moments():
            if signal_age_s(moment) < BORDERLINE_S or signal_age_s(moment + BORDERLINE_S) < BORDERLINE_S:
                steps.add(round(moment * FPS))
    for vehicle_id, track in traffic.tracks.items():
        if traffic.vehicles[vehicle_id].arm == "W":
            steps.update(s.step for s in track if s.speed_mps < 0.3 and any(-0.5 < s.x - x < 0.6 for x in (LINE_X, BOX_X)))
    return steps


def choose(traffic: Traffic, views: dict[str, ProjectedView], seconds: dict[str, float]) -> dict[str, FootageWindow]:
    """The best window of the run for each camera; raises if a camera has none."""
    chosen = {
        MASUK.id: best_masuk(traffic, views[MASUK.id], round(seconds[MASUK.id] * FPS)),
        KELUAR.id: best_keluar(views[KELUAR.id], round(seconds[KELUAR.id] * FPS)),
    }
    missing = [name for name, window in chosen.items() if window is None]
    if missing:
        raise LookupError(f"seed {traffic.seed} has no fit window for {', '.join(missing)}: try another seed or a longer run")
    return {name: window for name, window in chosen.items() if window}
