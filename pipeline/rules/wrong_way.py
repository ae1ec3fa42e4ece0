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
from pipeline.rules.red_light import drawn
from pipeline.scene.calibration import Calibration
from pipeline.scene.scene import Scene, seen_throughout


class WrongWay:
    """A vehicle drives a distance against the direction of its lane.

    Measured: the distance gone against the lane's arrow while inside the lane, and the mean speed over it. How wrong: the foot of the
    box at both ends. Rolling back, turning round and crossing over are not it: the way must be long, go mostly against the arrow and
    be driven at more than walking pace.
    """

    name: Final = RuleName("wrong_way")

    class Settings(Section):
        lanes: tuple[Name, ...] = Field(min_length=1, description="The lanes that are watched.")
        distance_m: float = Field(5.0, gt=0, le=100, description="So far against the arrow; without metres, in heights of its box / 1.5 m.")
        angle_deg: float = Field(45.0, gt=0, lt=90, description="How far from straight against the arrow the way may lead.")
        speed_kmh: float = Field(5.0, ge=0, description="Slower than this is rolling back.")

    def __init__(self, settings: Settings, camera: config.CameraSettings, calibration: Calibration) -> None:
        self._settings = settings
        self._calibration = calibration
        self._lanes = tuple(camera.lane(name) for name in settings.lanes)
        self._against = tuple(tuple(calibration.ground(Point(*point)) for point in reversed(lane.along)) for lane in self._lanes)

    def findings(self, scene: Scene) -> tuple[Finding, ...]:
        found = (self._finding(track) for track in (*scene.tracks, *scene.ended))
        return tuple(finding for finding in found if finding)

    def drawing(self) -> Drawing:
        return drawn((), lanes=self._lanes)

    def _finding(self, track: Track) -> Finding | None:
        for lane, (start, end) in zip(self._lanes, self._against, strict=True):
            if self._against_by(track.first, track.last, start, end) <= 0:
                continue
            way = self._way_in(lane, track)
            if way and (finding := self._judged(track, way, start, end)):
                return finding
        return None

    def _judged(self, track: Track, way: tuple[Sighting, ...], start: Point, end: Point) -> Finding | None:
        gone = self._against_by(way[0], way[-1], start, end)
        scale = self._metre(way[-1])
        length = distance(self._calibration.ground(way[0].box.foot), self._calibration.ground(way[-1].box.foot))
        u = 2**0.5 * self._calibration.foot_uncertainty(way[-1])
        if gone < self._settings.distance_m * scale or gone < length * cos(radians(self._settings.angle_deg)):
            return None
        took_s = seconds_between(way[0].captured_at, way[-1].captured_at)
        if took_s <= 0 or not seen_throughout(track, way[0].captured_at, way[-1].captured_at):
            return None
        if gone / scale / took_s * 3.6 < self._settings.speed_kmh:
            return None
        speed = Measurement(name="speed", value=gone / took_s * 3.6, unit="km/h", uncertainty=u / took_s * 3.6)
        return Finding(
            rule=self.name,
            track=track.id,
            first_sequence=track.first.sequence,
            vehicle=vehicle_class_of(track),
            occurred_at=self._full_at(way, self._settings.distance_m * scale, start, end),
            measured=(
                Measurement(name="against", value=gone, unit=self._calibration.unit, uncertainty=u),
                *((speed,) if self._calibration.unit == "m" else ()),
            ),
        )

    def _way_in(self, lane: config.Lane, track: Track) -> tuple[Sighting, ...]:
        """The sightings with their foot in the lane."""
        return tuple(sighting for sighting in track.sightings if polygon_contains(lane.corners, sighting.box.foot))

    def _against_by(self, first: Sighting, last: Sighting, start: Point, end: Point) -> float:
        return displacement_along(self._calibration.ground(first.box.foot), self._calibration.ground(last.box.foot), start, end)

    def _full_at(self, way: tuple[Sighting, ...], wanted: float, start: Point, end: Point) -> datetime:
        """The moment the distance was full, linear between two sightings."""
        for before, after in pairwise(way):
            short, far = self._against_by(way[0], before, start, end), self._against_by(way[0], after, start, end)
            if short < wanted <= far:
                return before.captured_at + timedelta(
                    seconds=seconds_between(before.captured_at, after.captured_at) * (wanted - short) / (far - short)
                )
        return way[-1].captured_at

    def _metre(self, sighting: Sighting) -> float:
        """A metre in the calibration's unit; without ground points a box is taken for 1.5 m high, which most are within a third."""
        return 1.0 if self._calibration.unit == "m" else sighting.box.height / 1.5
