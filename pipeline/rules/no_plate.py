"""Driving without a plate: UU 22/2009 article 280 with 68(1)."""

from dataclasses import replace
from typing import ClassVar, Final

from pydantic import Field

from etle.config import site as config
from etle.types import LEAD_MARK, Finding, Measurement, RuleName, Track, VehicleClass
from pipeline.rules.candidate_rule import CandidateSettings
from pipeline.rules.plate_rule import PlateRule
from pipeline.rules.rule_type import RuleType
from pipeline.scene.calibration import Calibration
from pipeline.scene.identified import IdentifiedVehicle
from pipeline.scene.judgement import NotReported, Reason
from pipeline.scene.vehicle_kind import may_be


class NoPlate(PlateRule):
    """A vehicle shows no plate in several views in each of which one would be large enough to be found.

    Measured: the number of such views, and the width that a plate would have in the smallest of them. Uncertainty: of the detector, which
    must return nothing at all that may be a plate, however improbable, in any picture of the vehicle. A dirty, folded, hidden or distant
    plate cannot be told from none. Always a lead: the reviewer looks.
    """

    name: Final = RuleName("no_plate")
    views: ClassVar[int] = 8

    class Settings(CandidateSettings):
        vehicles: tuple[VehicleClass, ...] = Field((VehicleClass.CAR,), description="Classes that are judged.")
        min_views: int = Field(3, ge=2, le=20, description="Views without a plate, in pictures between which the vehicle moved.")
        min_width_px: float = Field(90.0, ge=40, description="Width that a plate would have in each of them.")

    def __init__(self, settings: Settings, camera: config.CameraSettings, calibration: Calibration) -> None:
        super().__init__(settings, camera, calibration)
        self._settings = settings

    def why_not_candidate(self, track: Track) -> Reason | None:
        excluded = [vehicle for vehicle in VehicleClass if vehicle not in self._settings.vehicles]
        return Reason.CLASS_UNCERTAIN if any(may_be(track, vehicle) for vehicle in excluded) else None

    def judge_plate(self, vehicle: IdentifiedVehicle) -> Finding | NotReported:
        if vehicle.plate.sightings:
            return NotReported(reason=Reason.HAS_PLATE)
        clear = {view.sequence: view for view in vehicle.views if view.clear and view.expected_px >= self._settings.min_width_px}
        counted = Measurement(name="views", value=float(len(clear)), unit="", uncertainty=0.0)
        if len(clear) < self._settings.min_views or any(view.score > 0 for view in vehicle.views):
            return NotReported(reason=Reason.PLATE_NOT_SEEN, measured=counted, limit=float(self._settings.min_views))
        width = Measurement(name="expected_width", value=min(view.expected_px for view in clear.values()), unit="px", uncertainty=None)
        return replace(vehicle.passage, measured=(counted, width), marks=(LEAD_MARK,))


NO_PLATE: Final = RuleType(
    name=NoPlate.name,
    summary="A vehicle shows no plate in several views in which one would be large enough to be found.",
    settings=NoPlate.Settings,
    build=NoPlate,
    example="line: henti",
)
