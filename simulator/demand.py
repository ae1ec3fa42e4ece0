"""Traffic demand: random traffic on every arm, and a planned group of vehicles on the western arm in each signal cycle.

Violations are rare, and a clip has half a minute. So every cycle includes vehicles that are likely to cross on late yellow, to run the
red light, or to stop too late. The driver parameters only make this likely; the ground truth is measured from the tracks (events.py).
"""

import random
from dataclasses import dataclass
from pathlib import Path

from simulator.layout import ARM_M, CYCLE_S, GREEN_S, LINE_X, PAINT_M, YELLOW_S
from simulator.network import ARMS, OPPOSITE
from simulator.plates import Registration, draw_registration

SIZES = {"car": (4.4, 1.8), "motorcycle": (1.9, 0.7), "bus": (12.0, 2.5), "truck": (6.3, 2.4)}
CLASSES = {"car": "passenger", "motorcycle": "motorcycle", "bus": "bus", "truck": "truck"}
SHARES = {"car": 50, "motorcycle": 38, "bus": 4, "truck": 8}
TO_LINE_S = (ARM_M + LINE_X) / 12.0  # travel time of an unobstructed vehicle from the edge of the map to the line

KIND_SETTINGS = {
    "car": "",
    "motorcycle": 'latAlignment="arbitrary" minGapLat="0.35" lcPushy="0.3" lcSublane="3" lcAssertive="1.5" accel="3"',
    "bus": 'accel="1.2"',
    "truck": 'accel="1.1"',
}
CALM = f'jmStoplineGap="{PAINT_M + 1.0}"'
DRIVER_SETTINGS = {
    "calm": f'{CALM} speedFactor="normc(0.9,0.05,0.75,1.0)"',
    "runner": f'{CALM} jmDriveAfterRedTime="25" jmDriveAfterYellowTime="3" jmDriveRedSpeed="6.5" jmIgnoreFoeProb="1" '
    'jmIgnoreJunctionFoeProb="1" speedFactor="0.8"',
    "late": 'jmStoplineGap="1.2" speedFactor="0.75" decel="4"',  # stops beyond the painted line
    "hurried": f'{CALM} jmDriveAfterYellowTime="2.2" speedFactor="0.95"',  # crosses on late yellow, stops on red
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedVehicle:
    """A departing vehicle. `arm`: where it comes from; `wrong_way`: it drives on an edge against the traffic."""

    id: str
    kind: str
    arm: str
    registration: Registration
    riders: tuple[bool, ...]  # for each rider: whether they wear a helmet
    wrong_way: bool = False

    @property
    def size_m(self) -> tuple[float, float]:
        return SIZES[self.kind]


class Demand:
    """Collects departures and writes them in order of time.

    Plates and riders have their own random generator, so that changes to them do not change the traffic.
    """

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.vehicles: dict[str, PlannedVehicle] = {}
        self._appearance_rng = random.Random(f"{seed} looks")
        self._rows: list[tuple[float, str]] = []

    def add(self, depart_s: float, kind: str, driver: str, arm: str, leave: str, *, lane: str = "best", pause_s: float = 0.0) -> None:
        """Adds a departure. `pause_s`: time for which it stands between the line and the junction box."""
        vehicle = self._vehicle(kind, arm)
        stop = f'<stop lane="{arm}i_{lane}" endPos="{ARM_M - 10.0 - 1.3}" duration="{pause_s:.1f}"/>' if pause_s else ""
        self._rows.append(
            (
                depart_s,
                f'<vehicle id="{vehicle.id}" type="{kind}-{driver}" depart="{depart_s:.2f}" departLane="{lane}" departSpeed="max" '
                f'departPosLat="random"><route edges="{arm}i {leave}o"/>{stop}</vehicle>',
            )
        )

    def add_wrong_way(self, depart_s: float, kind: str) -> None:
        edge = "Wm" if kind == "motorcycle" else "Wc"
        vehicle = self._vehicle(kind, edge, wrong_way=True)
        row = f'<vehicle id="{vehicle.id}" type="{kind}-wrong" depart="{depart_s:.2f}" departSpeed="max"><route edges="{edge}"/></vehicle>'
        self._rows.append((depart_s, row))

    def _vehicle(self, kind: str, arm: str, *, wrong_way: bool = False) -> PlannedVehicle:
        rng = self._appearance_rng
        riders = rng.choices([1, 2, 3], [66, 30, 4])[0] if kind == "motorcycle" else 0
        vehicle = PlannedVehicle(
            id=f"{kind}-{len(self.vehicles)}",
            kind=kind,
            arm=arm,
            registration=draw_registration(rng, kind),
            riders=tuple(rng.random() > 0.2 for _ in range(riders)),
            wrong_way=wrong_way,
        )
        self.vehicles[vehicle.id] = vehicle
        return vehicle

    def write(self, folder: Path) -> None:
        types = []
        for kind, (length, width) in SIZES.items():
            shape = f'length="{length}" width="{width}" lcKeepRight="0"'
            for driver, settings in DRIVER_SETTINGS.items():
                types.append(f'<vType id="{kind}-{driver}" vClass="{CLASSES[kind]}" {shape} {KIND_SETTINGS[kind]} {settings}/>')
            types.append(f'<vType id="{kind}-wrong" vClass="custom1" {shape} speedFactor="normc(0.30,0.015,0.27,0.33)"/>')
        rows = "".join(row for _, row in sorted(self._rows))
        (folder / "routes.xml").write_text(f"<routes>{''.join(types)}{rows}</routes>")


def draw_demand(seed: int, seconds: float) -> Demand:
    """The demand of a run; depends only on the arguments."""
    demand = Demand(seed)
    _background(demand, seconds)
    cycle_s = CYCLE_S
    while cycle_s + CYCLE_S < seconds:
        _planned_vehicles(demand, cycle_s)
        cycle_s += CYCLE_S
    rng, at_s = demand.rng, 8.0
    while at_s < seconds - 40:
        demand.add_wrong_way(at_s, rng.choices(list(WRONG_WAY_KINDS), list(WRONG_WAY_KINDS.values()))[0])
        at_s += rng.uniform(7, 20)
    return demand


WRONG_WAY_KINDS = {"motorcycle": 82, "car": 18}


def _background(demand: Demand, seconds: float, per_hour: float = 950.0) -> None:
    rng, at_s = demand.rng, 0.0
    while at_s < seconds - 15:
        at_s += rng.expovariate(per_hour / 3600)
        kind = rng.choices(list(SHARES), list(SHARES.values()))[0]
        arm = rng.choices(list(ARMS), [6, 24, 35, 35])[0]
        straight = kind in ("bus", "truck") or rng.random() < 0.7
        leave = OPPOSITE[arm] if straight else rng.choice([other for other in ARMS if other not in (arm, OPPOSITE[arm])])
        demand.add(at_s, kind, "calm", arm, leave)


def _planned_vehicles(demand: Demand, cycle_s: float) -> None:
    """Adds the planned vehicles of the western arm for the cycle that starts at `cycle_s`, by the time at which they reach the line."""
    rng = demand.rng
    red_s = cycle_s + GREEN_S + YELLOW_S
    quiet, busy = rng.sample(["0", "1"], 2)

    def send(line_s: float, kind: str, driver: str, lane: str, pause_s: float = 0.0) -> None:
        demand.add(max(0.0, line_s - TO_LINE_S), kind, driver, "W", "E", lane=lane, pause_s=pause_s)

    for offset in (5.0, 8.5):
        send(cycle_s + offset + rng.uniform(-1, 1), rng.choices(["car", "motorcycle", "truck"], [5, 3, 2])[0], "calm", rng.choice("01"))
    if rng.random() < 0.6:  # crosses on green, then stands past the line while the signal turns red
        send(cycle_s + 9.5 + rng.uniform(-1, 2), "car", "calm", busy, pause_s=rng.uniform(6, 9))
    send(red_s - rng.uniform(0.5, 2.5), rng.choice(["car", "motorcycle"]), "hurried", quiet)
    send(red_s + rng.uniform(1.5, 4.0), "car", "runner", quiet)
    if rng.random() < 0.8:
        send(red_s + rng.uniform(2.0, 6.0), rng.choices(["motorcycle", "car"], [6, 4])[0], "late", busy)
    send(red_s + rng.uniform(4.0, 8.0), "car", "calm", quiet)
    if rng.random() < 0.5:
        send(red_s + rng.uniform(5.0, 9.0), "motorcycle", "calm", busy)
    send(red_s + rng.uniform(6.0, 13.0), "motorcycle", "runner", rng.choice([busy, quiet]))
