"""Odd-even restriction (ganjil-genap): UU 22/2009 article 287(1) with 106(4)a; Pergub DKI Jakarta 88/2019."""

from dataclasses import replace
from typing import ClassVar, Final
from zoneinfo import ZoneInfo

from pydantic import Field

from etle.config import site as config
from etle.plates import PlateKind
from etle.types import CharacterRead, Finding, Measurement, Plate, PlateColour, RuleName, Track, VehicleClass
from pipeline.rules.candidate_rule import CandidateSettings
from pipeline.rules.plate_rule import PlateRule, certain_plate
from pipeline.rules.rule_type import RuleType
from pipeline.scene.calibration import Calibration
from pipeline.scene.identified import IdentifiedVehicle
from pipeline.scene.judgement import NotReported, Reason
from pipeline.scene.vehicle_kind import may_be

_MAX_OTHER: Final = 0.01
"""Largest probability that the last digit is one that may drive on this day: one misread digit turns every second verdict."""
_DIGITS: Final = "0123456789"


class OddEven(PlateRule):
    """A vehicle with an odd number drives on an even day of the month, or the other way round; 0 is even.

    Measured: the last digit of the number and the day of the month in the time zone of the site. Uncertainty: of the plate. It must be
    certain, read alike in two frames, and no digit of the other parity may be likely in the last place. Exempt by colour, by the blue strip
    of electric vehicles, by class, and with plates that are not civil ones; where one of these cannot be told, nothing is reported.
    """

    name: Final = RuleName("odd_even")
    views: ClassVar[int] = 2

    class Settings(CandidateSettings):
        vehicles: tuple[VehicleClass, ...] = Field((VehicleClass.CAR,), description="Classes to which the restriction applies.")
        exempt_colours: tuple[PlateColour, ...] = Field(
            (PlateColour.YELLOW, PlateColour.RED), description="Colours of exempt plates: public transport, government."
        )
        electric_exempt: bool = Field(True, description="Whether electric vehicles, with the blue strip, are exempt.")

    def __init__(self, settings: Settings, camera: config.CameraSettings, calibration: Calibration) -> None:
        super().__init__(settings, camera, calibration)
        self._settings = settings

    def why_not_candidate(self, track: Track) -> Reason | None:
        excluded = [vehicle for vehicle in VehicleClass if vehicle not in self._settings.vehicles]
        return Reason.EXEMPT if any(may_be(track, vehicle) for vehicle in excluded) else None

    def judge_plate(self, vehicle: IdentifiedVehicle) -> Finding | NotReported:
        plate, day = vehicle.plate, vehicle.passage.occurred_at.astimezone(ZoneInfo(vehicle.timezone)).date()
        if reason := self._why_exempt(plate):
            return NotReported(reason=reason)
        parsed = certain_plate(plate, frames=2)
        if parsed is None or parsed.number is None:
            return NotReported(reason=Reason.PLATE_NOT_CERTAIN)
        if parsed.kind is not PlateKind.CIVIL:
            return NotReported(reason=Reason.EXEMPT)
        digit = parsed.number % 10
        if digit % 2 == day.day % 2:
            return NotReported(reason=Reason.DAY_ALLOWED)
        last = plate.characters[len(parsed.prefix) + len(str(parsed.number)) - 1]
        if _probability_of_parity(last, day.day % 2) > _MAX_OTHER:
            return NotReported(reason=Reason.PLATE_NOT_CERTAIN)
        if reason := self._why_exemption_unknown(plate):
            return NotReported(reason=reason)
        measured = (_count("last_digit", digit), _count("day_of_month", day.day))
        facts = (("day", day.isoformat()), ("plate_colour", plate.colour.value))
        return replace(vehicle.passage, measured=measured, facts=facts)

    def _why_exempt(self, plate: Plate) -> Reason | None:
        colours = {sighting.read.colour for sighting in plate.sightings}
        if plate.colour in self._settings.exempt_colours or (self._settings.electric_exempt and plate.electric):
            return Reason.EXEMPT
        return Reason.EXEMPTION_UNKNOWN if colours & set(self._settings.exempt_colours) else None

    def _why_exemption_unknown(self, plate: Plate) -> Reason | None:
        colour_unknown = self._settings.exempt_colours and plate.colour is PlateColour.UNKNOWN
        strip_unknown = self._settings.electric_exempt and plate.electric is None
        return Reason.EXEMPTION_UNKNOWN if colour_unknown or strip_unknown else None


def _probability_of_parity(read: CharacterRead, parity: int) -> float:
    shares = ((read.character, read.probability), *read.alternatives)
    return sum(probability for character, probability in shares if character in _DIGITS and int(character) % 2 == parity)


def _count(name: str, value: int) -> Measurement:
    return Measurement(name=name, value=float(value), unit="", uncertainty=0.0)


ODD_EVEN: Final = RuleType(
    name=OddEven.name,
    summary="A vehicle with an odd number drives on an even day of the month, or the other way round.",
    settings=OddEven.Settings,
    build=OddEven,
    example=(
        "line: henti, schedule: {hours: [{days: [mon, tue, wed, thu, fri], hours: 06:00-10:00, holidays: not},"
        " {days: [mon, tue, wed, thu, fri], hours: 16:00-21:00, holidays: not}]}"
    ),
)
