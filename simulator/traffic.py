"""Runs SUMO and reads the position of each vehicle at each tenth of a second."""

import subprocess
import tempfile
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

from simulator import network
from simulator.demand import PlannedVehicle, draw_demand
from simulator.layout import FPS


@dataclass(frozen=True, slots=True)
class VehicleState:
    """A vehicle at one step: x and y (m) of the middle of its front bumper, heading clockwise from north."""

    step: int
    x: float
    y: float
    heading_deg: float
    speed_mps: float

    @property
    def sim_s(self) -> float:
        return self.step / FPS


Track = list[VehicleState]


@dataclass(frozen=True, slots=True)
class Traffic:
    """One simulated run: the vehicles and their tracks, which have no gaps."""

    seed: int
    vehicles: dict[str, PlannedVehicle]
    tracks: dict[str, Track]

    def by_step(self) -> dict[int, list[tuple[PlannedVehicle, VehicleState]]]:
        steps: dict[int, list[tuple[PlannedVehicle, VehicleState]]] = {}
        for vehicle_id, track in self.tracks.items():
            for state in track:
                steps.setdefault(state.step, []).append((self.vehicles[vehicle_id], state))
        return steps


def simulate(seed: int, seconds: float) -> Traffic:
    """The same seed and the same version of SUMO give the same run."""
    demand = draw_demand(seed, seconds)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        network.build(folder)
        demand.write(folder)
        subprocess.run(
            [
                *(network.program("sumo"), "--net-file", folder / "net.xml", "--route-files", folder / "routes.xml"),
                *("--additional-files", folder / "signals.xml", "--step-length", str(1 / FPS), "--lateral-resolution", "0.4"),
                *("--fcd-output", folder / "fcd.xml", "--fcd-output.attributes", "x,y,angle,speed", "--precision", "3"),
                *("--end", str(seconds), "--seed", str(seed), "--no-step-log", "--no-warnings", "--duration-log.disable"),
                *("--collision.action", "none", "--time-to-teleport", "-1"),
            ],
            check=True,
            capture_output=True,
        )
        return Traffic(seed, demand.vehicles, _tracks(folder / "fcd.xml"))


def _tracks(path: Path) -> dict[str, Track]:
    tracks: dict[str, Track] = {}
    for _, element in ET.iterparse(path):
        if element.tag != "timestep":
            continue
        step = round(float(element.get("time", "0")) * FPS)
        for row in element:
            x, y, angle, speed = (float(row.get(key, "nan")) for key in ("x", "y", "angle", "speed"))
            tracks.setdefault(row.get("id", ""), []).append(VehicleState(step, x, y, angle, speed))
        element.clear()
    return tracks
