"""Driving with an expired plate: UU 22/2009 article 280 with 68(1)."""

import calendar
from dataclasses import replace
from datetime import date
from typing import ClassVar, Final
from zoneinfo import ZoneInfo

from pydantic import Field

from etle.config import site as config
from etle.types import LEAD_MARK, Finding, Measurement, Plate, RuleName
from pipeline.rules.candidate_rule import CandidateSettings
from pipeline.rules.plate_rule import PlateRule, certain_plate
from pipeline.rules.rule_type import RuleType
from pipeline.scene.calibration import Calibration
from pipeline.scene.identified import IdentifiedVehicle
from pipeline.scene.judgement import NotReported, Reason

_MIN_FRAMES: Final = 2
_MIN_WIDTH_PX: Final = 100.0
"""Of the plate in a frame whose second line counts: its digits are a third as high as those of the number."""


class ExpiredPlate(PlateRule):
    """The month and year on a plate's second line have passed, by more than a grace.

    Measured: days since the last day of that month. Uncertainty: of the second line, which one reader reads: it must be the same in two
    frames at least and nowhere different, on a certain plate. A lead: the reviewer reads the line in the pictures, the register decides.
    """

    name: Final = RuleName("expired_plate")
    views: ClassVar[int] = 3

    class Settings(CandidateSettings):
        grace_days: int = Field(30, ge=0, le=3650, description="Days after the end of the month within which nothing is reported.")

    def __init__(self, settings: Settings, camera: config.CameraSettings, calibration: Calibration) -> None:
        super().__init__(settings, camera, calibration)
        self._grace_days = settings.grace_days

    def judge_plate(self, vehicle: IdentifiedVehicle) -> Finding | NotReported:
        if certain_plate(vehicle.plate) is None:
            return NotReported(reason=Reason.PLATE_NOT_CERTAIN)
        expiry = _certain_expiry(vehicle.plate)
        if expiry is None:
            return NotReported(reason=Reason.EXPIRY_NOT_READ)
        today = vehicle.passage.occurred_at.astimezone(ZoneInfo(vehicle.timezone)).date()
        expired = Measurement(name="expired_for", value=float((today - _last_day(expiry)).days), unit="d", uncertainty=0.0)
        if expired.value <= self._grace_days:
            return NotReported(reason=Reason.NOT_EXPIRED, measured=expired, limit=float(self._grace_days))
        return replace(vehicle.passage, measured=(expired,), facts=(("expiry", expiry),), marks=(LEAD_MARK,))


def _certain_expiry(plate: Plate) -> str | None:
    """`MM·YY`, if it was read in two frames at least and nowhere differently."""
    reads = [sighting for sighting in plate.sightings if sighting.read.expiry is not None]
    large = {sighting.sequence for sighting in reads if sighting.plate.box.width >= _MIN_WIDTH_PX}
    if len({sighting.read.expiry for sighting in reads}) != 1 or len(large) < _MIN_FRAMES:
        return None
    return plate.expiry


def _last_day(expiry: str) -> date:
    month, year = int(expiry[:2]), 2000 + int(expiry[-2:])
    return date(year, month, calendar.monthrange(year, month)[1])


EXPIRED_PLATE: Final = RuleType(
    name=ExpiredPlate.name,
    summary="The month and year on a plate have passed.",
    settings=ExpiredPlate.Settings,
    build=ExpiredPlate,
    example="line: henti",
)
