"""A plate with the number of another class of vehicle: UU 22/2009 article 280 with 68(1), if the plate is false."""

from dataclasses import replace
from typing import ClassVar, Final

from etle.plates import PlateKind
from etle.plates.tables import shipped_tables
from etle.types import LEAD_MARK, Finding, RuleName, VehicleClass
from models.tracking.vehicle_class import vehicle_class_of
from pipeline.rules.candidate_rule import CandidateSettings
from pipeline.rules.plate_rule import PlateRule, certain_plate
from pipeline.rules.rule_type import RuleType
from pipeline.scene.identified import IdentifiedVehicle
from pipeline.scene.judgement import NotReported, Reason
from pipeline.scene.vehicle_kind import may_be


class NumberOfOtherClass(PlateRule):
    """A motorcycle has a number of the cars' range, or a car one of the motorcycles': a misread, a chosen number, or a cloned plate.

    Measured: nothing; the ranges are those of `configs/plates/numbers.yaml`. Uncertainty: of the plate, which must be certain and read
    alike in two frames, and of the class: the vehicle's sightings must agree on two wheels or more. Always a lead.
    """

    name: Final = RuleName("number_range")
    views: ClassVar[int] = 2
    Settings = CandidateSettings

    def judge_plate(self, vehicle: IdentifiedVehicle) -> Finding | NotReported:
        parsed = certain_plate(vehicle.classless_plate, frames=2)
        if parsed is None or parsed.number is None:
            return NotReported(reason=Reason.PLATE_NOT_CERTAIN)
        allowed = shipped_tables().vehicles(parsed.prefix, parsed.number) if parsed.kind is PlateKind.CIVIL else ()
        two_wheels = vehicle_class_of(vehicle.track) is VehicleClass.MOTORCYCLE
        if not allowed or any((each is VehicleClass.MOTORCYCLE) is two_wheels for each in allowed):
            return NotReported(reason=Reason.NUMBER_FITS)
        if any((each is VehicleClass.MOTORCYCLE) is not two_wheels and may_be(vehicle.track, each) for each in VehicleClass):
            return NotReported(reason=Reason.CLASS_UNCERTAIN)
        facts = (("number_of", ", ".join(each.value for each in allowed)),)
        return replace(vehicle.passage, facts=facts, marks=(LEAD_MARK,))


NUMBER_RANGE: Final = RuleType(
    name=NumberOfOtherClass.name,
    summary="A plate has a number of another class of vehicle: a misread, a chosen number, or a cloned plate.",
    settings=CandidateSettings,
    build=NumberOfOtherClass,
    example="line: henti",
)
