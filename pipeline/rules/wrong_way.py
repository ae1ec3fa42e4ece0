"""Driving against the traffic: UU 22/2009 article 287(1) with 106(4)a and b."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from itertools import compress, pairwise
from math import cos, radians
from typing import Final

from pydantic import Field

from etle.clock import seconds_between
from etle.config import site as config
from etle.config.strict_yaml import Section
from etle.geometry import displacement_along, distance, polygon_contains
from etle.types import Box, Drawing, Finding, Measurement, Point, RuleName, Sighting, Track
from models.tracking.vehicle_class import vehicle_class_of
from pipeline.rules.approach import drawing_of
from pipeline.rules.rule_type import RuleType
from pipeline.scene.box_motion import whole_box_moved
from pipeline.scene.calibration import Calibration
from pipeline.scene.judgement import Judgement, NotReported, Reason
from pipeline.scene.passage import COVERAGE
from pipeline.scene.scene import Rule, Scene
from pipeline.scene.sighting_memory import SightingMemory
from pipeline.scene.vehicle_motion import is_one_vehicle, parts_of_one_vehicle

MIN_STEPS: Final = 4


class WrongWay(Rule):
    """A vehicle drives a distance against the direction of its lane.

    Measured: the distance driven against the lane's arrow on one unbroken path inside the lane, and the mean speed over it. Uncertainty: of
    the foot of the box at both ends; both limits must be exceeded by two standard uncertainties. Rolling back, turning and crossing the
    lane are excluded: the path must be long, lead mostly against the arrow, and be driven in several steps.
    """

    name: Final = RuleName("wrong_way")

    class Settings(Section):
        lanes: tuple[config.LaneName, ...] = Field(min_length=1, description="The lanes to which the rule applies.")
        distance_m: float = Field(
            5.0, gt=0, le=100, description="Minimum distance against the arrow; without ground points a box is 1.5 m high."
        )
        angle_deg: float = Field(30.0, gt=0, lt=90, description="Maximum angle between the path and the direction opposite to the arrow.")
        speed_kmh: float = Field(5.0, ge=0, description="A slower vehicle is rolling back and is not reported.")

    def __init__(self, settings: Settings, camera: config.CameraSettings, calibration: Calibration) -> None:
        self._settings = settings
        self._calibration = calibration
        self._lanes = tuple(camera.lane(name) for name in settings.lanes)
        arrows = {lane.id: tuple(calibration.ground(Point(*point)) for point in lane.along) for lane in camera.lanes}
        self._against = tuple((arrows[lane.id][1], arrows[lane.id][0]) for lane in self._lanes)
        self._lawful = tuple(
            tuple(other for other in camera.lanes if displacement_along(*against, *arrows[other.id]) > 0) for against in self._against
        )
        """For each lane of the rule, the camera's lanes in which its opposite direction is lawful."""
        self._inside = tuple(
            SightingMemory(partial(self._is_in_lane, lane, lawful)) for lane, lawful in zip(self._lanes, self._lawful, strict=True)
        )

    def judge(self, scene: Scene) -> tuple[Judgement, ...]:
        judged = map(self._judge, (*scene.tracks, *scene.ended))
        return tuple(judgement for judgement in judged if judgement)

    def drawing(self) -> Drawing:
        return drawing_of((), lanes=self._lanes)

    def _judge(self, track: Track) -> Judgement | None:
        """The finding, or the decision on the longest way against the arrow; None if the vehicle certainly drove none."""
        longest: tuple[float, Judgement] | None = None
        came, went = track.first, track.last
        if all(self._distance_against(came, went, start, end) <= 0 for start, end in self._against):
            return None
        places = [memory.of(track) for memory in self._inside]
        if not any(map(any, places)):
            return None
        visible = [not sighting.foot_hidden for sighting in track.sightings]
        track = replace(track, sightings=tuple(compress(track.sightings, visible)))
        for lane, inside, (start, end) in zip(self._lanes, places, self._against, strict=True):
            if self._distance_against(came, went, start, end) <= 0:
                continue
            for first, last in _runs([*compress(inside, visible)]):
                for one, two in self._parts(track, first, last, start, end):
                    against = self._against_on(track.sightings[one : two + 1], start, end)
                    if against.value <= COVERAGE * (against.uncertainty or 0.0):
                        continue
                    outcome = self._outcome(track, one, two, against, start, end)
                    judgement = Judgement(rule=self.name, track=track.id, outcome=outcome, lane=lane.id)
                    if judgement.finding:
                        return judgement
                    if longest is None or against.value > longest[0]:
                        longest = against.value, judgement
        return longest[1] if longest else None

    def _is_in_lane(self, lane: config.Lane, lawful: Sequence[config.Lane], sighting: Sighting) -> bool:
        return self._calibration.shows_foot(sighting.box) and _is_certainly_in(lane, lawful, sighting.box)

    def _parts(self, track: Track, first: int, last: int, start: Point, end: Point) -> Iterator[tuple[int, int]]:
        """The run, and its parts that one vehicle drove: one foot that is far off does not excuse the rest of the way."""
        yield first, last
        run = replace(track, sightings=track.sightings[first : last + 1])
        if self._distance_against(run.first, run.last, start, end) > 0 and last - first > MIN_STEPS:
            parts = parts_of_one_vehicle(run, self._calibration)
            if len(parts) > 1:
                yield from ((first + one, first + two) for one, two in parts)

    def _outcome(self, track: Track, first: int, last: int, against: Measurement, start: Point, end: Point) -> Finding | NotReported:
        """Decides on one run of sightings in a lane."""
        path, u = track.sightings[first : last + 1], against.uncertainty or 0.0
        metre = self._calibration.metre(path[-1])
        least, duration_s = against.value - COVERAGE * u, seconds_between(path[0].captured_at, path[-1].captured_at)
        if least < self._settings.distance_m * metre:
            return NotReported(reason=Reason.AGAINST_TOO_SHORT, measured=against, limit=self._settings.distance_m * metre)
        length = distance(self._calibration.ground(path[0].box.foot), self._calibration.ground(path[-1].box.foot))
        if against.value < length * cos(radians(self._settings.angle_deg)):
            return NotReported(reason=Reason.NOT_ALONG_LANE, measured=against)
        if duration_s <= 0:
            return NotReported(reason=Reason.UNSTEADY, measured=against)
        per_s = 3.6 / metre / duration_s
        speed = Measurement(name="speed", value=against.value * per_s, unit="km/h", uncertainty=u * per_s)
        if least / metre / duration_s * 3.6 < self._settings.speed_kmh:
            return NotReported(reason=Reason.TOO_SLOW, measured=speed, limit=self._settings.speed_kmh)
        if not self._is_steady(path, against.value, start, end):
            return NotReported(reason=Reason.UNSTEADY, measured=against)
        if not whole_box_moved(track, first, last):
            return NotReported(reason=Reason.BOX_MOVED_ONLY, measured=against)
        if not is_one_vehicle(replace(track, sightings=tuple(path)), self._calibration, path[0].captured_at, path[-1].captured_at):
            return NotReported(reason=Reason.NOT_ONE_VEHICLE, measured=against)
        return Finding(
            rule=self.name,
            track=track.id,
            first_sequence=track.first.sequence,
            vehicle=vehicle_class_of(track),
            occurred_at=self._reached_at(path, self._settings.distance_m * metre, start, end),
            measured=(against, *((speed,) if self._calibration.unit == "m" else ())),
        )

    def _against_on(self, path: Sequence[Sighting], start: Point, end: Point) -> Measurement:
        """Distance driven against the arrow between the ends of a path, with the uncertainty of both feet."""
        value = self._distance_against(path[0], path[-1], start, end)
        u = 2**0.5 * max(self._calibration.foot_uncertainty(sighting) for sighting in (path[0], path[-1]))
        return Measurement(name="against", value=value, unit=self._calibration.unit, uncertainty=u)

    def _is_steady(self, path: Sequence[Sighting], against: float, start: Point, end: Point) -> bool:
        """Whether the distance was driven in several steps, none of them most of it: glare displaces a box in one step."""
        steps = [self._distance_against(one, two, start, end) for one, two in pairwise(path)]
        return len(steps) >= MIN_STEPS and max(steps) <= against / 2

    def _distance_against(self, first: Sighting, last: Sighting, start: Point, end: Point) -> float:
        return displacement_along(self._calibration.ground(first.box.foot), self._calibration.ground(last.box.foot), start, end)

    def _reached_at(self, path: Sequence[Sighting], wanted: float, start: Point, end: Point) -> datetime:
        """When the distance was reached, interpolated linearly between two sightings."""
        for before, after in pairwise(path):
            short, far = self._distance_against(path[0], before, start, end), self._distance_against(path[0], after, start, end)
            if short < wanted <= far:
                return before.captured_at + timedelta(
                    seconds=seconds_between(before.captured_at, after.captured_at) * (wanted - short) / (far - short)
                )
        return path[-1].captured_at


def _is_certainly_in(lane: config.Lane, lawful: Sequence[config.Lane], box: Box) -> bool:
    """Whether the vehicle drives in the lane and may not be in one of the `lawful` lanes.

    Seen at an angle, the middle of the lower edge is not where the wheels are: the whole edge must keep clear of lawful lanes, or, where
    the camera has none, lie inside the lane.
    """
    foot, slack = box.foot, max(2.0, box.width / 20)
    near = [foot, Point(foot.x - slack, foot.y), Point(foot.x + slack, foot.y)]
    edge = [Point(box.x1 + box.width / 10, box.y2), Point(box.x2 - box.width / 10, box.y2)]
    if not all(polygon_contains(lane.corners, point) for point in (near if lawful else near + edge)):
        return False
    return not any(polygon_contains(other.corners, point) for other in lawful for point in near + edge)


def _runs(inside: Sequence[bool]) -> Iterator[tuple[int, int]]:
    """First and last index of each unbroken run of True."""
    start: int | None = None
    for index, value in enumerate([*inside, False]):
        if value and start is None:
            start = index
        elif not value and start is not None:
            yield start, index - 1
            start = None


WRONG_WAY: Final = RuleType(
    name=WrongWay.name,
    summary="A vehicle drives a distance against the direction of its lane.",
    settings=WrongWay.Settings,
    build=WrongWay,
    example="lanes: [kiri]",
)
