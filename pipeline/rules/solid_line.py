"""Crossing a solid line along the road: UU 22/2009 article 287(1) with 106(4)b."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final, NamedTuple

from pydantic import Field

from etle.clock import seconds_between
from etle.config import site as config
from etle.config.strict_yaml import Section
from etle.types import Drawing, Finding, Measurement, Point, RuleName, Sighting, Track
from models.tracking.vehicle_class import vehicle_class_of
from pipeline.rules.rule_type import RuleType
from pipeline.scene.calibration import LENGTH_M, Calibration
from pipeline.scene.driven import DrivenMemory
from pipeline.scene.hidden_foot import judged_by_visible_feet
from pipeline.scene.judgement import Judgement, LinePassage, NotReported, Reason
from pipeline.scene.marking import MarkingOnRoad, Place
from pipeline.scene.passage import LASTING_S
from pipeline.scene.scene import Rule, Scene
from pipeline.scene.sighting_memory import SightingMemory


class _Crossing(NamedTuple):
    """`side`: where the vehicle came from, 1 or -1. Indices of sightings: the last certainly there, and the first certainly beyond."""

    side: int
    before: int
    beyond: int


class SolidLine(Rule):
    """A vehicle crosses a solid marking with its whole width.

    All of its lower edge must certainly lie on one side of the marking and later on the other, lastingly both times, on one unbroken path.
    It must begin to cross, and its middle must cross, where the line is solid, a vehicle's length from its ends. A line that is broken on
    one side may be crossed from there (`crossable_from` of the marking). Touching the line, riding on it and coming back is not reported.
    Measured: the distance of the nearest wheel beyond the marking. Uncertainty: of the box's edges, mapped to the road, and of the marking.
    """

    name: Final = RuleName("solid_line")

    class Settings(Section):
        markings: tuple[config.MarkingName, ...] = Field(min_length=1, description="The solid lines to which the rule applies.")

    def __init__(self, settings: Settings, camera: config.CameraSettings, calibration: Calibration) -> None:
        self._calibration = calibration
        self._driven = DrivenMemory(calibration)
        self._drawn = tuple(camera.marking(name) for name in settings.markings)
        self._markings = tuple(MarkingOnRoad.of(marking, calibration) for marking in self._drawn)
        self._places = tuple(SightingMemory(marking.place) for marking in self._markings)

    def judge(self, scene: Scene) -> tuple[Judgement, ...]:
        return tuple(judged_by_visible_feet(self._judge, (*scene.tracks, *scene.ended)))

    def drawing(self) -> Drawing:
        return Drawing(
            lines=tuple((drawn.id, tuple(Point(*point) for point in drawn.points)) for drawn in self._drawn),
            areas=(),
            signals=(),
        )

    def _judge(self, track: Track) -> Judgement | None:
        """The finding, or the decision on the last crossing; None if the vehicle did not come over a marking."""
        judged: Judgement | None = None
        for drawn, marking, memory in zip(self._drawn, self._markings, self._places, strict=True):
            places = memory.of(track)
            for crossing in _crossings(track, places):
                crossed = _middle_crossed(track, places, crossing)
                if crossed is None:
                    continue
                at, along = crossed
                outcome = self._outcome(track, places, marking, crossing, at, along)
                judged = Judgement(rule=self.name, track=track.id, outcome=outcome, crossed=LinePassage(drawn.id, at))
                if judged.finding:
                    return judged
            if judged is None and _came_over(places, marking):
                judged = Judgement(rule=self.name, track=track.id, outcome=NotReported(reason=Reason.POSITION_UNCERTAIN))
        return judged

    def _outcome(
        self, track: Track, places: Sequence[Place], marking: MarkingOnRoad, crossing: _Crossing, at: datetime, along: float
    ) -> Finding | NotReported:
        if crossing.side == marking.crossable_side:
            return NotReported(reason=Reason.CROSSABLE_SIDE)
        before, beyond = track.sightings[crossing.before], track.sightings[crossing.beyond]
        margin = self._margin(track, before)
        if not (margin <= along <= marking.length - margin and 0 <= places[crossing.before].along <= marking.length):
            return NotReported(reason=Reason.NOT_SOLID_THERE)
        if before.foot_hidden or beyond.foot_hidden:
            return NotReported(reason=Reason.POSITION_UNCERTAIN)
        if reason := self._driven.why_not(track, crossing.before, crossing.beyond):
            return NotReported(reason=reason)
        place = places[crossing.beyond]
        past = Measurement(name="past_marking", value=place.clear, unit=self._calibration.unit, uncertainty=place.u)
        return Finding(
            rule=self.name,
            track=track.id,
            first_sequence=track.first.sequence,
            vehicle=vehicle_class_of(track),
            occurred_at=at,
            measured=(past,),
        )

    def _margin(self, track: Track, sighting: Sighting) -> float:
        """Distance from the ends of the marking within which a crossing may lie beside it: the length of a car, or of the vehicle."""
        length, u = LENGTH_M[vehicle_class_of(track)]
        return min(length + u, 6.0) * self._calibration.metre(sighting)


def _crossings(track: Track, places: Sequence[Place]) -> Iterator[_Crossing]:
    """Each change from lastingly on one side to lastingly on the other."""
    came: tuple[int, int] | None = None  # side, index of its last sighting
    for side, first, last in _lasting(track, places):
        if came is not None and came[0] != side:
            yield _Crossing(came[0], came[1], first)
        came = side, last


def _lasting(track: Track, places: Sequence[Place]) -> Iterator[tuple[int, int, int]]:
    """Side, first and last index of each run of sightings that lie certainly on one side: for LASTING_S, and two sightings at least."""
    start = 0
    for index in range(1, len(places) + 1):
        if index < len(places) and places[index].side == places[start].side:
            continue
        lasted = seconds_between(track.sightings[start].captured_at, track.sightings[index - 1].captured_at)
        if places[start].side and index - start >= 2 and lasted >= LASTING_S - 1e-6:
            yield places[start].side, start, index - 1
        start = index


def _middle_crossed(track: Track, places: Sequence[Place], crossing: _Crossing) -> tuple[datetime, float] | None:
    """When and where along the marking the foot crossed it for the last time before it was certainly beyond, interpolated."""
    pairs = list(pairwise(range(crossing.before, crossing.beyond + 1)))
    for one, two in reversed(pairs):
        start, end = crossing.side * places[one].past, crossing.side * places[two].past
        if start > 0 >= end:
            fraction = start / (start - end)
            step_s = seconds_between(track.sightings[one].captured_at, track.sightings[two].captured_at)
            along = places[one].along + fraction * (places[two].along - places[one].along)
            return track.sightings[one].captured_at + timedelta(seconds=fraction * step_s), along
    return None


def _came_over(places: Sequence[Place], marking: MarkingOnRoad) -> bool:
    """Whether the track's last foot lies on the other side than the first certain one, beside the solid line, but not certainly."""
    first = next((place for place in places if place.side), None)
    last = places[-1]
    return first is not None and first.side * last.past < 0 and 0 <= last.along <= marking.length and last.side == 0


SOLID_LINE: Final = RuleType(
    name=SolidLine.name,
    summary="A vehicle crosses a solid line along the road with its whole width.",
    settings=SolidLine.Settings,
    build=SolidLine,
    example="markings: [marka]",
)
