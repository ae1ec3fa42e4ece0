"""Compares the cases of one camera with what the vehicles really did."""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Final

from etle.types import RuleName
from pipeline.evaluation.traffic.truth import TrueAct
from pipeline.evaluation.traffic.watch import ReportedCase

_SAME_ACT_S: Final = 2.5
"""A case is of an act if its moment is at most so far from it, or within the uncertainty that it states."""
_UNSEEN_S: Final = 0.5
"""An act is not clear if the camera did not detect the vehicle for longer while it was decided."""


class ActStatus(StrEnum):
    """What became of a violation."""

    FOUND = "found"
    MISSED = "missed"
    HIDDEN = "hidden"
    """Not found; the vehicle was hidden or out of the picture while it was decided."""
    UNCERTAIN = "uncertain"
    """Not found; it was no certain violation within what a camera can know of the front's position."""


@dataclass(frozen=True, slots=True)
class JudgedAct:
    act: TrueAct
    rule: RuleName
    """The rule that reported it, or that should have."""
    status: ActStatus


class CaseStatus(StrEnum):
    RIGHT = "right"
    FALSE = "false"
    DOUBLED = "doubled"
    """A further case of an act that is one already."""


@dataclass(frozen=True, slots=True)
class JudgedCase:
    case: ReportedCase
    status: CaseStatus


def judged_cases(cases: Sequence[ReportedCase], acts: Sequence[TrueAct]) -> tuple[list[JudgedCase], dict[int, RuleName]]:
    """Each case with its status, and of each act that was found its index and the rule that reported it.

    A case is right if every vehicle that its evidence shows did what it says, then: evidence that shows an innocent vehicle accuses it.
    """
    found: dict[int, RuleName] = {}
    judged = []
    for case in cases:
        own = [next((i for i, act in enumerate(acts) if act.vehicle == vehicle and _is_of(case, act)), None) for vehicle in case.vehicles]
        known = [i for i in own if i is not None]
        if len(known) < len(own):
            judged.append(JudgedCase(case, CaseStatus.FALSE))
        elif all(i in found for i in known):
            judged.append(JudgedCase(case, CaseStatus.DOUBLED))
        else:
            judged.append(JudgedCase(case, CaseStatus.RIGHT))
            found |= {i: case.rule for i in known if len(known) == 1}
    return judged, found


def judged_acts(acts: Sequence[TrueAct], found: Mapping[int, RuleName], seen: Mapping[str, Sequence[float]], fps: float) -> list[JudgedAct]:
    """`seen`: the seconds at which the camera detected each vehicle, with its lower edge."""
    made = []
    for i, act in enumerate(acts):
        rule = found.get(i) or min(act.rules, key=_order)
        if i in found:
            status = ActStatus.FOUND
        elif not act.clear:
            status = ActStatus.UNCERTAIN
        else:
            status = ActStatus.MISSED if _was_seen(seen.get(act.vehicle, ()), act, fps) else ActStatus.HIDDEN
        made.append(JudgedAct(act, rule, status))
    return made


def _is_of(case: ReportedCase, act: TrueAct) -> bool:
    reach_s = max(_SAME_ACT_S, case.within_s)
    return case.rule in act.rules and act.first_s - reach_s <= case.at_s <= act.last_s + reach_s


def _was_seen(seen: Sequence[float], act: TrueAct, fps: float) -> bool:
    """Whether the vehicle was detected throughout one of the act's windows, without a long gap."""
    longest = max(_UNSEEN_S, 1.6 / fps)
    return any(max(two - one for one, two in pairwise(_moments(seen, *window))) <= longest for window in act.windows)


def _moments(seen: Sequence[float], begin_s: float, end_s: float) -> list[float]:
    return [begin_s, *seen[bisect_left(seen, begin_s) : bisect_right(seen, end_s)], end_s]


def _order(rule: RuleName) -> str:
    """`red_light` before `stop_line`, for an act that is both."""
    return str(rule)
