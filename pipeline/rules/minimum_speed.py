"""Driving below the minimum speed: UU 22/2009 article 287(5) with 106(4)g."""

from typing import Final

from etle.config import site as config
from etle.types import Drawing, Measurement, RuleName, Track
from pipeline.rules.rule_type import RuleType
from pipeline.rules.speed import COVERAGE, SpeedSettings, judged
from pipeline.scene.calibration import Calibration
from pipeline.scene.judgement import Judgement, NotReported, Reason
from pipeline.scene.scene import Rule, Scene
from pipeline.scene.speed import MeasuredSpeed

_STANDS_KMH: Final = 10.0
"""Who is slower has broken down, or is towed."""
_STEADY: Final = 0.2
"""Who changes his speed by a larger share on the stretch brakes for something, or has just started."""


class MinimumSpeed(Rule):
    """A vehicle is slower than the minimum speed, by more than the tolerance and the interval of the measurement, on a free road.

    Measured as by `speed`. The road is free if every other vehicle in view that is, or was, on the stretch was faster than the minimum.
    Who brakes, has just started, or hardly moves is not reported. Without a valid certificate a case is a lead.
    """

    name: Final = RuleName("minimum_speed")

    Settings = SpeedSettings

    def __init__(self, settings: SpeedSettings, camera: config.CameraSettings, calibration: Calibration) -> None:
        self._settings = settings
        self._stretch = settings.stretch(camera, calibration)

    def judge(self, scene: Scene) -> tuple[Judgement, ...]:
        return judged(self.name, self._settings, self._stretch, scene, self._decided)

    def drawing(self) -> Drawing:
        return self._stretch.drawing()

    def _decided(self, speed: Measurement, scene: Scene, track: Track, measured: MeasuredSpeed) -> NotReported | None:
        limit = self._settings.limit_kmh - self._settings.tolerance_kmh
        if speed.value + COVERAGE * (speed.uncertainty or 0.0) >= limit:
            return NotReported(reason=Reason.WITHIN_LIMIT, measured=speed, limit=limit)
        if speed.value < _STANDS_KMH:
            return NotReported(reason=Reason.HARDLY_MOVES, measured=speed, limit=_STANDS_KMH)
        if abs(measured.acceleration) * measured.seconds > _STEADY * measured.m_s:
            return NotReported(reason=Reason.UNSTEADY, measured=speed)
        if any(self._is_slow(other) for other in (*scene.tracks, *scene.ended) if other.id != track.id):
            return NotReported(reason=Reason.HELD_UP, measured=speed)
        return None

    def _is_slow(self, other: Track) -> bool:
        """Whether another vehicle in view is no faster than the minimum, or could not be measured: both may be held up by the same."""
        measured = self._stretch.measure(other, ended=True)
        if measured is None:
            return False
        return isinstance(measured, Reason) or measured.m_s * 3.6 < self._settings.limit_kmh


MINIMUM_SPEED: Final = RuleType(
    name=MinimumSpeed.name,
    summary="A vehicle is slower than the minimum speed on a free road.",
    settings=SpeedSettings,
    build=MinimumSpeed,
    example="zone: zona, limit_kmh: 60",
)
