"""A dual carriageway with a gap in its median, and two cameras: one over a solid line between two lanes, which also measures speeds, and
one at the gap, where turning round is forbidden, over lanes against which some ride.

Lawful drivers change lanes where the line is broken, and keep to the limit or exceed it by less than is reported.
"""

import random
from math import pi
from typing import Final

from etle.types import VehicleClass, View
from pipeline.evaluation.traffic.camera import VirtualCamera
from pipeline.evaluation.traffic.demand import DepartingVehicles
from pipeline.evaluation.traffic.place import MarkingLaw, RoadRectangle, SpeedLaw, WatchedPlace, camera_settings
from pipeline.evaluation.traffic.sumo_run import SumoScenario

LANE_M, MEDIAN_M = 3.25, 3.0
_CENTRE: Final = MEDIAN_M / 2 + LANE_M
"""Distance of the middle of each carriageway from the middle of the road."""
_EDGE: Final = MEDIAN_M / 2 + 2 * LANE_M
_SOLID: Final = (-170.0, -80.0)
"""Where the line between the eastbound lanes is solid, in metres east of the gap."""
_HALF_M: Final = 260.0
_GAP_M: Final = 9.0
LIMIT_KMH, TOLERANCE_KMH = 50.0, 5.0
_ROAD_KMH: Final = 60.0
"""SUMO's limit, of which drivers drive a factor."""
_DRIVERS: Final = {
    "calm": 'speedFactor="normc(0.72,0.06,0.5,0.85)"',
    "brisk": 'speedFactor="normc(0.86,0.03,0.8,0.92)"',
    "speeder": 'speedFactor="normc(1.35,0.15,1.12,1.7)"',
    "crosser": 'vClass="custom1" speedFactor="normc(0.55,0.06,0.42,0.7)" maxSpeedLat="1.8" latAlignment="center"',
    "turner": 'speedFactor="normc(0.7,0.06,0.5,0.85)"',
    "wrong": 'vClass="custom2" speedFactor="normc(0.42,0.1,0.25,0.65)" latAlignment="center"',
}
_SHARES: Final = {"calm": 68, "brisk": 8, "speeder": 8, "crosser": 16}


def road(seed: int, seconds: float) -> tuple[SumoScenario, tuple[WatchedPlace, ...]]:
    """The scenario and the cameras of that seed."""
    rng = random.Random(f"road {seed}")
    departures = DepartingVehicles(rng, _DRIVERS)
    _eastbound(departures, rng, seconds)
    _westbound(departures, rng, seconds)
    _against(departures, rng, seconds)
    nodes, edges, connections = _roads()
    scenario = SumoScenario(
        nodes=nodes,
        edges=edges,
        connections=connections,
        routes=departures.routes(),
        vehicles=departures.vehicles,
        seconds=seconds,
        seed=seed,
    )
    return scenario, (_line_place(rng, f"road-{seed}-line"), _gap_place(rng, f"road-{seed}-gap"))


def _roads() -> tuple[str, str, str]:
    east = {"a": -_HALF_M, "b": _SOLID[0], "c": _SOLID[1]}
    nodes = [f'<node id="{name}" x="{x}" y="{_CENTRE}" type="priority"/>' for name, x in east.items()]
    nodes += ['<node id="m" x="0" y="0" type="priority"/>', f'<node id="e" x="{_HALF_M}" y="{_CENTRE}" type="priority"/>']
    nodes += [f'<node id="{name}" x="{x}" y="{-_CENTRE}" type="priority"/>' for name, x in (("f", _HALF_M), ("g", -_HALF_M))]
    edges = [
        _edge("e1", "a", "b", (-_HALF_M, _SOLID[0]), _CENTRE),
        _edge("e2", "b", "c", _SOLID, _CENTRE, 'changeLeft="custom1" changeRight="custom1"'),
        _edge("e3", "c", "m", (_SOLID[1], -_GAP_M), _CENTRE),
        _edge("e4", "m", "e", (_GAP_M, _HALF_M), _CENTRE),
        _edge("w1", "f", "m", (_HALF_M, _GAP_M), -_CENTRE),
        _edge("w2", "m", "g", (-_GAP_M, -_HALF_M), -_CENTRE),
    ]
    for lane, y in enumerate(_AGAINST_Y):
        nodes += [f'<node id="x{lane}" x="-150" y="{y}"/><node id="y{lane}" x="-14" y="{y}"/>']
        edges.append(
            f'<edge id="against{lane}" from="x{lane}" to="y{lane}" numLanes="1" speed="{_ROAD_KMH / 3.6:.2f}" width="1" allow="custom2" '
            'spreadType="center"/>'
        )
    straight = [
        f'<connection from="{one}" to="{two}" fromLane="{lane}" toLane="{lane}"/>'
        for one, two in (("e1", "e2"), ("e2", "e3"), ("e3", "e4"), ("w1", "w2"))
        for lane in (0, 1)
    ]
    turn = '<connection from="e3" to="w2" fromLane="1" toLane="0"/>'
    return f"<nodes>{''.join(nodes)}</nodes>", f"<edges>{''.join(edges)}</edges>", f"<connections>{''.join(straight)}{turn}</connections>"


_AGAINST_Y: Final = (-(_EDGE - 0.7), -_CENTRE - 0.4)
"""Riders keep to the kerb; some drivers drive in the middle of the carriageway. Other vehicles do not see them in SUMO."""


def _edge(name: str, start: str, end: str, xs: tuple[float, float], y: float, lane: str = "") -> str:
    lanes = "".join(f'<lane index="{index}" {lane}/>' for index in (0, 1)) if lane else ""
    return (
        f'<edge id="{name}" from="{start}" to="{end}" numLanes="2" speed="{_ROAD_KMH / 3.6:.2f}" width="{LANE_M}" spreadType="center" '
        f'disallow="custom2" shape="{xs[0]},{y} {xs[1]},{y}">{lanes}</edge>'
    )


def _eastbound(departures: DepartingVehicles, rng: random.Random, seconds: float, per_hour: float = 800.0) -> None:
    at_s = 0.0
    while (at_s := at_s + rng.expovariate(per_hour / 3600)) < seconds - 20:
        driver = rng.choices(list(_SHARES), list(_SHARES.values()))[0]
        if rng.random() < 0.08:
            model = departures.draw_model(VehicleClass.CAR, VehicleClass.MOTORCYCLE)
            departures.add(at_s, model, "turner", ("e1", "e2", "e3", "w2"), depart=_depart("1"))
            continue
        lane, stops = rng.choice("01"), ""
        if driver == "crosser":
            ends = rng.uniform(-162, -152), rng.uniform(-120, -112)
            stops = "".join(_waypoint("e2", side, x) for side, x in zip((lane, "10"[int(lane)]), ends, strict=True))
        model = departures.draw_model(*((VehicleClass.CAR, VehicleClass.MOTORCYCLE) if driver == "speeder" else ()))
        departures.add(at_s, model, driver, ("e1", "e2", "e3", "e4"), depart=_depart(lane), stops=stops)


def _westbound(departures: DepartingVehicles, rng: random.Random, seconds: float, per_hour: float = 600.0) -> None:
    at_s = 0.0
    while (at_s := at_s + rng.expovariate(per_hour / 3600)) < seconds - 20:
        departures.add(at_s, departures.draw_model(), rng.choice(("calm", "calm", "brisk")), ("w1", "w2"), depart=_depart(rng.choice("01")))


def _against(departures: DepartingVehicles, rng: random.Random, seconds: float) -> None:
    at_s = 0.0
    while (at_s := at_s + rng.uniform(20, 60)) < seconds - 40:
        lane = 0 if rng.random() < 0.85 else 1
        model = departures.draw_model(VehicleClass.CAR if lane else VehicleClass.MOTORCYCLE)
        departures.add(at_s, model, "wrong", (f"against{lane}",), depart='departSpeed="max"')


def _depart(lane: str) -> str:
    return f'departLane="{lane}" departSpeed="max" departPosLat="random"'


def _waypoint(edge: str, lane: str, x: float) -> str:
    """The vehicle passes a place in that lane, without stopping."""
    end = x - _SOLID[0]
    return f'<stop lane="{edge}_{lane}" startPos="{end - 4:.1f}" endPos="{end:.1f}" speed="16"/>'


def _line_place(rng: random.Random, name: str) -> WatchedPlace:
    """Along the eastbound lanes; s = 0 is in the middle of what the camera sees of the solid line."""
    view = rng.choice((View.FRONT, View.REAR))
    front = view is View.FRONT
    camera = VirtualCamera(
        position=(-_CENTRE + rng.uniform(-1.5, 1.5), rng.uniform(34, 40) if front else -rng.uniform(34, 40), rng.uniform(6.5, 8)),
        target=(-_CENTRE, -2.0 if front else 2.0, 0.0),
        focal_px=rng.uniform(1300, 1500),
    )
    marking = MarkingLaw(x=-_CENTRE, start_s=-24.0, end_s=18.0) if front else MarkingLaw(x=-_CENTRE, start_s=-18.0, end_s=24.0)
    area = RoadRectangle(start_s=-12, end_s=14, left_x=-_EDGE, right_x=-MEDIAN_M / 2)
    settings = camera_settings(
        name,
        camera,
        view,
        ground=[(s, x) for x in (-_EDGE, -MEDIAN_M / 2) for s in (-20.0, 0.0, 16.0)],
        zones={"ukur": area},
        markings={"marka": marking},
        rules=[{"rule": "speed", "zone": "ukur", "limit_kmh": LIMIT_KMH}, {"rule": "solid_line", "markings": ["marka"]}],
    )
    return WatchedPlace(
        id=name,
        origin=(-127.0, 0.0),
        heading=0.0,
        camera=camera,
        view=view,
        settings=settings,
        fps=10.0,
        speed=SpeedLaw(area=area, limit_kmh=LIMIT_KMH, tolerance_kmh=TOLERANCE_KMH),
        marking=marking,
    )


def _gap_place(rng: random.Random, name: str) -> WatchedPlace:
    """Along the westbound lanes, s = 0 at the gap."""
    camera = VirtualCamera(
        position=(rng.uniform(-3, 3), -rng.uniform(24, 30), rng.uniform(7, 8.5)), target=(1.0, 8.0, 0.0), focal_px=rng.uniform(1150, 1300)
    )
    lane = RoadRectangle(start_s=6, end_s=34, left_x=-_EDGE, right_x=-MEDIAN_M / 2)
    turn = RoadRectangle(start_s=-10, end_s=28, left_x=-_EDGE - 1, right_x=_EDGE + 1)
    settings = camera_settings(
        name,
        camera,
        View.REAR,
        ground=[(s, x) for x in (-_EDGE, _EDGE) for s in (0.0, 12.0, 26.0)],
        lanes={"keluar": (lane, 1), "masuk": (RoadRectangle(start_s=6, end_s=34, left_x=MEDIAN_M / 2, right_x=_EDGE), -1)},
        zones={"putar": turn},
        rules=[{"rule": "wrong_way", "lanes": ["keluar"]}, {"rule": "u_turn", "zone": "putar"}],
    )
    return WatchedPlace(
        id=name,
        origin=(0.0, 0.0),
        heading=pi,
        camera=camera,
        view=View.REAR,
        settings=settings,
        fps=rng.choice((5.0, 10.0, 10.0)),
        against=lane,
        turn=turn,
    )
