"""What the vehicles did at the western line, from their tracks alone.

`red_light`: the front crosses the painted line on red and enters the box on that same red. `stop_line`: it crosses the line on red and
does not enter the box on that red. Who crosses on green or yellow and then stands has broken neither.
"""

from dataclasses import dataclass
from itertools import pairwise

from benchmark.simulator.demand import Vehicle
from benchmark.simulator.layout import BOX_X, CYCLE_S, LINE_X, signal_age_s, signal_at
from benchmark.simulator.traffic import Sighting, Track, Traffic

STANDS_MPS = 0.3


@dataclass(frozen=True, slots=True)
class Crossing:
    """The front of a vehicle on the western approach met the line, and perhaps later the box."""

    vehicle: Vehicle
    line_s: float
    box_s: float | None
    speed_kmh: float
    stood_past_line: bool

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
    def behaviour(self) -> str:
        if self.rule:
            return self.rule
        return f"crosses_{self.lamp}_stands_past_line" if self.stood_past_line else f"crosses_{self.lamp}"

    def moments(self) -> list[float]:
        return [self.line_s] + ([self.box_s] if self.box_s is not None else [])


def crossings(traffic: Traffic) -> list[Crossing]:
    found = []
    for vehicle_id, track in traffic.tracks.items():
        vehicle = traffic.vehicles[vehicle_id]
        if vehicle.arm != "W":
            continue
        line_s, speed = _passes(track, LINE_X)
        if line_s is None:
            continue
        box_s, _ = _passes(track, BOX_X)
        after = [s for s in track if s.sim_s > line_s and (box_s is None or s.sim_s < box_s)]
        stood = any(s.speed_mps < STANDS_MPS for s in after)
        found.append(Crossing(vehicle, line_s, box_s, speed * 3.6, stood))
    return found


def stops_before_line(track: Track) -> list[Sighting]:
    """Where a vehicle of the western approach stood with its front before the line, within the camera's reach."""
    return [s for s in track if s.speed_mps < STANDS_MPS and LINE_X - 12 < s.x < LINE_X]


def _passes(track: Track, x: float) -> tuple[float | None, float]:
    """When the front met x, and how fast (m/s), both linear between two steps."""
    for before, after in pairwise(track):
        if before.x < x <= after.x:
            part = (x - before.x) / (after.x - before.x)
            moment = before.sim_s + part * (after.sim_s - before.sim_s)
            return moment, before.speed_mps + part * (after.speed_mps - before.speed_mps)
    return None, 0.0
