"""Driving against the traffic: UU 22/2009 article 287(1) with 106(4)a and b."""

from datetime import datetime, timedelta
from itertools import pairwise
from math import cos, radians
from typing import Final

from pydantic import Field

from etle.clock import seconds_between
from etle.config import site as config
from etle.config.strict_yaml import Name, Section
from etle.geometry import displacement_along, distance, polygon_contains
from etle.types import Drawing, Finding, Measurement, Point, RuleName, Sighting, Track
from models.tracking.vehicle_class import vehicle_class_of
from pipeline.rules.approach import drawing_of
from pipeline.rules.rule_type import RuleType
from pipeline.scene.calibration import Calibration
from pipeline.scene.scene import Scene, seen_throughout


class WrongWay:
    """A vehicle drives a distance against the direction of its lane.

    Measured: the distance driven against the lane's arrow inside the lane, and the mean speed over it. Uncertainty: of the foot of the
    box at both ends. Rolling back, turning and crossing the lane are excluded: the path must be long, lead mostly against the arrow and
    be driven faster than walking speed.
    """

    name: Final = RuleName("wrong_way")

    class Settings(Section):
        lanes: tuple[Name, ...] = Field(min_length=1, description="The lanes to which the rule applies.")
        distance_m: float = Field(
            5.0, gt=0, le=100, description="Minimum distance against the arrow; without ground points a box is 1.5 m high."
        )
        angle_deg: float = Field(45.0, gt=0, lt=90, description="Maximum angle between the path and the direction opposite to the arrow.")
        speed_kmh: float = Field(5.0, ge=0, description="A slower vehicle is rolling back and is not reported.")

    def __init__(self, settings: Settings, camera: config.CameraSettings, calibration: Calibration) -> None:
        self._settings = settings
        self._calibration = calibration
        self._lanes = tuple(camera.lane(name) for name in settings.lanes)
        self._against = tuple(tuple(calibration.ground(Point(*point)) for point in reversed(lane.along)) for lane in self._lanes)

    def findings(self, scene: Scene) -> tuple[Finding, ...]:
        found = (self._finding(track) for track in (*scene.tracks, *scene.ended))
        return tuple(finding for finding in found if finding)

    def drawing(self) -> Drawing:
        return drawing_of((), lanes=self._lanes)

    def _finding(self, track: Track) -> Finding | None:
        for lane, (start, end) in zip(self._lanes, self._against, strict=True):
            if self._distance_against(track.first, track.last, start, end) <= 0:
                continue
            path = self._path_in(lane, track)
            if path and (finding := self._evaluate(track, path, start, end)):
                return finding
        return None

    def _evaluate(self, track: Track, path: tuple[Sighting, ...], start: Point, end: Point) -> Finding | None:
        against = self._distance_against(path[0], path[-1], start, end)
        metre = self._metre(path[-1])
        length = distance(self._calibration.ground(path[0].box.foot), self._calibration.ground(path[-1].box.foot))
        u = 2**0.5 * self._calibration.foot_uncertainty(path[-1])
        if against < self._settings.distance_m * metre or against < length * cos(radians(self._settings.angle_deg)):
            return None
        duration_s = seconds_between(path[0].captured_at, path[-1].captured_at)
        if duration_s <= 0 or not seen_throughout(track, path[0].captured_at, path[-1].captured_at):
            return None
        if against / metre / duration_s * 3.6 < self._settings.speed_kmh:
            return None
        speed = Measurement(name="speed", value=against / duration_s * 3.6, unit="km/h", uncertainty=u / duration_s * 3.6)
        return Finding(
            rule=self.name,
            track=track.id,
            first_sequence=track.first.sequence,
            vehicle=vehicle_class_of(track),
            occurred_at=self._reached_at(path, self._settings.distance_m * metre, start, end),
            measured=(
                Measurement(name="against", value=against, unit=self._calibration.unit, uncertainty=u),
                *((speed,) if self._calibration.unit == "m" else ()),
            ),
        )

    def _path_in(self, lane: config.Lane, track: Track) -> tuple[Sighting, ...]:
        """The sightings whose foot is in the lane."""
        return tuple(sighting for sighting in track.sightings if polygon_contains(lane.corners, sighting.box.foot))

    def _distance_against(self, first: Sighting, last: Sighting, start: Point, end: Point) -> float:
        return displacement_along(self._calibration.ground(first.box.foot), self._calibration.ground(last.box.foot), start, end)

    def _reached_at(self, path: tuple[Sighting, ...], wanted: float, start: Point, end: Point) -> datetime:
        """When the distance was reached, interpolated linearly between two sightings."""
        for before, after in pairwise(path):
            short, far = self._distance_against(path[0], before, start, end), self._distance_against(path[0], after, start, end)
            if short < wanted <= far:
                return before.captured_at + timedelta(
                    seconds=seconds_between(before.captured_at, after.captured_at) * (wanted - short) / (far - short)
                )
        return path[-1].captured_at

    def _metre(self, sighting: Sighting) -> float:
        """Length of a metre in the calibration's unit. Without ground points the box is assumed to be 1.5 m high, accurate to a third."""
        return 1.0 if self._calibration.unit == "m" else sighting.box.height / 1.5


WRONG_WAY: Final = RuleType(
    name=WrongWay.name,
    summary="A vehicle drives a distance against the direction of its lane.",
    settings=WrongWay.Settings,
    build=WrongWay,
    example="lanes: [kiri]",
)
