"""A junction with four arms and a fixed signal plan; a camera watches the stop line of each arm, from behind or from the front.

Among lawful traffic, with motorcycles that filter to the front of the queue, there are drivers who run the red, stop too late, or creep
over the line in a queue. Lawful drivers creep up to the line, cross on amber, or stand beyond it because they crossed on green.
"""

import random
from dataclasses import dataclass
from math import pi
from typing import Final

from etle.types import VehicleClass, View
from pipeline.evaluation.traffic.camera import VirtualCamera
from pipeline.evaluation.traffic.demand import DepartingVehicles
from pipeline.evaluation.traffic.place import SIGNAL, ApproachLaw, WatchedPlace, camera_settings
from pipeline.evaluation.traffic.sumo_run import SumoScenario

ARM_M: Final = 160.0
LANE_M, LANES = 3.25, 2
BOX_M: Final = 10.5
"""Half the width of the junction box that netconvert builds for such arms: each lane ends there."""
PAINT_M: Final = 4.0
"""The stop line is painted so far before the box: vehicles can stand between them."""
LINE_POS: Final = ARM_M - BOX_M - PAINT_M
"""Position of the stop line along a lane."""
YELLOW_S: Final = 3.0
ALL_RED_S: Final = 2.0
LIMIT_KMH: Final = 50.0
TO_LINE_S: Final = LINE_POS / 12.0
_ARMS: Final = {"W": (-1, 0), "S": (0, -1), "E": (1, 0), "N": (0, 1)}
_OPPOSITE: Final = {"W": "E", "E": "W", "N": "S", "S": "N"}
_STRAIGHT: Final = {"W": 0.0, "S": pi / 2, "E": pi, "N": -pi / 2}
"""Heading of the traffic that comes from each arm."""
_CALM: Final = f'jmStoplineGap="{PAINT_M + 0.8}"'
_DRIVERS: Final = {
    "calm": f'{_CALM} speedFactor="normc(0.9,0.08,0.7,1.05)"',
    "hurried": f'{_CALM} jmDriveAfterYellowTime="2.6" speedFactor="normc(1.0,0.05,0.9,1.1)"',
    "runner": f'{_CALM} jmDriveAfterRedTime="60" jmDriveAfterYellowTime="3" jmDriveRedSpeed="{{speed}}" jmIgnoreFoeProb="1" '
    'jmIgnoreJunctionFoeProb="1" speedFactor="normc(0.9,0.08,0.7,1.05)"',
    "late": 'jmStoplineGap="{gap}" speedFactor="0.8" decel="4"',
}
_RUNNER_SPEEDS: Final = (5.0, 7.5, 11.0)
_LATE_GAPS: Final = (0.6, 1.4, 2.2)
"""Where they stop before the box, and so beyond the line by PAINT_M less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """Green of the western and eastern arm, then of the other two."""

    green_s: tuple[float, float]

    @property
    def cycle_s(self) -> float:
        return sum(self.green_s) + 2 * (YELLOW_S + ALL_RED_S)

    def red_from(self, arm: str) -> float:
        """Second of the cycle at which the arm's red begins."""
        first = self.green_s[0] + YELLOW_S
        return first if arm in "WE" else first + ALL_RED_S + self.green_s[1] + YELLOW_S

    def red_s(self, arm: str) -> float:
        return self.cycle_s - self.green_s[arm in "NS"] - YELLOW_S

    def xml(self) -> str:
        phases = []
        for arms, green_s in (("WE", self.green_s[0]), ("NS", self.green_s[1])):
            phases += [(green_s, self._state(arms, "G")), (YELLOW_S, self._state(arms, "y")), (ALL_RED_S, self._state("", "r"))]
        rows = "".join(f'<phase duration="{seconds}" state="{state}"/>' for seconds, state in phases)
        return f'<additional><tlLogic id="C" type="static" programID="plan" offset="0">{rows}</tlLogic></additional>'

    def _state(self, arms: str, lamp: str) -> str:
        """Right turns give way to the traffic ahead (lower case)."""
        links = [(arm, turn) for arm in _LINK_ARMS for turn in _TURNS]
        return "".join("r" if arm not in arms else "g" if lamp == "G" and turn == "r" else lamp for arm, turn in links)


_LINK_ARMS: Final = "SENW"
_TURNS: Final = "lssr"
"""The signal's links as netconvert numbers them: of each arm left, straight in both lanes, and right. `simulate` compares them."""


def junction(seed: int, seconds: float) -> tuple[SumoScenario, tuple[WatchedPlace, ...]]:
    """The scenario and the cameras of that seed."""
    rng = random.Random(f"junction {seed}")
    plan = _Plan(green_s=(rng.uniform(14, 24), rng.uniform(14, 24)))
    departures = DepartingVehicles(rng, _drivers())
    for arm in _ARMS:
        _background(departures, rng, arm, seconds)
        _planned(departures, rng, arm, plan, seconds)
    nodes, edges = _roads()
    scenario = SumoScenario(
        nodes=nodes,
        edges=edges,
        connections=_connections(),
        routes=departures.routes(),
        vehicles=departures.vehicles,
        signal_plan=plan.xml(),
        links={f"{arm}i": _link(arm) for arm in _ARMS},
        seconds=seconds,
        seed=seed,
    )
    views = [View.REAR, View.REAR, View.FRONT, View.FRONT]
    rng.shuffle(views)
    return scenario, tuple(_place(rng, f"junction-{seed}-{arm.lower()}", arm, view) for arm, view in zip(_ARMS, views, strict=True))


def _drivers() -> dict[str, str]:
    made = {"calm": _DRIVERS["calm"], "hurried": _DRIVERS["hurried"]}
    made |= {f"runner{i}": _DRIVERS["runner"].format(speed=speed) for i, speed in enumerate(_RUNNER_SPEEDS)}
    return made | {f"late{i}": _DRIVERS["late"].format(gap=gap) for i, gap in enumerate(_LATE_GAPS)}


def _roads() -> tuple[str, str]:
    nodes = ['<node id="C" x="0" y="0" type="traffic_light" tl="C"/>']
    edges = []
    for arm, (x, y) in _ARMS.items():
        nodes.append(f'<node id="{arm}" x="{x * ARM_M}" y="{y * ARM_M}" type="priority"/>')
        for edge, start, end in ((f"{arm}i", arm, "C"), (f"{arm}o", "C", arm)):
            edges.append(f'<edge id="{edge}" from="{start}" to="{end}" numLanes="{LANES}" speed="{LIMIT_KMH / 3.6:.2f}" width="{LANE_M}"/>')
    return f"<nodes>{''.join(nodes)}</nodes>", f"<edges>{''.join(edges)}</edges>"


def _connections() -> str:
    rows = [
        f'<connection from="{arm}i" to="{_exit(arm, turn)}o" fromLane="{lane}" toLane="{lane}"/>'
        for arm in _LINK_ARMS
        for turn, lane in zip(_TURNS, (0, 0, 1, 1), strict=True)
    ]
    return f"<connections>{''.join(rows)}</connections>"


def _link(arm: str) -> int:
    """The first link of an arm; all links of an arm show the same."""
    return _LINK_ARMS.index(arm) * len(_TURNS)


def _exit(arm: str, turn: str) -> str:
    """The arm to which a turn leads."""
    around = "WNES"  # each arm's left neighbour comes next
    return around[(around.index(arm) + {"l": 1, "s": 2, "r": 3}[turn]) % 4]


def _background(departures: DepartingVehicles, rng: random.Random, arm: str, seconds: float, per_hour: float = 700.0) -> None:
    at_s = 0.0
    while (at_s := at_s + rng.expovariate(per_hour / 3600)) < seconds - 30:
        model = departures.draw_model()
        large = model.vehicle in (VehicleClass.BUS, VehicleClass.TRUCK)
        turn = "s" if large else rng.choices("slr", (70, 15, 15))[0]
        driver = rng.choices(("calm", "hurried"), (92, 8))[0]
        departures.add(at_s, model, driver, (f"{arm}i", f"{_exit(arm, turn)}o"), depart=_DEPART)


_DEPART: Final = 'departLane="best" departSpeed="max" departPosLat="random"'


def _planned(departures: DepartingVehicles, rng: random.Random, arm: str, plan: _Plan, seconds: float) -> None:
    """Vehicles that reach the line when a violation, or what looks like one, is likely."""
    edges = (f"{arm}i", f"{_OPPOSITE[arm]}o")
    start = 0.0
    while (start := start + plan.cycle_s) + plan.cycle_s < seconds:
        red = start + plan.red_from(arm)

        def send(line_s: float, driver: str, *vehicles: VehicleClass, lane: str = "best", stops: str = "") -> None:
            depart = f'departLane="{lane}" departSpeed="max" departPosLat="random"'
            departures.add(max(0.0, line_s - TO_LINE_S), departures.draw_model(*vehicles), driver, edges, depart=depart, stops=stops)

        send(red - rng.uniform(0.5, 2.5), "hurried", VehicleClass.CAR, VehicleClass.MOTORCYCLE)
        for _ in range(2):
            kinds = (VehicleClass.MOTORCYCLE,) if rng.random() < 0.6 else ()
            send(red + rng.uniform(1, plan.red_s(arm) - 6), f"runner{rng.randrange(3)}", *kinds)
        if rng.random() < 0.6:
            send(red + rng.uniform(-1, 6), f"late{rng.randrange(3)}")
        if rng.random() < 0.3:
            lane = rng.choice("01")
            send(red + rng.uniform(0, 4), "calm", VehicleClass.CAR, VehicleClass.MOTORCYCLE, lane=lane, stops=_creeping(rng, arm, lane))
        if rng.random() < 0.3:
            lane = rng.choice("01")
            stop = _stop(arm, lane, LINE_POS + rng.uniform(0.8, 2.8), rng.uniform(5, 12))
            send(red - rng.uniform(YELLOW_S + 1, YELLOW_S + 5), "calm", VehicleClass.CAR, lane=lane, stops=stop)


def _creeping(rng: random.Random, arm: str, lane: str) -> str:
    """Stop and go up to the line, or over it."""
    at = LINE_POS - rng.uniform(2.5, 4)
    until = LINE_POS + rng.choice((-0.3, -0.3, rng.uniform(1.5, 3)))
    stops = []
    while at < until:
        stops.append(_stop(arm, lane, at, rng.uniform(1, 3)))
        at += rng.uniform(0.5, 1.2)
    return "".join(stops)


def _stop(arm: str, lane: str, at: float, seconds: float) -> str:
    return f'<stop lane="{arm}i_{lane}" endPos="{at:.2f}" duration="{seconds:.1f}"/>'


def _place(rng: random.Random, name: str, arm: str, view: View) -> WatchedPlace:
    heading = _STRAIGHT[arm]
    x, y = _ARMS[arm]
    origin = x * (BOX_M + PAINT_M), y * (BOX_M + PAINT_M)
    road = LANES * LANE_M
    back = view is View.REAR
    camera = VirtualCamera(
        position=(rng.uniform(-road - 2, 1.0), -rng.uniform(25, 30) if back else rng.uniform(31, 38), rng.uniform(6, 8)),
        target=(-road / 2, 0.0 if back else 1.0, 0.0),
        focal_px=rng.uniform(1250, 1500),
    )
    ends = {"line": "henti", "entry": "simpang", "signal": SIGNAL}
    settings = camera_settings(
        name,
        camera,
        view,
        ground=[(s, side) for side in (-road, 0.0) for s in (-10.0, 0.0, PAINT_M + 4)],
        rules=[{"rule": "red_light", **ends}, {"rule": "stop_line", **ends}],
        lines={"henti": 0.0, "simpang": PAINT_M},
        across=(-road, 0.0),
    )
    law = ApproachLaw(entry_s=PAINT_M, left_x=-road, right_x=0.0, link=_link(arm))
    return WatchedPlace(
        id=name,
        origin=origin,
        heading=heading,
        camera=camera,
        view=view,
        settings=settings,
        fps=rng.choice((5.0, 5.0, 10.0)),
        approach=law,
    )
