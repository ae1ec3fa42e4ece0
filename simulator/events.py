"""Events at the western line, computed from the tracks.

`red_light`: the front crosses the painted line on red and enters the junction box in the same red phase. `stop_line`: it crosses the line
on red and does not enter the box in that red phase. A vehicle that crosses on green or yellow and then stands violates neither rule.
"""

from dataclasses import dataclass
from itertools import pairwise

from simulator.demand import PlannedVehicle
from simulator.layout import BOX_X, CYCLE_S, LINE_X, signal_age_s, signal_at
from simulator.traffic import Track, Traffic, VehicleState

STANDS_MPS = 0.3
STOOD_S = 2.0  # standing time past the line after which a vehicle counts as stopped there


@dataclass(frozen=True, slots=True)
class SimulatedCrossing:
    """The front of a vehicle on the western approach crossed the line; `box_s`: when it entered the box, None if it did not."""

    vehicle: PlannedVehicle
    line_s: float
    box_s: float | None
    speed_kmh: float
    stood_s: float | None
    """Start of the first stop between line and box; None if it did not stop there."""

    @property
    def stood_past_line(self) -> bool:
        return self.stood_s is not None

    @property
    def lamp(self) -> str:
        return signal_at(self.line_s)

    @property
    def red_age_s(self) -> float:
        return signal_age_s(self.line_s)

    @property
    def rule(self) -> str | None:
        if self.lamp != "red":
            return None
        entered = self.box_s is not None and signal_at(self.box_s) == "red" and self.box_s // CYCLE_S == self.line_s // CYCLE_S
        return "red_light" if entered else "stop_line"

    @property
    def decided_s(self) -> float:
        """Time from which the rule is certain: entry into the box on red; `STOOD_S` after the stop, or the end of the red phase."""
        if self.rule == "red_light" and self.box_s is not None:
            return self.box_s
        red_ends_s = (self.line_s // CYCLE_S + 1) * CYCLE_S
        return red_ends_s if self.stood_s is None else min(red_ends_s, self.stood_s + STOOD_S)

    @property
    def behaviour(self) -> str:
        if self.rule:
            return self.rule
        return f"crosses_{self.lamp}_stands_past_line" if self.stood_past_line else f"crosses_{self.lamp}"

    def times_s(self) -> list[float]:
        return [self.line_s] + ([self.box_s] if self.box_s is not None else [])


def crossings(traffic: Traffic) -> list[SimulatedCrossing]:
    events = []
    for vehicle_id, track in traffic.tracks.items():
        vehicle = traffic.vehicles[vehicle_id]
        if vehicle.arm != "W":
            continue
        line_s, speed = _passes(track, LINE_X)
        if line_s is None:
            continue
        box_s, _ = _passes(track, BOX_X)
        between = (s for s in track if s.sim_s > line_s and (box_s is None or s.sim_s < box_s))
        stood_s = next((s.sim_s for s in between if s.speed_mps < STANDS_MPS), None)
        events.append(SimulatedCrossing(vehicle, line_s, box_s, speed * 3.6, stood_s))
    return events


def stops_before_line(track: Track) -> list[VehicleState]:
    """States in which a vehicle of the western approach stood within 12 m before the line."""
    return [s for s in track if s.speed_mps < STANDS_MPS and LINE_X - 12 < s.x < LINE_X]


def _passes(track: Track, x: float) -> tuple[float | None, float]:
    """Time at which the front crossed x and the speed (m/s), both interpolated between two steps; None if it did not."""
    for before, after in pairwise(track):
        if before.x < x <= after.x:
            fraction = (x - before.x) / (after.x - before.x)
            time_s = before.sim_s + fraction * (after.sim_s - before.sim_s)
            return time_s, before.speed_mps + fraction * (after.speed_mps - before.speed_mps)
    return None, 0.0
