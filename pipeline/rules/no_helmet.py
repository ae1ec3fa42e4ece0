"""Riding without a helmet: UU 22/2009 article 291(1) with 106(8)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from pydantic import Field

from etle.config import site as config
from etle.types import LEAD_MARK, Finding, Headgear, Measurement, RiderHead, RuleName
from pipeline.rules.candidate_rule import CandidateSettings
from pipeline.rules.rider_rule import RiderRule
from pipeline.rules.rule_type import RuleType
from pipeline.scene.calibration import Calibration
from pipeline.scene.judgement import NotReported, Reason
from pipeline.scene.riders import ObservedRiders, rode_together, seats

_MIN_SHARE: Final = 0.75
"""Of the views in which the head is told at all that must show it without a helmet."""


class HelmetSettings(CandidateSettings):
    """Common to both rules."""

    min_views: int = Field(3, ge=2, le=20, description="Views that show the head without a helmet.")


@dataclass(frozen=True, slots=True)
class _BareViews:
    """Views of one head: those that show it bare, and those that show a helmet."""

    bare: int
    helmet: int

    @classmethod
    def of(cls, heads: Sequence[RiderHead]) -> "_BareViews":
        gear = [head.headgear for head in heads]
        return cls(gear.count(Headgear.NO_HELMET), gear.count(Headgear.HELMET))

    def is_certain(self, min_views: int) -> bool:
        return self.bare >= min_views and self.bare >= _MIN_SHARE * (self.bare + self.helmet)


class HelmetRule(RiderRule):
    """Judges the heads on some of the seats."""

    def __init__(self, settings: HelmetSettings, camera: config.CameraSettings, calibration: Calibration) -> None:
        super().__init__(settings, camera, calibration)
        self._min_views = settings.min_views

    def judge_heads(self, observed: ObservedRiders, judged: Sequence[Sequence[RiderHead]]) -> Finding | NotReported:
        """`judged`: the heads of each seat that the rule is about."""
        seen = [_BareViews.of(heads) for heads in judged]
        bare = max(seen, key=lambda each: (each.is_certain(self._min_views), each.bare - each.helmet), default=_BareViews(0, 0))
        counted = Measurement(name="views_of_bare_head", value=float(bare.bare), unit="", uncertainty=0.0)
        if bare.is_certain(self._min_views) and rode_together(observed.clear_views):
            against = Measurement(name="views_of_helmet", value=float(bare.helmet), unit="", uncertainty=0.0)
            return replace(observed.passage, measured=(counted, against), marks=(LEAD_MARK,))
        if seen and all(each.helmet > each.bare for each in seen):
            return NotReported(reason=Reason.RIDERS_ALLOWED)
        return NotReported(reason=Reason.RIDERS_NOT_SEEN, measured=counted, limit=float(self._min_views))


class NoHelmet(HelmetRule):
    """The driver of a motorcycle wears no helmet.

    Measured: the views that show the head bare, in a cap or in a scarf, and those that show a helmet. Uncertainty: of the network that
    reads heads; one that is hidden, small or unclear counts for neither. With passengers, the driver is who sits foremost in the
    direction of travel; where that is not clear nothing is reported. A lead: the reviewer looks at the heads.
    """

    name: Final = RuleName("no_helmet")
    Settings = HelmetSettings

    def judge_riders(self, observed: ObservedRiders) -> Finding | NotReported:
        return self.judge_heads(observed, seats(observed.clear_views)[:1])


NO_HELMET: Final = RuleType(
    name=NoHelmet.name,
    summary="The driver of a motorcycle wears no helmet.",
    settings=HelmetSettings,
    build=NoHelmet,
    example="line: henti",
)
