"""What vehicles really did, from the states of the simulation: positions of the front, speeds, and the signal's states.

Nothing here uses the rules' code. An act is `clear` if it remains the same act wherever the front was within what a camera can know of it,
and if the camera saw the vehicle; otherwise it is unclear: reporting it is right, and not reporting it is no miss.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from etle.types import Lamp, RuleName, VehicleClass, View
from pipeline.evaluation.traffic.demand import VehicleModel
from pipeline.evaluation.traffic.place import ApproachLaw, WatchedPlace
from pipeline.evaluation.traffic.sumo_run import SignalStates, Trajectory

if TYPE_CHECKING:
    from numpy.typing import NDArray

RED_LIGHT, STOP_LINE = RuleName("red_light"), RuleName("stop_line")
POSITION_M: Final = 0.6
"""Interval of a front that the camera sees: two standard uncertainties of 0.3 m, to both sides."""
LENGTH_M: Final = {VehicleClass.CAR: (3.4, 5.4), VehicleClass.MOTORCYCLE: (1.7, 2.2)}
"""From behind, the front is a length ahead of what the camera sees: the shortest and the longest length of the class."""
LARGE_M, NARROW_M = (3.5, 18.5), 7.0
"""That of a bus or truck may be anything; of one that is no wider than a car, `NARROW_M` at most."""
CAR_WIDTH_M: Final = 2.15
GRACE_S: Final = 0.3
STAND_S: Final = 1.5
SIGNAL_S: Final = 0.6
"""A signal is read at most so far apart around a moment."""
_STANDS_M_S: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class TrueAct:
    """A violation. `rules`: each of them reports it rightly; `begin_s` to `end_s`: when the camera must see the vehicle to tell."""

    vehicle: str
    rules: frozenset[RuleName]
    at_s: float
    begin_s: float
    end_s: float
    clear: bool


def acts_at(place: WatchedPlace, trajectories: Sequence[Trajectory], signals: SignalStates) -> list[TrueAct]:
    """All violations at a place."""
    if place.approach is None:
        return []
    law = place.approach
    reds = [(start, end) for start, end, lamp in signals.phases(law.link) if lamp is Lamp.RED]
    judged = (_at_approach(place, law, trajectory, reds) for trajectory in trajectories)
    return [act for act in judged if act is not None]


@dataclass(frozen=True, slots=True)
class _Way:
    """A vehicle's front in the place: seconds and, n each, s and x."""

    seconds: "NDArray[np.float64]"
    s: "NDArray[np.float64]"
    x: "NDArray[np.float64]"
    speed: "NDArray[np.float64]"

    def passes(self, s: float, after: int = 0) -> tuple[float, int] | None:
        """When the front passes s for the first time, interpolated between two states, and the index of the state after it."""
        ahead = self.s[after:] > s
        steps = np.flatnonzero(ahead[1:] & ~ahead[:-1])
        if not len(steps):
            return None
        i = after + int(steps[0])
        part = (s - self.s[i]) / (self.s[i + 1] - self.s[i])
        return float(self.seconds[i] + part * (self.seconds[i + 1] - self.seconds[i])), i + 1


def _at_approach(place: WatchedPlace, law: ApproachLaw, trajectory: Trajectory, reds: Sequence[tuple[float, float]]) -> TrueAct | None:
    """Red light or stop line."""
    poses = place.poses(trajectory.rows[:, 1:4])
    way = _Way(trajectory.seconds, poses[:, 0], poses[:, 1], trajectory.rows[:, 4])
    crossed = way.passes(0.0)
    if crossed is None or not law.left_x <= way.x[crossed[1]] <= law.right_x:
        return None
    at_s, index = crossed
    red = next((phase for phase in reds if phase[0] <= at_s < phase[1]), None)
    if red is None:
        return None
    entered = way.passes(law.entry_s, index - 1)
    until = min(red[1], entered[0] if entered else float("inf"))
    stand = _stand(way, index, until)
    runs = entered is not None and entered[0] < red[1]
    stops = stand is not None and stand[1] - stand[0] >= STAND_S
    if not runs and not stops:
        return None
    rules = frozenset(rule for rule, holds in ((RED_LIGHT, runs), (STOP_LINE, stops)) if holds)
    before_m, beyond_m = _interval(place.view, trajectory.vehicle.model)
    earliest, latest_line = way.passes(-before_m), way.passes(beyond_m)
    is_red = earliest is not None and earliest[0] >= red[0] + GRACE_S + SIGNAL_S and latest_line is not None
    latest = way.passes(law.entry_s + beyond_m)
    clear_run = runs and latest is not None and latest[0] <= red[1] - SIGNAL_S
    clear_stop = False
    if stops and stand is not None:
        place_s = float(np.interp(stand[0], way.seconds, way.s))
        is_between = beyond_m < place_s < law.entry_s - before_m
        clear_stop = is_between and stand[1] - stand[0] >= STAND_S + 2 * SIGNAL_S + 0.5 and not runs
    begin_s = (earliest[0] if earliest else at_s) - 1.0
    end_s = latest[0] + SIGNAL_S if runs and latest is not None else (stand[0] if stand else at_s) + STAND_S + SIGNAL_S
    return TrueAct(
        vehicle=trajectory.vehicle.id,
        rules=rules,
        at_s=at_s,
        begin_s=begin_s,
        end_s=end_s,
        clear=is_red and (clear_run or clear_stop),
    )


def _stand(way: _Way, index: int, until: float) -> tuple[float, float] | None:
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
