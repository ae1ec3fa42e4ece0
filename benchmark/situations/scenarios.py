"""Random scenarios with known truth: who did nothing, and who clearly broke which rule.

Each scenario draws its geometry, frame rate, noise, occlusions, vehicle lengths and signal phases. A violation counts as clear if the
front crossed the line at least 1.2 s after the red began and the act was complete a second before it ended; acts in between are not drawn.
Nor is it clear if the vehicle was not detected for half a second, or in one of few frames, while it passed the line or entered the
junction.
"""

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

from benchmark.situations.road import LINE_S, RED_LIGHT, STOP_LINE, RoadCamera, RoadLane, RoadUser, legs, straight
from benchmark.situations.trial import Signal, Trial, phases
from etle.types import Box, Lamp, VehicleClass, View

AMBER_S = 3.0
_LONGEST_GAP_S = 0.5
CAR, MOTORCYCLE, BUS, TRUCK = VehicleClass.CAR, VehicleClass.MOTORCYCLE, VehicleClass.BUS, VehicleClass.TRUCK
LANES = (
    RoadLane(id="masuk", left_x=-3.5, right_x=0.0, start_s=12, end_s=75),
    RoadLane(id="keluar", left_x=0.0, right_x=3.5, start_s=12, end_s=75, ahead=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    trial: Trial
    guilty: Mapping[str, str] = field(default_factory=dict)
    """Rule that each guilty road user clearly broke."""
    unclear: frozenset[str] = frozenset()
    """Road users who broke a rule unclearly. Every other user is innocent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Phases:
    red_s: float
    green_s: float

    @classmethod
    def drawn(cls, rng: random.Random) -> "_Phases":
        red_s = rng.uniform(7, 10)
        return cls(red_s=red_s, green_s=red_s + rng.uniform(9, 14))

    @property
    def signal(self) -> Signal:
        return phases((0, Lamp.GREEN), (self.red_s - AMBER_S, Lamp.YELLOW), (self.red_s, Lamp.RED), (self.green_s, Lamp.GREEN))


def scenario(rng: random.Random) -> Scenario:
    """One of the families, drawn by how much can go wrong in it."""
    return rng.choices((_junction, _queue_switch, _opposite_lanes), weights=(8, 2, 2))[0](rng)


def _junction(rng: random.Random) -> Scenario:
    times = _Phases.drawn(rng)
    camera = _camera(rng)
    users, guilty = [], {}
    for number, x in enumerate((-2.6, 0.4, 3.2)):
        act = rng.choice(_INNOCENT_ACTS + _GUILTY_ACTS) if rng.random() < 0.9 else rng.choice(_INNOCENT_ACTS)
        user = act(rng, f"{act.__name__.lstrip('_')}-{number}", x + rng.uniform(-0.3, 0.3), times, camera)
        users.append(_badly_detected(rng, user, times, classes=camera.view is View.FRONT or act not in _GUILTY_ACTS))
        if act in _GUILTY_ACTS:
            guilty[user.name] = "stop_line" if act is _stops_beyond else "red_light"
    trial = _trial(rng, users, times.green_s + 6, camera, times.signal)
    unclear = frozenset(user.name for user in users if user.name in guilty and not _is_well_seen(user, trial))
    return Scenario(trial=trial, guilty={name: rule for name, rule in guilty.items() if name not in unclear}, unclear=unclear)


def _is_well_seen(user: RoadUser, trial: Trial) -> bool:
    """Whether it is detected from a second before its front passes the line to a second after it is in the junction, or has stopped."""
    moments = [number / trial.fps for number in range(int(trial.length_s * trial.fps) + 1)]
    passes = next(second for second in moments if _front(user, second) >= LINE_S)
    enters = next((second for second in moments if _front(user, second) >= trial.camera.entry_s), passes)
    until = enters + 1 if enters - passes < 3 else passes + 2
    hidden = (*user.hidden, *trial.lost)
    seen = [second for second in moments if passes - 1 <= second <= until and not any(start <= second < end for start, end in hidden)]
    return max((two - one for one, two in pairwise(seen)), default=9.0) <= max(_LONGEST_GAP_S, 1.6 / trial.fps)


def _front(user: RoadUser, second: float) -> float:
    place = user.path(second)
    return -math.inf if place is None else place[0]


def _trial(rng: random.Random, users: list[RoadUser], length_s: float, camera: RoadCamera, signal: Signal) -> Trial:
    lost_at = rng.uniform(0, length_s)
    fps = rng.choice((2, 3, 4, 5, 6, 8, 10, 10, 12.5, 15, 25))
    sway_px, sway_hz = rng.choice((0.0, 0.0, 0.0, rng.uniform(0.5, 2.5))), rng.uniform(0.2, 2)
    return Trial(
        users=users,
        signal=_unread(signal, rng, fps),
        camera=camera,
        rules=(RED_LIGHT, STOP_LINE),
        fps=fps,
        length_s=length_s,
        noise_px=rng.uniform(0, 2.5),
        seed=rng.randrange(1 << 30),
        lost=((lost_at, lost_at + rng.uniform(0.2, 0.6)),) if rng.random() < 0.2 else (),
        shake=lambda second: (0.0, sway_px * math.sin(2 * math.pi * sway_hz * second)),
    )


def _unread(signal: Signal, rng: random.Random, fps: float) -> Signal:
    """The same signal with readings of `unknown` in a share of the frames: so few that red is read every 0.6 s."""
    share = rng.choice((0.0, 0.0, 0.05, 0.2)) if fps >= 10 else 0.0
    seed = rng.randrange(1 << 30)
    return lambda second: Lamp.UNKNOWN if random.Random(f"{seed} {second:.3f}").random() < share else signal(second)


def _camera(rng: random.Random) -> RoadCamera:
    view = rng.choice((View.FRONT, View.REAR))
    at_s = rng.uniform(75, 92) if view is View.FRONT else rng.uniform(14, 24)
    side_x = rng.choice((0.0, 0.0, rng.uniform(-10, 10)))
    height_m = rng.choice((rng.uniform(6, 9), rng.uniform(4, 6)))
    return RoadCamera(view, at_s=at_s, height_m=height_m, focal_px=rng.uniform(1100, 1600), side_x=side_x, entry_m=rng.uniform(3, 6))


def _badly_detected(rng: random.Random, user: RoadUser, times: _Phases, *, classes: bool) -> RoadUser:
    """The same user, in every fourth case missed for moments, and in every fourth with another class, in some frames or in all.

    `classes`: not of who is guilty and seen from behind: how long such a vehicle is, and where its front, is not clear then.
    """
    hidden = user.hidden
    if rng.random() < 0.25:
        moments = [times.red_s + rng.uniform(-4, 12) for _ in range(rng.randint(1, 5))]
        hidden = (*hidden, *((moment, moment + rng.uniform(0.1, 0.5)) for moment in moments))
    if not classes or user.vehicle is MOTORCYCLE or rng.random() < 0.75:
        return replace(user, hidden=hidden)
    other, share, seed = rng.choice({CAR: (TRUCK, BUS), TRUCK: (CAR, BUS), BUS: (CAR, TRUCK)}[user.vehicle]), rng.random(), rng.random()
    always = user.vehicle is not CAR and rng.random() < 0.5

    def label(second: float) -> VehicleClass:
        return other if always or random.Random(f"{seed} {second:.3f}").random() < share else user.vehicle

    return replace(user, hidden=hidden, label=label)


def _kind(rng: random.Random) -> VehicleClass:
    return rng.choice((CAR, CAR, MOTORCYCLE, MOTORCYCLE, MOTORCYCLE, TRUCK, BUS))


def _size(rng: random.Random, kind: VehicleClass) -> tuple[float, float, float] | None:
    if kind is TRUCK:
        return rng.choice((4.5, 6.0, 8.0, 12.0, 16.0)), 2.4, 3.2
    if kind is BUS:
        return rng.choice((7.0, 12.0, 18.0)), 2.5, 3.1
    return None


def _passes_lawfully(rng: random.Random, name: str, x: float, times: _Phases, camera: RoadCamera) -> RoadUser:
    """Crosses the line on green or amber, often within a fraction of a second of the red."""
    kind, speed = _kind(rng), rng.uniform(3, 16)
    crosses = rng.choice(
        (
            times.red_s - rng.uniform(0.02, 0.6),
            times.red_s - rng.uniform(0.02, 3),
            times.green_s + rng.uniform(0.02, 0.4),
            times.green_s + rng.uniform(0.02, 3),
        )
    )
    return RoadUser(name=name, path=straight(LINE_S - speed * crosses, speed, x), vehicle=kind, size=_size(rng, kind))


def _enters_after_green(rng: random.Random, name: str, x: float, times: _Phases, camera: RoadCamera) -> RoadUser:
    """Rolls over the line in the last moment of red and enters the junction on green."""
    speed = rng.uniform(3, 8)
    crosses = times.green_s - rng.uniform(0.0, 0.9) * (camera.entry_s - LINE_S) / speed
    return RoadUser(name=name, path=straight(LINE_S - speed * crosses, speed, x), vehicle=rng.choice((CAR, MOTORCYCLE)))


def _waits(rng: random.Random, name: str, x: float, times: _Phases, camera: RoadCamera) -> RoadUser:
    """Stops before the line, and starts on green; its foot may be hidden, or another box may grow into its own, for a while."""
    stop = LINE_S - rng.uniform(0.4, 3)
    arrives = times.red_s + rng.uniform(-1, 4)
    starts = times.green_s + rng.uniform(0.3, 1.5)
    path = legs(
        (arrives - 4, stop - 28),
        (arrives - 1, stop - 5),
        (arrives, stop - 1.2),
        (arrives + 0.8, stop),
        (starts, stop),
        (starts + 2, stop + 6),
        (starts + 5, stop + 36),
        x=x,
    )
    kind = _kind(rng)
    return RoadUser(name=name, path=path, vehicle=kind, size=_size(rng, kind), drawn=_disturbed(rng, times))


def _jammed(rng: random.Random, name: str, x: float, times: _Phases, camera: RoadCamera) -> RoadUser:
    """Crosses the line on green, is stopped by a jam between line and junction, and stands there through the red."""
    stop = LINE_S + rng.uniform(0.2, max(0.5, camera.entry_s - LINE_S - 0.5))
    arrives = times.red_s - rng.uniform(2.0, 5)
    starts = rng.choice((times.green_s + 1, times.red_s + rng.uniform(3, 6)))
    path = legs(
        (arrives - 4, stop - 30),
        (arrives - 1, stop - 5),
        (arrives, stop - 1),
        (arrives + 0.6, stop),
        (starts, stop),
        (starts + 3, stop + 12),
        (starts + 6, stop + 45),
        x=x,
    )
    return RoadUser(name=name, path=path, vehicle=rng.choice((CAR, MOTORCYCLE)), drawn=_disturbed(rng, times))


def _walks(rng: random.Random, name: str, x: float, times: _Phases, camera: RoadCamera) -> RoadUser:
    """A pedestrian with a cart, or a motorcycle that is pushed."""
    speed = rng.uniform(0.7, 1.5)
    path = straight(LINE_S - 6, speed, x, start=times.red_s + rng.uniform(-2, 3))
    return RoadUser(name=name, path=path, vehicle=MOTORCYCLE, size=(rng.choice((0.9, 1.95)), 0.6, 1.7))


def _pushes(rng: random.Random, name: str, x: float, times: _Phases, camera: RoadCamera) -> RoadUser:
    """A motorcycle that is ridden to the line and pushed over it."""
    stop, arrives = LINE_S - rng.uniform(0.4, 2), times.red_s + rng.uniform(-1, 1)
    starts, speed = arrives + rng.uniform(1.5, 3), rng.uniform(0.7, 1.5)
    ahead = (starts, stop), (starts + 20 / speed, stop + 20)
    path = legs((arrives - 4, stop - 28), (arrives - 1, stop - 5), (arrives, stop - 1.2), (arrives + 0.8, stop), *ahead, x=x)
    return RoadUser(name=name, path=path, vehicle=MOTORCYCLE)


def _starts_on_red(rng: random.Random, name: str, x: float, times: _Phases, camera: RoadCamera) -> RoadUser:
    """Comes on red, waits before the line, and drives on into the junction before the green."""
    stop, arrives = LINE_S - rng.uniform(0.4, 2), times.red_s + rng.uniform(1.5, 3)
    acceleration = rng.uniform(1.5, 3)
    takes = math.sqrt(2 * (camera.entry_s + 5 - stop) / acceleration)
    starts = rng.uniform(arrives + 1.3, max(arrives + 1.4, times.green_s - 1.5 - takes))
    started = [(starts + 0.25 * n, stop + acceleration * (0.25 * n) ** 2 / 2) for n in range(25)]
    path = legs((arrives - 4, stop - 28), (arrives - 1, stop - 5), (arrives, stop - 1.2), (arrives + 0.8, stop), *started, x=x)
    return RoadUser(name=name, path=path, vehicle=rng.choice((CAR, MOTORCYCLE)))


def _runs_red(rng: random.Random, name: str, x: float, times: _Phases, camera: RoadCamera) -> RoadUser:
    kind = rng.choice((CAR, MOTORCYCLE))
    speed = rng.uniform(4, 15)
    latest = times.green_s - 1.5 - (camera.entry_s - LINE_S + 5) / speed
    crosses = rng.uniform(times.red_s + 1.2, max(times.red_s + 1.3, latest))
    return RoadUser(name=name, path=straight(LINE_S - speed * crosses, speed, x), vehicle=kind)


def _stops_beyond(rng: random.Random, name: str, x: float, times: _Phases, camera: RoadCamera) -> RoadUser:
    stop = LINE_S + rng.uniform(1.6, max(1.7, camera.entry_s - LINE_S - 0.9))
    arrives = times.red_s + rng.uniform(2.0, 3.5)
    starts = times.green_s + 1
    path = legs(
        (arrives - 4, stop - 28),
        (arrives - 1, stop - 5),
        (arrives, stop - 1),
        (arrives + 0.6, stop),
        (starts, stop),
        (starts + 4, stop + 30),
        x=x,
    )
    return RoadUser(name=name, path=path, vehicle=rng.choice((CAR, MOTORCYCLE)))


def _disturbed(rng: random.Random, times: _Phases) -> Callable[[float, Box], Box]:
    """In every third case the lower edge is hidden, or drawn too low, for a while: at once, or little by little."""
    if rng.random() < 0.67:
        return lambda second, box: box
    start = rng.uniform(times.red_s - 1, times.green_s - 1)
    end, ramp = start + rng.uniform(0.2, 3), rng.choice((0.01, 0.01, 0.3, 0.8))
    by = rng.choice((-1, -1, 1)) * rng.uniform(8, 45)

    def drawn(second: float, box: Box) -> Box:
        amount = max(0.0, min(1.0, (second - start) / ramp, (end - second) / ramp))
        return Box(box.x1, box.y1, box.x2, max(box.y1 + 8, box.y2 + by * amount))

    return drawn


def _queue_switch(rng: random.Random) -> Scenario:
    """A waits before the line and is lost just as C appears some metres ahead of it, or behind it."""
    times = _Phases.drawn(rng)
    camera = _camera(rng)
    kind = rng.choice((CAR, MOTORCYCLE))
    stop = LINE_S - rng.uniform(0.5, 3)
    lost_at, lost_s = times.red_s + rng.uniform(2, 4), rng.uniform(0.1, 0.8)
    ahead = rng.choice((-1, 1, 1)) * rng.uniform(3, 7)
    moves = rng.choice((0.0, 0.0, rng.uniform(1, 4))) if ahead > 0 else 0.0
    waiting = legs((times.red_s - 2, stop - 16), (times.red_s + 1, stop - 2), (times.red_s + 1.8, stop))
    hidden = ((lost_at, 99.0),) if rng.random() < 0.5 else ((lost_at, lost_at + lost_s),)
    first = RoadUser(name="A", path=waiting, vehicle=kind, hidden=hidden)

    def appears(second: float) -> tuple[float, float] | None:
        since = second - lost_at - lost_s * 0.9
        return (stop + ahead + moves * since, 0.2) if since >= 0 else None

    trial = _trial(rng, [first, RoadUser(name="C", path=appears, vehicle=kind)], times.green_s - 0.5, camera, times.signal)
    return Scenario(trial=trial)


def _opposite_lanes(rng: random.Random) -> Scenario:
    """Lawful traffic near the centre line of two opposite lanes, and sometimes a vehicle that drives against its lane."""
    camera = RoadCamera(
        rng.choice((View.FRONT, View.REAR)), height_m=rng.uniform(6, 9), side_x=rng.choice((0.0, 0.0, rng.uniform(-12, 12)))
    )
    speed = rng.uniform(4, 12)
    lawful = rng.choice((-0.1, -0.35, -0.8, -1.6)) if rng.random() < 0.5 else rng.choice((0.1, 0.35, 0.8, 1.6))
    start = (18.0, speed) if lawful < 0 else (70.0, -speed)
    users = [RoadUser(name="lawful", path=straight(start[0], start[1], lawful), vehicle=_kind(rng))]
    guilty = {}
    if rng.random() < 0.4 and camera.view is View.FRONT:
        users.append(
            RoadUser(
                name="against",
                path=straight(70, -rng.uniform(4, 10), rng.uniform(-2.2, -1.3), start=0.5),
                vehicle=rng.choice((CAR, MOTORCYCLE)),
            )
        )
        guilty["against"] = "wrong_way"
        users.pop(0) if lawful < 0 else None
    trial = Trial(
        users=users, camera=camera, rules=({"rule": "wrong_way", "lanes": ["masuk", "keluar"]},), lanes=LANES, length_s=8,
        fps=rng.choice((5, 10, 12.5)), noise_px=rng.uniform(0, 2), seed=rng.randrange(1 << 30),
    )  # fmt: skip
    return Scenario(trial=trial, guilty=guilty)


_GUILTY_ACTS = (_runs_red, _starts_on_red, _stops_beyond)
_INNOCENT_ACTS = (_passes_lawfully, _passes_lawfully, _enters_after_green, _waits, _waits, _jammed, _jammed, _walks, _pushes)
