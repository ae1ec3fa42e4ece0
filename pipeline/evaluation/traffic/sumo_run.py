"""Runs SUMO on a network with its demand, and reads the state of each vehicle at each step, and of each signal."""

import re
import subprocess
import tempfile
import xml.etree.ElementTree as ET
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from etle.errors import EtleError, MissingExtra
from etle.types import Lamp
from pipeline.evaluation.traffic.demand import DrawnVehicle

if TYPE_CHECKING:
    from numpy.typing import NDArray

STEP_S: Final = 0.1
_SMOOTHING_S: Final = 0.3
_LAMPS: Final = {"r": Lamp.RED, "u": Lamp.RED, "y": Lamp.YELLOW, "Y": Lamp.YELLOW, "g": Lamp.GREEN, "G": Lamp.GREEN}


@dataclass(frozen=True, slots=True)
class Trajectory:
    """One vehicle's states, `STEP_S` apart: `rows` is n x 5, float64: second, x and y of the middle of its front (m), heading
    (radians, counterclockwise from east) and speed (m/s)."""

    vehicle: DrawnVehicle
    rows: "NDArray[np.float64]"

    @property
    def seconds(self) -> "NDArray[np.float64]":
        return self.rows[:, 0]


@dataclass(frozen=True, slots=True)
class SignalStates:
    """What SUMO's signal showed: the state of all links (SUMO's letters) from each moment on."""

    changes: tuple[tuple[float, str], ...]

    def lamp_at(self, second: float, link: int) -> Lamp:
        index = bisect_right(self.changes, second + 1e-6, key=lambda change: change[0]) - 1
        return _LAMPS[self.changes[max(0, index)][1][link]]

    def phases(self, link: int) -> list[tuple[float, float, Lamp]]:
        """From when to when the link shows which lamp; the last phase has no end."""
        made: list[tuple[float, float, Lamp]] = []
        for second, state in self.changes:
            lamp = _LAMPS[state[link]]
            if made and made[-1][2] is lamp:
                continue
            if made:
                made[-1] = (made[-1][0], second, made[-1][2])
            made.append((second, float("inf"), lamp))
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class SumoScenario:
    """What SUMO needs: network files are built by netconvert from `nodes`, `edges` and `connections` (XML)."""

    nodes: str
    edges: str
    connections: str = ""
    routes: str
    vehicles: Mapping[str, DrawnVehicle]
    signal_plan: str = ""
    """An `<additional>` file with the plan of the signal `C`; none: no signals."""
    links: Mapping[str, int] = field(default_factory=dict)
    """The first link of each edge in that plan."""
    seconds: float
    seed: int


@dataclass(frozen=True, slots=True)
class TrafficRun:
    """What SUMO simulated."""

    trajectories: tuple[Trajectory, ...]
    signals: SignalStates

    @property
    def last_step(self) -> int:
        """The last step at which there is a vehicle."""
        return max((round(float(each.seconds[-1]) / STEP_S) for each in self.trajectories), default=0)


def program(name: str) -> Path:
    """One of SUMO's programs. Raises MissingExtra."""
    try:
        import sumo  # type: ignore[import-untyped, unused-ignore]  # comes without types
    except ImportError as error:
        raise MissingExtra("Eclipse SUMO (eclipse-sumo)", "sim") from error
    return Path(sumo.SUMO_HOME) / "bin" / name


def build_network(nodes: str, edges: str, connections: str, folder: Path) -> Path:
    """Traffic drives on the left, as in Indonesia."""
    (folder / "nodes.xml").write_text(nodes)
    (folder / "edges.xml").write_text(edges)
    (folder / "connections.xml").write_text(connections or "<connections/>")
    network = folder / "net.xml"
    _run(
        "netconvert",
        *("--node-files", folder / "nodes.xml", "--edge-files", folder / "edges.xml", "--connection-files", folder / "connections.xml"),
        *("--output-file", network, "--lefthand", "--no-turnarounds", "--offset.disable-normalization"),
        *("--junctions.corner-detail", "8", "--tls.default-type", "static"),
    )
    return network


def simulate(scenario: SumoScenario) -> TrafficRun:
    """The same scenario and version of SUMO give the same run. Raises MissingExtra, EtleError if SUMO refuses the scenario."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        network = build_network(scenario.nodes, scenario.edges, scenario.connections, folder)
        _check_links(network, scenario.links)
        (folder / "routes.xml").write_text(scenario.routes)
        additional = [folder / "signals.xml"] if scenario.signal_plan else []
        states = folder / "lamps.xml"
        if additional:
            record = f'<timedEvent type="SaveTLSSwitchStates" source="C" dest="{states}"/>'
            additional[0].write_text(scenario.signal_plan.replace("</additional>", f"{record}</additional>"))
        _run(
            "sumo",
            *("--net-file", network, "--route-files", folder / "routes.xml"),
            *(("--additional-files", additional[0]) if additional else ()),
            *("--step-length", str(STEP_S), "--lateral-resolution", "0.4"),
            *("--fcd-output", folder / "fcd.xml", "--fcd-output.attributes", "x,y,angle,speed", "--precision", "3"),
            *("--end", str(scenario.seconds), "--seed", str(scenario.seed), "--no-step-log", "--no-warnings", "--duration-log.disable"),
            *("--collision.action", "none", "--time-to-teleport", "-1"),
        )
        signals = SignalStates(_signal_changes(states)) if additional else SignalStates(())
        return TrafficRun(_trajectories(folder / "fcd.xml", scenario.vehicles), signals)


def _check_links(network: Path, links: Mapping[str, int]) -> None:
    """The plan, and the truth, are of no use if netconvert numbers the links in another way."""
    built: dict[str, int] = {}
    for row in ET.parse(network).getroot().iter("connection"):
        if row.get("tl"):
            edge, link = row.get("from", ""), int(row.get("linkIndex", "-1"))
            built[edge] = min(link, built.get(edge, link))
    if built != links:
        raise EtleError(f"netconvert numbered the signal's links {built}, the scenario expects {dict(links)}: another version of SUMO?")


def _run(name: str, *arguments: object) -> None:
    done = subprocess.run([str(program(name)), *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise EtleError(f"{name} refused the scenario: {done.stderr.strip()[-800:]}")


def _signal_changes(path: Path) -> tuple[tuple[float, str], ...]:
    return tuple((float(row.get("time", "0")), row.get("state", "")) for row in ET.parse(path).getroot().iter("tlsState"))


_STATE: Final = re.compile(r'<timestep time="([^"]+)"|<vehicle id="([^"]+)" x="([^"]+)" y="([^"]+)" angle="([^"]+)" speed="([^"]+)"')
"""Most of the time of a simulation would go into an XML parser."""


def _trajectories(path: Path, vehicles: Mapping[str, DrawnVehicle]) -> tuple[Trajectory, ...]:
    rows: dict[str, list[tuple[float, ...]]] = {}
    text, second, states = path.read_text(), 0.0, 0
    for row in _STATE.finditer(text):
        time, name, x, y, angle, speed = row.groups()
        if time:
            second = round(float(time), 3)
        else:
            states += 1
            rows.setdefault(name, []).append((second, float(x), float(y), float(angle), float(speed)))
    if states < text.count("<vehicle "):
        raise EtleError("SUMO wrote states of vehicles that cannot be read: another version of SUMO?")
    return tuple(Trajectory(vehicles[name], _smoothed(_with_headings(np.array(each)))) for name, each in rows.items())


def _with_headings(rows: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """SUMO's angles are degrees clockwise from north."""
    rows[:, 3] = np.radians(90 - rows[:, 3])
    return rows


def _smoothed(rows: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Where lanes join, SUMO displaces vehicles by up to a metre in one step, which none can do: a normal distribution around each moment
    spreads it. `rows` as in `Trajectory`; the speed is that of the smoothed front."""
    reach = round(3 * _SMOOTHING_S / STEP_S)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) * STEP_S / _SMOOTHING_S) ** 2)
    kernel /= kernel.sum()

    def smooth(values: "NDArray[np.float64]") -> "NDArray[np.float64]":
        # beyond both ends it goes on as it began or ended
        before, after = (2 * values[0] - values[reach:0:-1], 2 * values[-1] - values[-2 : -reach - 2 : -1])
        return np.convolve(np.concatenate([before, values, after]), kernel, mode="valid")

    if len(rows) <= reach:
        return rows
    x, y = smooth(rows[:, 1]), smooth(rows[:, 2])
    heading = smooth(np.unwrap(rows[:, 3]))
    speed = np.hypot(np.gradient(x, STEP_S), np.gradient(y, STEP_S))
    return np.column_stack([rows[:, 0], x, y, heading, speed])
