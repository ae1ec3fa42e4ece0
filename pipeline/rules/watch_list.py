"""A vehicle whose plate is on the watch list: UU 22/2009 article 260(1)a lets the police stop it. No offence of the driver."""

import logging
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import ClassVar, Final
from zoneinfo import ZoneInfo

from pydantic import Field

from etle.config import site as config
from etle.errors import ConfigError
from etle.plates.watch_file import WatchFile, WatchHit, WatchReason
from etle.types import LEAD_MARK, Finding, Measurement, RuleName, VehicleClass
from models.tracking.vehicle_class import vehicle_class_of
from pipeline.rules.candidate_rule import CandidateSettings
from pipeline.rules.plate_rule import PlateRule, certain_plate
from pipeline.rules.rule_type import RuleType
from pipeline.scene.calibration import Calibration
from pipeline.scene.identified import IdentifiedVehicle
from pipeline.scene.judgement import NotReported, Reason
from pipeline.scene.vehicle_kind import may_be

log = logging.getLogger(__name__)
_FRAMES: Final = 2


class WatchListRule(PlateRule):
    """A plate is on the watch list: stolen, blocked, or cloned and on a vehicle of another class than the register's.

    Measured: the age of the list. Uncertainty: of the plate, which must be certain and read alike in two frames. Always a lead: the officer
    who stops the vehicle decides, and the driver may be its owner.
    """

    name: Final = RuleName("watch_list")
    views: ClassVar[int] = _FRAMES

    class Settings(CandidateSettings):
        file: Path = Field(description="The list, as `etle watch-list export` writes it; replaced while workers run.")
        max_age_h: float = Field(
            48.0, gt=0, le=24 * 31, description="An older list reports nobody: vehicles that were found are still on it."
        )

    def __init__(self, settings: Settings, camera: config.CameraSettings, calibration: Calibration) -> None:
        super().__init__(settings, camera, calibration)
        self._list = _ReplacedFile(settings.file, f"camera {camera.id!r}, rule 'watch_list'")
        self._max_age = timedelta(hours=settings.max_age_h)

    def judge_plate(self, vehicle: IdentifiedVehicle) -> Finding | NotReported:
        at = vehicle.passage.occurred_at
        if certain_plate(vehicle.classless_plate, frames=_FRAMES) is None:
            return NotReported(reason=Reason.PLATE_NOT_CERTAIN)
        listed = self._list.current()
        age = Measurement(name="list_age", value=max(0.0, listed.age(at) / timedelta(hours=1)), unit="h", uncertainty=0.0)
        if listed.age(at) > self._max_age:
            return NotReported(reason=Reason.LIST_TOO_OLD, measured=age, limit=self._max_age / timedelta(hours=1))
        assert vehicle.classless_plate.text is not None, "a certain plate has a text"
        hit = listed.find(vehicle.classless_plate.text, at, at.astimezone(ZoneInfo(vehicle.timezone)).date())
        if hit is None:
            return NotReported(reason=Reason.NOT_LISTED)
        if reason := _why_not_the_clone(hit, vehicle):
            return NotReported(reason=reason)
        return replace(vehicle.passage, measured=(age,), facts=_facts(hit), marks=(LEAD_MARK,))


class _ReplacedFile:
    """Reads the file again when it was replaced. A broken one is refused at the start; later the last good one stays in use."""

    def __init__(self, path: Path, where: str) -> None:
        self._path = path
        try:
            self._stamp, self._read = self._stamped(), WatchFile.read(path)
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from error

    def current(self) -> WatchFile:
        stamp = self._stamped()
        if stamp is not None and stamp != self._stamp:
            self._stamp = stamp
            try:
                self._read = WatchFile.read(self._path)
            except ConfigError as error:
                log.warning("%s; the list of %s stays in use", error, self._read.written_at.isoformat())
        return self._read

    def _stamped(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino


def _why_not_the_clone(hit: WatchHit, vehicle: IdentifiedVehicle) -> Reason | None:
    """Of a cloned plate only the vehicle that certainly is none of the register's class is reported, if the class is known."""
    if hit.reason is not WatchReason.CLONED or hit.vehicle is None:
        return None
    two_wheels = hit.vehicle is VehicleClass.MOTORCYCLE
    if (vehicle_class_of(vehicle.track) is VehicleClass.MOTORCYCLE) is two_wheels:
        return Reason.NUMBER_FITS
    if any((each is VehicleClass.MOTORCYCLE) is two_wheels and may_be(vehicle.track, each) for each in VehicleClass):
        return Reason.CLASS_UNCERTAIN
    return None


def _facts(hit: WatchHit) -> tuple[tuple[str, str], ...]:
    return (("listed_as", hit.reason.value), ("listed_number", str(hit.number)), ("listed_until", hit.valid_until.isoformat()))


WATCH_LIST: Final = RuleType(
    name=WatchListRule.name,
    summary="A plate is on the watch list: stolen, blocked or cloned. A lead, no offence.",
    settings=WatchListRule.Settings,
    build=WatchListRule,
    example="line: henti, file: /etc/etle/watch-list.json",
)
