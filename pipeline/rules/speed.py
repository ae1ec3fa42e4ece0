"""Exceeding the speed limit: UU 22/2009 article 287(5) with 106(4)g."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Final, Self

from pydantic import Field, model_validator

from etle.config import site as config
from etle.config.strict_yaml import Section
from etle.errors import ConfigError
from etle.types import LEAD_MARK, Drawing, Finding, Measurement, RuleName, Track, VehicleClass
from models.tracking.vehicle_class import vehicle_class_of
from pipeline.rules.rule_type import RuleType
from pipeline.scene.calibration import Calibration
from pipeline.scene.judgement import Judgement, NotReported, Reason
from pipeline.scene.scene import Rule, Scene
from pipeline.scene.speed import MeasuredSpeed, SpeedMeter
from pipeline.scene.stretch import LineStretch, Stretch, ZoneStretch

COVERAGE: Final = 2.0
"""The interval of a measured speed: value plus and minus so many standard uncertainties, about 95 %."""
_KMH: Final = 3.6
_ZONES_H: Final = (7, 9)
"""Indonesia's time zones, hours ahead of UTC."""


class Certificate(Section):
    """The calibration certificate of a measuring device."""

    number: str = Field(min_length=1)
    device: str = Field(min_length=1, description="Make, model and serial number.")
    valid_from: date
    valid_to: date

    @model_validator(mode="after")
    def is_ordered(self) -> Self:
        if self.valid_to < self.valid_from:
            raise ValueError(f"certificate {self.number}: valid_to {self.valid_to} is before valid_from {self.valid_from}")
        return self

    def is_valid(self, at: datetime) -> bool:
        """Whether that was a day of its validity everywhere in Indonesia."""
        return all(self.valid_from <= (at + timedelta(hours=hours)).date() <= self.valid_to for hours in _ZONES_H)


class SpeedSettings(Section):
    """Where and how a speed is measured."""

    limit_kmh: float = Field(gt=0, le=200, description="The limit, as signed.")
    zone: config.ZoneName | None = Field(None, description="The area in which vehicles are measured; needs `ground_points`.")
    lines: tuple[config.LineName, config.LineName] | None = Field(
        None, description="Instead: two lines, in the order in which vehicles pass them."
    )
    distance_m: float | None = Field(
        None, gt=0, le=500, description="With `lines`: their distance, measured on the road. With `zone`: the shortest way measured (12)."
    )
    tolerance_kmh: float = Field(5.0, ge=0, le=50, description="Beyond the limit and the interval of the measurement.")
    vehicles: tuple[VehicleClass, ...] = Field((), description="The classes to which the limit applies; all if empty.")
    point_px: float = Field(1.5, gt=0, le=20, description="Standard uncertainty of ground points and lines in the picture, in pixels.")
    point_m: float = Field(0.05, ge=0, le=2, description="Standard uncertainty of the ground points on the road, in metres.")
    certificate: Certificate | None = Field(None, description="Of this camera as a measuring device. Without it every case is a lead.")

    @model_validator(mode="after")
    def has_one_stretch(self) -> Self:
        if (self.zone is None) == (self.lines is None):
            raise ValueError("give either `zone` or `lines`")
        return self

    def stretch(self, camera: config.CameraSettings, calibration: Calibration) -> Stretch:
        """Raises ConfigError for an unknown zone or line, and without the metres that it needs."""
        if calibration.unit != "m" and (self.zone is not None or self.distance_m is None):
            raise ConfigError(f"camera {camera.id!r}: a speed needs `ground_points`, or `lines` with their `distance_m`")
        meter = SpeedMeter(camera, calibration, point_px=self.point_px, point_m=self.point_m) if calibration.unit == "m" else None
        if self.lines is not None:
            start, end = (camera.line(name) for name in self.lines)
            return LineStretch(start, end, calibration, meter, distance_m=self.distance_m, point_px=self.point_px)
        assert self.zone is not None and meter is not None
        return ZoneStretch(camera.zone(self.zone), calibration, meter, distance_m=self.distance_m or 12.0)

    def facts(self, at: datetime) -> tuple[tuple[str, str], ...]:
        """The certificate, if it is valid: a case without it is a lead."""
        valid = self.certificate if self.certificate is not None and self.certificate.is_valid(at) else None
        if valid is None:
            return ()
        return (("certificate", f"{valid.number}, {valid.device}, {valid.valid_from} - {valid.valid_to}"),)


class Speed(Rule):
    """A vehicle is faster than the limit, the tolerance and the interval of the measurement together.

    Measured once for each vehicle, when it has left the zone or passed the second line: its mean speed on the stretch. Uncertainty: of the
    feet of its boxes, of their height above the road, of the ground points or the measured distance, and of the moments of the frames;
    the interval is two standard uncertainties to both sides. Without a valid certificate of the camera as a measuring device the case is a
    lead (mark `lead`), which is no ticket.
    """

    name: Final = RuleName("speed")

    Settings = SpeedSettings

    def __init__(self, settings: SpeedSettings, camera: config.CameraSettings, calibration: Calibration) -> None:
        self._settings = settings
        self._stretch = settings.stretch(camera, calibration)

    def judge(self, scene: Scene) -> tuple[Judgement, ...]:
        return judged(self.name, self._settings, self._stretch, scene, self._decided)

    def drawing(self) -> Drawing:
        return self._stretch.drawing()

    def _decided(self, speed: Measurement, scene: Scene, track: Track, measured: MeasuredSpeed) -> NotReported | None:
        limit = self._settings.limit_kmh + self._settings.tolerance_kmh
        if speed.value - COVERAGE * (speed.uncertainty or 0.0) <= limit:
            return NotReported(reason=Reason.WITHIN_LIMIT, measured=speed, limit=limit)
        return None


Decide = Callable[[Measurement, Scene, Track, MeasuredSpeed], NotReported | None]
"""Why a vehicle with this speed is not reported; None if it is."""


def judged(rule: RuleName, settings: SpeedSettings, stretch: Stretch, scene: Scene, decide: Decide) -> tuple[Judgement, ...]:
    """The judgements on the vehicles whose speed could be measured, or should have been."""
    judgements = []
    ended = {track.id for track in scene.ended}
    for track in (*scene.tracks, *scene.ended):
        vehicle = vehicle_class_of(track)
        if settings.vehicles and vehicle not in settings.vehicles:
            continue
        measured = stretch.measure(track, ended=track.id in ended)
        if measured is None:
            continue
        outcome: Finding | NotReported
        if isinstance(measured, Reason):
            outcome = NotReported(reason=measured)
        else:
            certificate = settings.facts(measured.at)
            speed = Measurement(name="speed", value=measured.m_s * _KMH, unit="km/h", uncertainty=measured.u * _KMH)
            outcome = decide(speed, scene, track, measured) or Finding(
                rule=rule,
                track=track.id,
                first_sequence=track.first.sequence,
                vehicle=vehicle,
                occurred_at=measured.at,
                measured=(
                    speed,
                    Measurement(name="measured_over", value=measured.metres, unit="m", uncertainty=None),
                ),
                facts=(("limit", f"{settings.limit_kmh:g} km/h"), ("tolerance", f"{settings.tolerance_kmh:g} km/h"), *certificate),
                marks=() if certificate else (LEAD_MARK,),
            )
        judgements.append(Judgement(rule=rule, track=track.id, outcome=outcome))
    return tuple(judgements)


SPEED: Final = RuleType(
    name=Speed.name,
    summary="A vehicle is faster than the limit, the tolerance and the interval of the measurement.",
    settings=SpeedSettings,
    build=Speed,
    example="zone: zona, limit_kmh: 50",
)
