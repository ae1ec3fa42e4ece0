"""Parking where it is forbidden: UU 22/2009 article 287(3) with 106(4)e."""

from typing import Final

from pydantic import Field

from etle.config import site as config
from etle.types import RuleName
from pipeline.rules.rule_type import RuleType
from pipeline.rules.stand import StandRule, StandSettings
from pipeline.scene.calibration import Calibration


class Parking(StandRule):
    """A vehicle stands for long in a zone in which parking is forbidden, where a short stop is allowed.

    Measured: how long it has stood inside the zone. Uncertainty: as in `stopping`.
    """

    name: Final = RuleName("parking")

    class Settings(StandSettings):
        limit_s: float = Field(300.0, gt=0, le=24 * 3600, description="Who stands for a shorter time is not reported.")

    def __init__(self, settings: Settings, camera: config.CameraSettings, calibration: Calibration) -> None:
        super().__init__(settings, settings.limit_s, camera, calibration)


PARKING: Final = RuleType(
    name=Parking.name,
    summary="A vehicle stands for long in a zone in which parking is forbidden.",
    settings=Parking.Settings,
    build=Parking,
    act="standing",
    example="zones: [zona], beside: [kiri]",
)
