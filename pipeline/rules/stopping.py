"""Stopping where it is forbidden: UU 22/2009 article 287(3) with 106(4)e."""

from typing import Final

from pydantic import Field

from etle.config import site as config
from etle.types import RuleName
from pipeline.rules.rule_type import RuleType
from pipeline.rules.stand import StandRule, StandSettings
from pipeline.scene.calibration import Calibration


class Stopping(StandRule):
    """A vehicle stands in a zone in which stopping is forbidden.

    Measured: how long it has stood inside the zone. Uncertainty: the time in which a vehicle that comes to its stand is within the
    displacement that counts as standing. The limit must be exceeded by two standard uncertainties.
    """

    name: Final = RuleName("stopping")

    class Settings(StandSettings):
        limit_s: float = Field(60.0, gt=0, le=3600, description="Who stands for a shorter time is not reported.")

    def __init__(self, settings: Settings, camera: config.CameraSettings, calibration: Calibration) -> None:
        super().__init__(settings, settings.limit_s, camera, calibration)


STOPPING: Final = RuleType(
    name=Stopping.name,
    summary="A vehicle stands in a zone in which stopping is forbidden.",
    settings=Stopping.Settings,
    build=Stopping,
    act="standing",
    example="zones: [zona], beside: [kiri]",
)
