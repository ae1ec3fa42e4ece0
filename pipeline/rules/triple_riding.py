"""More than one passenger on a motorcycle: UU 22/2009 article 292 with 106(9)."""

from dataclasses import replace
from typing import Final

from pydantic import Field

from etle.config import site as config
from etle.types import LEAD_MARK, Finding, Measurement, RuleName
from pipeline.rules.candidate_rule import CandidateSettings
from pipeline.rules.rider_rule import RiderRule
from pipeline.rules.rule_type import RuleType
from pipeline.scene.calibration import Calibration
from pipeline.scene.judgement import NotReported, Reason
from pipeline.scene.riders import ObservedRiders, rode_abreast, rode_together

_ALLOWED: Final = 2
"""The rider and one passenger."""
_MIN_SHARE: Final = 0.6
"""Of the clear views in which anybody is seen that must show more persons: a detector sees one too many in single frames."""


class TripleRiding(RiderRule):
    """Three persons or more ride one motorcycle.

    Measured: the number of persons, and of the views that show so many. Uncertainty: of the detector of persons, which may see one too many
    or take a load for one: most of the clear views must show three, and the motorcycle must have moved between them so far that whoever
    stands beside it stays behind. Persons beside each other, across the direction of travel, ride two motorcycles in one box. A lead: a
    motorcycle that the camera does not tell from the one beside it lends it its rider.
    """

    name: Final = RuleName("triple_riding")

    class Settings(CandidateSettings):
        min_views: int = Field(3, ge=2, le=20, description="Views that show three persons, between which the motorcycle moved.")

    def __init__(self, settings: Settings, camera: config.CameraSettings, calibration: Calibration) -> None:
        super().__init__(settings, camera, calibration)
        self._min_views = settings.min_views

    def judge_riders(self, observed: ObservedRiders) -> Finding | NotReported:
        clear = [view for view in observed.clear_views if view.count]
        shown = [view for view in clear if view.count > _ALLOWED]
        counted = Measurement(name="views_of_persons", value=float(len(shown)), unit="", uncertainty=0.0)
        if len(clear) < self._min_views:
            return NotReported(reason=Reason.RIDERS_NOT_SEEN, measured=counted, limit=float(self._min_views))
        if not shown:
            return NotReported(reason=Reason.RIDERS_ALLOWED)
        if len(shown) < self._min_views or len(shown) < _MIN_SHARE * len(clear) or not rode_together(shown) or rode_abreast(shown):
            return NotReported(reason=Reason.RIDERS_NOT_SEEN, measured=counted, limit=float(self._min_views))
        persons = Measurement(name="persons", value=float(min(view.count for view in shown)), unit="", uncertainty=0.0)
        return replace(observed.passage, measured=(persons, counted), marks=(LEAD_MARK,))


TRIPLE_RIDING: Final = RuleType(
    name=TripleRiding.name,
    summary="Three persons or more ride one motorcycle.",
    settings=TripleRiding.Settings,
    build=TripleRiding,
    example="line: henti",
)
