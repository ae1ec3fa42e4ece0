"""Carrying a passenger without a helmet: UU 22/2009 article 291(2) with 106(8). The driver is liable."""

from typing import Final

from etle.types import Finding, RuleName
from pipeline.rules.no_helmet import HelmetRule, HelmetSettings
from pipeline.rules.rule_type import RuleType
from pipeline.scene.judgement import NotReported, Reason
from pipeline.scene.riders import ObservedRiders, seats


class NoHelmetPassenger(HelmetRule):
    """A passenger on a motorcycle wears no helmet. The driver is liable.

    Measured and uncertain as in `no_helmet`: the head of the passenger who shows most views without a helmet counts. A lead.
    """

    name: Final = RuleName("no_helmet_passenger")
    Settings = HelmetSettings

    def judge_riders(self, observed: ObservedRiders) -> Finding | NotReported:
        passengers = seats(observed.clear_views)[1:]
        if not passengers and observed.clear_views and all(len(view.riders) == 1 for view in observed.clear_views):
            return NotReported(reason=Reason.RIDERS_ALLOWED)
        return self.judge_heads(observed, passengers)


NO_HELMET_PASSENGER: Final = RuleType(
    name=NoHelmetPassenger.name,
    summary="A passenger on a motorcycle wears no helmet.",
    settings=HelmetSettings,
    build=NoHelmetPassenger,
    example="line: henti",
)
