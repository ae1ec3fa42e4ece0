"""Marks for the reviewer: what no camera knows may explain what it saw. A mark never suppresses a violation.

An officer waves traffic through, an ambulance comes from behind, a vehicle is towed, a pedestrian was taken for a motorcycle, or the
signal is out of order. `MARKS` is the only list of them: to add a mark, add its condition here and its texts `mark.NAME` and
`mark.NAME.help` in `review/texts/`. The case page and the list of cases show them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from etle.clock import seconds_between
from etle.types import Finding, Measurement
from pipeline.scene.signals import SignalHistory

SEVERAL: Final = 3
"""So many vehicles that do the same on one red have a reason in common: an officer, an ambulance, a fault of the signal."""
TOGETHER_S: Final = 10.0
WALKING_KMH: Final = 6.5
LONG_RED_S: Final = 180.0
"""No signal plan has a longer red."""
KEEP_S: Final = 600.0
"""Findings of this time count as those of one red."""
_SAME_RED_S: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkContext:
    """A finding when its evidence is complete, with what else is known of its camera by then."""

    finding: Finding
    others: tuple[Finding, ...]
    """The other findings of the camera."""
    signal: SignalHistory | None
    """None for rules without a signal."""

    @property
    def red_began_at(self) -> datetime | None:
        """When the red began on which the vehicle crossed; None for rules without a signal."""
        return _red_began_at(self.finding)

    def on_same_red(self) -> tuple[Finding, ...]:
        """The other vehicles that were reported on the same red, each once."""
        began_at = self.red_began_at
        if began_at is None:
            return ()
        other_vehicles = (each for each in self.others if each.track != self.finding.track)
        same = {each.track: each for each in other_vehicles if _is_near(_red_began_at(each), began_at)}
        return tuple(same.values())


def _is_burst(context: MarkContext) -> bool:
    """Several vehicles ran the same red."""
    ran = [each for each in context.on_same_red() if each.rule == context.finding.rule == "red_light"]
    return len(ran) + 1 >= SEVERAL


def _stopped_together(context: MarkContext) -> bool:
    """Several vehicles stopped beyond the line at once: they made way, or were told to."""
    near = (each for each in context.on_same_red() if abs(seconds_between(each.occurred_at, context.finding.occurred_at)) <= TOGETHER_S)
    stopped = [each for each in near if each.rule == context.finding.rule == "stop_line"]
    return len(stopped) + 1 >= SEVERAL


def _is_red_without_amber(context: MarkContext) -> bool:
    """The red was not seen to follow amber: red in all directions after a fault, or a signal that the camera saw too late."""
    if context.signal is None:
        return False
    red = context.signal.red_phase(context.finding.occurred_at, context.finding.occurred_at)
    return red is not None and not red.after_amber


def _is_short_red(context: MarkContext) -> bool:
    """What the signal showed afterwards puts the red in doubt: it was over at once."""
    if context.signal is None or context.red_began_at is None:
        return False
    return context.signal.red_phase(context.finding.occurred_at, context.finding.occurred_at) is None


def _is_long_red(context: MarkContext) -> bool:
    """The signal may be stuck, and drivers may have been right to go on with care."""
    red_s = _measured(context.finding, "time_into_red")
    return red_s is not None and red_s.value > LONG_RED_S


def _is_walking_pace(context: MarkContext) -> bool:
    """Pushed, towed, or a pedestrian."""
    speed = _measured(context.finding, "speed")
    return speed is not None and speed.value - (speed.uncertainty or 0.0) < WALKING_KMH


MARKS: Final[Mapping[str, Callable[[MarkContext], bool]]] = {
    "burst": _is_burst,
    "stopped_together": _stopped_together,
    "red_without_amber": _is_red_without_amber,
    "short_red": _is_short_red,
    "long_red": _is_long_red,
    "walking_pace": _is_walking_pace,
}


def marks_of(context: MarkContext) -> tuple[str, ...]:
    """Names of the marks that apply."""
    return tuple(name for name, applies in MARKS.items() if applies(context))


def kept_findings(findings: Sequence[Finding], now: datetime) -> tuple[Finding, ...]:
    """Without those that are too old to be of the same red."""
    return tuple(each for each in findings if seconds_between(each.occurred_at, now) <= KEEP_S)


def _red_began_at(finding: Finding) -> datetime | None:
    red_s = _measured(finding, "time_into_red")
    return None if red_s is None else finding.occurred_at - timedelta(seconds=red_s.value)


def _is_near(one: datetime | None, two: datetime) -> bool:
    return one is not None and abs(seconds_between(one, two)) <= _SAME_RED_S


def _measured(finding: Finding, name: str) -> Measurement | None:
    return next((each for each in finding.measured if each.name == name), None)
