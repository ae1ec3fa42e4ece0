"""Rules that judge a vehicle by what a classifier sees in its pictures. What it is not certain of decides nothing."""

from dataclasses import replace
from typing import Final, Self

from pydantic import Field, model_validator

from etle.config import site as config
from etle.config.strict_yaml import Name
from etle.types import LEAD_MARK, Box, Finding, Measurement, Track, VehicleClass
from pipeline.rules.candidate_rule import CandidateRule, CandidateSettings
from pipeline.scene.attributes import ObservedAttribute
from pipeline.scene.calibration import Calibration
from pipeline.scene.judgement import AwaitsPictures, NotReported, Reason
from pipeline.scene.vehicle_kind import may_be

_MIN_SHARE: Final = 0.75
"""Of the views in which the classifier is certain of something that must show the label."""


class AttributeSettings(CandidateSettings):
    """Common to the rules of this kind."""

    classifier: Name = Field(description="Name of the classifier's weights in the catalogue (`etle models add`).")
    label: str = Field(min_length=1, description="The classifier's label that is the offence.")
    area: tuple[float, float, float, float] = Field(
        (0.05, 0.05, 0.95, 0.55), description="Part of the vehicle's box that is classified: left, top, right, bottom as fractions."
    )
    min_probability: float = Field(0.9, gt=0.5, lt=1, description="Of the label in a view that shows it.")
    min_views: int = Field(3, ge=2, le=20, description="Views that show it.")
    min_width_px: float = Field(180.0, ge=30, description="Width of the vehicle in each of them.")

    @model_validator(mode="after")
    def has_an_area(self) -> Self:
        x1, y1, x2, y2 = self.area
        if not (0 <= x1 < x2 <= 1 and 0 <= y1 < y2 <= 1):
            raise ValueError("area: give left, top, right and bottom from 0 to 1")
        return self


class AttributeRule(CandidateRule):
    """Subclasses have a name."""

    def __init__(self, settings: AttributeSettings, camera: config.CameraSettings, calibration: Calibration) -> None:
        super().__init__(settings, camera, calibration)
        self._settings = settings
        self.classifier, self.label, self.area = settings.classifier, settings.label, Box(*settings.area)

    def awaits(self, passage: Finding) -> AwaitsPictures:
        return AwaitsPictures(passage=passage)

    def why_not_candidate(self, track: Track) -> Reason | None:
        return Reason.CLASS_UNCERTAIN if may_be(track, VehicleClass.MOTORCYCLE) else None

    def judge_attribute(self, observed: ObservedAttribute) -> Finding | NotReported:
        """The decision on a candidate. Who is certain of neither view counts for neither."""
        least = self._settings.min_probability
        told = [view.read.probability(self.label) for view in observed.views if view.clear and view.width_px >= self._settings.min_width_px]
        shown, absent = [p for p in told if p >= least], [p for p in told if p <= 1 - least]
        counted = Measurement(name="views_of_offence", value=float(len(shown)), unit="", uncertainty=0.0)
        if len(shown) >= self._settings.min_views and len(shown) >= _MIN_SHARE * (len(shown) + len(absent)):
            probability = Measurement(name="least_probability", value=min(shown), unit="", uncertainty=None)
            return replace(observed.passage, measured=(counted, probability), facts=(("classifier", self.classifier),), marks=(LEAD_MARK,))
        if len(absent) > len(shown):
            return NotReported(reason=Reason.ATTRIBUTE_ABSENT)
        return NotReported(reason=Reason.ATTRIBUTE_NOT_SEEN, measured=counted, limit=float(self._settings.min_views))
