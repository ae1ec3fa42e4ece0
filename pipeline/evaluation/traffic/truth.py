"""What vehicles really did, from the states of the simulation: positions of the front, speeds, and the signal's states.

Nothing here uses the rules' code. An act is `clear` if it remains the same act wherever the front was within what a camera can know of it,
and if the camera saw the vehicle; otherwise it is unclear: reporting it is right, and not reporting it is no miss.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from etle.types import Lamp, RuleName, VehicleClass, View
from pipeline.evaluation.traffic.demand import DrawnVehicle, VehicleModel
from pipeline.evaluation.traffic.place import ApproachLaw, MarkingLaw, RoadRectangle, SpeedLaw, WatchedPlace
from pipeline.evaluation.traffic.sumo_run import SignalStates, Trajectory

if TYPE_CHECKING:
    from numpy.typing import NDArray

RED_LIGHT, STOP_LINE, SPEED = RuleName("red_light"), RuleName("stop_line"), RuleName("speed")
SOLID_LINE, WRONG_WAY, U_TURN = RuleName("solid_line"), RuleName("wrong_way"), RuleName("u_turn")
POSITION_M: Final = 0.6
"""Interval of a front that the camera sees: two standard uncertainties of 0.3 m, to both sides."""
LENGTH_M: Final = {VehicleClass.CAR: (3.4, 5.4), VehicleClass.MOTORCYCLE: (1.7, 2.2)}
"""From behind, the front is a length ahead of what the camera sees: the shortest and the longest length of the class."""
LARGE_M, NARROW_M = (3.5, 18.5), 7.0
"""That of a bus or truck may be anything; of one that is no wider than a car, `NARROW_M` at most."""
CAR_WIDTH_M: Final = 2.15
GRACE_S: Final = 0.3
STAND_S: Final = 1.5
CLEAR_STAND_S: Final = 3.2
PUSHED_KMH, PUSHED_S, GOT_OFF_S = 10.0, 1.5, 3.0
"""Nobody pushes a motorcycle faster, on average over `PUSHED_S`; nor gets off and pushes it within `GOT_OFF_S`."""
SIGNAL_S: Final = 0.6
"""A signal is read at most so far apart around a moment."""
SPEED_KMH: Final = 5.0
"""Interval of a speed."""
BESIDE_M, BESIDE_S = 0.5, 0.5
"""A vehicle is certainly beside a line if it keeps so far from it, for so long."""
AGAINST_M, CLEAR_AGAINST_M, CLEAR_AGAINST_KMH = 5.0, 12.0, 8.0
TURN_DEG, CLEAR_TURN_DEG = 150.0, 165.0
OFFSET_M, LEG_M = 3.0, 5.0
"""Who turns round certainly comes back so far beside its way, and drives straight for so long before and after."""
_STANDS_M_S: Final = 0.28
"""1 km/h: slower motion moves a box by less than its jitter."""
_STRAIGHT_DEG: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrueAct:
    """A violation. `rules`: each of them reports it rightly, with a moment between `first_s` and `last_s`.

    `windows`: the camera can tell it if it saw the vehicle throughout one of them.
    """

    vehicle: str
    rules: frozenset[RuleName]
    first_s: float
    last_s: float
    windows: tuple[tuple[float, float], ...]
    clear: bool


def acts_at(place: WatchedPlace, trajectories: Sequence[Trajectory], signals: SignalStates) -> list[TrueAct]:
    """All violations at a place."""
    acts: list[TrueAct | None] = []
    reds = [phase[:2] for phase in signals.phases(place.approach.link) if phase[2] is Lamp.RED] if place.approach else []
    for trajectory in trajectories:
        way = VehiclePath.of(place, trajectory)
        if place.approach is not None:
            acts.append(_at_approach(place, place.approach, way, reds))
        if place.speed is not None:
            acts.append(_speeding(place.speed, way))
        if place.marking is not None:
            acts.append(_crossing(place.marking, way))
        if place.against is not None:
            acts.append(_against(place.against, way))
        if place.turn is not None:
            acts.append(_turning(place.turn, way))
    return [act for act in acts if act is not None]


@dataclass(frozen=True, slots=True)
class VehiclePath:
    """A vehicle in the place: seconds, s and x of the middle of its front (m), heading (radians from s to -x) and speed (m/s), n each."""

    vehicle: DrawnVehicle
    seconds: "NDArray[np.float64]"
    s: "NDArray[np.float64]"
    x: "NDArray[np.float64]"
    heading: "NDArray[np.float64]"
    speed: "NDArray[np.float64]"

    @classmethod
    def of(cls, place: WatchedPlace, trajectory: Trajectory) -> "VehiclePath":
        poses = place.poses(trajectory.rows[:, 1:4])
        return cls(trajectory.vehicle, trajectory.seconds, poses[:, 0], poses[:, 1], np.unwrap(poses[:, 2]), trajectory.rows[:, 4])

    def passes(self, s: float, after: int = 0) -> tuple[float, int] | None:
        """When the front passes s for the first time, interpolated between two states, and the index of the state after it."""
        ahead = self.s[after:] > s
        steps = np.flatnonzero(ahead[1:] & ~ahead[:-1])
        if not len(steps):
            return None
        i = after + int(steps[0])
        part = (s - self.s[i]) / (self.s[i + 1] - self.s[i])
        return float(self.seconds[i] + part * (self.seconds[i + 1] - self.seconds[i])), i + 1

    def inside(self, area: RoadRectangle) -> list[tuple[int, int]]:
        """First and last index of each stay of the front in an area."""
        there = (self.s >= area.start_s) & (self.s <= area.end_s) & (self.x >= area.left_x) & (self.x <= area.right_x)
        return _runs(there)

    def driven(self) -> "NDArray[np.float64]":
        """Metres driven up to each state."""
        return np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(self.s), np.diff(self.x)))])


def _runs(values: "NDArray[np.bool_]") -> list[tuple[int, int]]:
    """First and last index of each unbroken run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], values, [False]]).astype(int)))
    return [(int(start), int(end) - 1) for start, end in zip(edges[::2], edges[1::2], strict=True)]


def _at_approach(place: WatchedPlace, law: ApproachLaw, way: VehiclePath, reds: Sequence[tuple[float, float]]) -> TrueAct | None:
    """Red light or stop line."""
    crossed = way.passes(0.0)
    if crossed is None or not law.left_x <= way.x[crossed[1]] <= law.right_x:
        return None
    at_s, index = crossed
    red = next((phase for phase in reds if phase[0] <= at_s < phase[1]), None)
    if red is None:
        return None
    entered = way.passes(law.entry_s, index - 1)
    stand = _stand(way, index, min(red[1], entered[0] if entered else float("inf")))
    runs = entered is not None and entered[0] < red[1]
    stops = stand is not None and stand[1] - stand[0] >= STAND_S
    if not runs and not stops:
        return None
    before_m, beyond_m = _interval(place.view, way.vehicle.model)
    earliest, latest = way.passes(-before_m), way.passes(law.entry_s + beyond_m)
    clear_run = runs and latest is not None and latest[0] <= red[1] - SIGNAL_S
    clear_stop = False
    if stand is not None and stops and not runs:
        stands_at = float(np.interp(stand[0], way.seconds, way.s))
        clear_stop = beyond_m < stands_at < law.entry_s - before_m and stand[1] - stand[0] >= CLEAR_STAND_S
    end_s = latest[0] + SIGNAL_S if runs and latest is not None else (stand[0] if stand else at_s) + STAND_S + SIGNAL_S
    return TrueAct(
        vehicle=way.vehicle.id,
        rules=frozenset(rule for rule, holds in ((RED_LIGHT, runs), (STOP_LINE, stops)) if holds),
        first_s=at_s,
        last_s=at_s,
        windows=(((earliest[0] if earliest else at_s) - 1.0, end_s),),
        clear=(clear_run or clear_stop)
        and earliest is not None
        and earliest[0] >= red[0] + GRACE_S + SIGNAL_S
        and not _may_be_pushed(way, at_s - GOT_OFF_S, end_s),
    )


def _may_be_pushed(way: VehiclePath, start_s: float, end_s: float) -> bool:
    """Whether it is a motorcycle that was not faster than somebody who pushes it: a camera does not tell whether its rider sits on it."""
    if way.vehicle.model.vehicle is not VehicleClass.MOTORCYCLE:
        return False
    starts = way.seconds[(way.seconds >= start_s) & (way.seconds + PUSHED_S <= end_s)]
    driven = np.interp(starts + PUSHED_S, way.seconds, way.driven()) - np.interp(starts, way.seconds, way.driven())
    return float(driven.max(initial=0.0)) < PUSHED_KMH / 3.6 * PUSHED_S


def _stand(way: VehiclePath, index: int, until: float) -> tuple[float, float] | None:
    """The longest time in which the vehicle stands beyond the line, from a state on, up to a moment; None if it never stands."""
    longest: tuple[float, float] | None = None
    start: float | None = None
    for second, speed in zip(way.seconds[index:], way.speed[index:], strict=True):
        if speed >= _STANDS_M_S or second > until:
            start = None
            if second > until:
                break
            continue
        start = second if start is None else start
        if longest is None or second - start > longest[1] - longest[0]:
            longest = start, float(second)
    return longest


def _interval(view: View, model: VehicleModel) -> tuple[float, float]:
    """How far before and beyond the true front a camera must reckon with it."""
    if view is View.FRONT:
        return POSITION_M, POSITION_M
    low, high = LENGTH_M.get(model.vehicle, LARGE_M)
    if model.vehicle not in LENGTH_M and model.width_m <= CAR_WIDTH_M:
        high = NARROW_M
    return POSITION_M + max(0.0, high - model.length_m), POSITION_M + max(0.0, model.length_m - low)


def _speeding(law: SpeedLaw, way: VehiclePath) -> TrueAct | None:
    """Faster than limit and tolerance on average over the whole area."""
    area = law.area
    start, end = way.passes(area.start_s), way.passes(area.end_s)
    if start is None or end is None or not area.left_x <= way.x[start[1]] <= area.right_x:
        return None
    kmh = 3.6 * (area.end_s - area.start_s) / (end[0] - start[0])
    beyond = kmh - law.limit_kmh - law.tolerance_kmh
    if beyond <= 0:
        return None
    return TrueAct(
        vehicle=way.vehicle.id,
        rules=frozenset({SPEED}),
        first_s=start[0],
        last_s=end[0],
        windows=((start[0], end[0]),),
        clear=beyond >= SPEED_KMH,
    )


def _crossing(law: MarkingLaw, way: VehiclePath) -> TrueAct | None:
    """The whole vehicle is on one side of the line, and later on the other; the middle of its front crosses where the line is solid."""
    sides = np.sign(way.x - law.x)
    middles = [i for i in np.flatnonzero(np.diff(sides)) if law.start_s <= way.s[i] <= law.end_s]
    left, right = _extent(way)
    clearance = np.where(right < law.x, law.x - right, np.where(left > law.x, left - law.x, 0.0))
    side = np.where(right < law.x, -1, np.where(left > law.x, 1, 0))
    for middle in middles:
        before, after = np.flatnonzero(side[: middle + 1]), middle + 1 + np.flatnonzero(side[middle + 1 :])
        if not len(before) or not len(after) or side[before[-1]] == side[after[0]]:
            continue
        first, last = int(before[-1]), int(after[0])
        margin = way.vehicle.model.length_m + 1.0
        well = (clearance >= BESIDE_M) & (way.s >= law.start_s) & (way.s <= law.end_s)
        start = next((run for run in reversed(_runs(well[: first + 1])) if _lasts(way, run)), None)
        end = next((run for run in _runs(well[last:]) if _lasts(way, run)), None)
        windows: tuple[tuple[float, float], ...] = ()
        if start is not None and end is not None:
            windows = ((float(way.seconds[start[1]]) - BESIDE_S, float(way.seconds[last + end[0]]) + BESIDE_S),)
        return TrueAct(
            vehicle=way.vehicle.id,
            rules=frozenset({SOLID_LINE}),
            first_s=float(way.seconds[first]),
            last_s=float(way.seconds[last]),
            windows=windows,
            clear=bool(windows) and law.start_s + margin <= way.s[middle] <= law.end_s - margin,
        )
    return None


def _lasts(way: VehiclePath, run: tuple[int, int]) -> bool:
    return float(way.seconds[run[1]] - way.seconds[run[0]]) >= BESIDE_S


def _extent(way: VehiclePath) -> tuple["NDArray[np.float64]", "NDArray[np.float64]"]:
    """Smallest and largest x of the vehicle's corners."""
    model = way.vehicle.model
    rear = way.x + model.length_m * np.sin(way.heading)
    half = model.width_m / 2 * np.cos(way.heading)
    return np.minimum(way.x, rear) - np.abs(half), np.maximum(way.x, rear) + np.abs(half)


def _against(area: RoadRectangle, way: VehiclePath) -> TrueAct | None:
    """Five metres against s, without leaving the area."""
    for first, last in way.inside(area):
        back = way.s[first] - way.s[first : last + 1]
        if back.max() < AGAINST_M:
            continue
        reached = first + int(np.flatnonzero(back >= AGAINST_M)[0])
        windows = []
        for start in range(first, last + 1):
            ends = np.flatnonzero(way.s[start] - way.s[start : last + 1] >= CLEAR_AGAINST_M)
            if len(ends):
                windows.append((float(way.seconds[start]), float(way.seconds[start + int(ends[0])])))
        slowest = min((CLEAR_AGAINST_M / (end - start) * 3.6 for start, end in windows), default=0.0)
        return TrueAct(
            vehicle=way.vehicle.id,
            rules=frozenset({WRONG_WAY}),
            first_s=float(way.seconds[reached]),
            last_s=float(way.seconds[last]),
            windows=tuple(windows),
            clear=slowest >= CLEAR_AGAINST_KMH,
        )
    return None


def _turning(area: RoadRectangle, way: VehiclePath) -> TrueAct | None:
    """The heading changes by 150 degrees inside the area."""
    for first, last in way.inside(area):
        heading = way.heading[first : last + 1]
        turned = np.abs(heading - heading[0])
        if turned[-1] < np.radians(TURN_DEG):
            continue
        begins = first + int(np.flatnonzero(turned >= np.radians(_STRAIGHT_DEG))[0])
        ends = first + int(np.flatnonzero(turned <= turned[-1] - np.radians(_STRAIGHT_DEG))[-1])
        driven = way.driven()
        start = int(np.searchsorted(driven, driven[begins] - LEG_M))
        end = int(np.searchsorted(driven, driven[ends] + LEG_M))
        offset = abs(
            (way.x[ends] - way.x[begins]) * np.cos(way.heading[first]) + (way.s[ends] - way.s[begins]) * np.sin(way.heading[first])
        )
        is_clear = turned[-1] >= np.radians(CLEAR_TURN_DEG) and offset >= OFFSET_M and start >= first and end <= last
        return TrueAct(
            vehicle=way.vehicle.id,
            rules=frozenset({U_TURN}),
            first_s=float(way.seconds[begins]),
            last_s=float(way.seconds[ends]),
            windows=((float(way.seconds[start]), float(way.seconds[min(end, len(way.seconds) - 1)])),),
            clear=bool(is_clear),
        )
    return None
