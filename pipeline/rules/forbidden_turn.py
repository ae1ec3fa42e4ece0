"""Turning where it is forbidden: UU 22/2009 article 287(1) with 106(4)a."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import hypot
from typing import Final

from pydantic import Field, model_validator

from etle.clock import seconds_between
from etle.config import site as config
from etle.config.schedule import RuleSchedule
from etle.config.strict_yaml import Section
from etle.geometry import signed_distance
from etle.types import Drawing, Finding, Measurement, Point, RuleName, Sighting, Track, VehicleClass
from models.tracking.vehicle_class import vehicle_class_of
from pipeline.rules.approach import Approach, drawing_of
from pipeline.rules.rule_type import RuleType
from pipeline.scene.calibration import Calibration
from pipeline.scene.driven import DrivenMemory
from pipeline.scene.judgement import Judgement, LinePassage, NotReported, Reason
from pipeline.scene.passage import COVERAGE, FrontOffset, NoPassage, Passage, PassageMemory
from pipeline.scene.scene import LineOnRoad, Rule, Scene
from pipeline.scene.vehicle_kind import may_be

_FOOT: Final = FrontOffset(0.0, 0.0, 0.0)
_INSET: Final = 0.1
"""Fraction of a box's width by which detectors draw it wider than the vehicle."""
_REACHED_S: Final = 1.5
"""A vehicle whose track ends so shortly before a line, or begins so shortly beyond it, at its speed, has probably passed it unseen."""
_SPEED_S: Final = 1.0
_STEADY: Final = 3.0
"""A speed counts if the distance driven exceeds its uncertainty so many times."""


class _Exit:
    """One line by which vehicles must not leave."""

    def __init__(self, line: config.Line, entry: LineOnRoad, calibration: Calibration) -> None:
        self.drawn = line
        self.road = LineOnRoad.of(line, calibration)
        self.approach = Approach(calibration, entry, self.road)
        self._calibration = calibration
        self._passages = PassageMemory(self.clear, self.uncertainty)

    def passage_of(self, track: Track) -> Passage | NoPassage:
        """When the whole lower edge of its box passed the line, between the line's ends."""
        passed = self._passages.passage_of(track, _FOOT)
        if isinstance(passed, NoPassage):
            return passed
        through = track.sightings[passed.before : passed.beyond + 1]
        nearest = min(through, key=lambda sighting: abs(seconds_between(passed.at, sighting.captured_at)))
        return passed if self.road.spans(nearest, slack=0.0) else NoPassage.BESIDE

    def clear(self, sighting: Sighting) -> float:
        """Distance of the nearest part of the box's lower edge beyond the line, in the calibration's unit; negative before it."""
        box, road = sighting.box, self.road
        inset = _INSET * box.width
        edge = (Point(box.x1 + inset, box.y2), box.foot, Point(box.x2 - inset, box.y2))
        return min(signed_distance(self._calibration.ground(point), road.start, road.end, road.beyond) for point in edge)

    def uncertainty(self, sighting: Sighting) -> float:
        """Standard uncertainty of `clear`: of the foot's place, and of its jitter, which grows with the distance."""
        return hypot(self._calibration.foot_uncertainty(sighting), self._calibration.foot_jitter(sighting))

    def was_about_to_be_passed(self, track: Track) -> bool:
        """Whether the vehicle drove towards the exit at the end of its track, and would have reached it at once."""
        last = track.last
        first = next(each for each in track.sightings if seconds_between(each.captured_at, last.captured_at) <= _SPEED_S)
        return self.road.spans(last) and self.road.past(last) + _reach(self.road, first, last) > 0


@dataclass(frozen=True, slots=True)
class _Way:
    """A vehicle that came in by the entry, and left by an exit."""

    entered: Passage
    left: Passage
    exit: _Exit


class ForbiddenTurn(Rule):
    """A vehicle comes in by one line and leaves by another, where that turn is forbidden: to the left, to the right, or straight on.

    The foot of its box passes the entry, and later the whole lower edge passes an exit, between the ends of both lines, certainly and
    lastingly, on one unbroken path. The front of the vehicle is beyond the exit before that.
    Measured: how far beyond the exit the nearest part of the lower edge is, and how long before the vehicle came in. Uncertainty: of the
    lower edge, from the foot's place and its jitter, mapped to the road; of the moments, half of their intervals.
    """

    name: Final = RuleName("forbidden_turn")

    class Settings(Section):
        entry: config.LineName = Field(description="The line by which the vehicles come in.")
        exits: tuple[config.LineName, ...] = Field(min_length=1, description="The lines by which they must not leave.")
        exempt: tuple[VehicleClass, ...] = Field((), description="Classes that may turn there, such as bus.")
        schedule: RuleSchedule = Field(RuleSchedule(), description="Days and hours in which the turn is forbidden; always by default.")

        @model_validator(mode="after")
        def has_other_exits(self) -> "ForbiddenTurn.Settings":
            if self.entry in self.exits:
                raise ValueError(f"line {self.entry!r} is the `entry` and one of the `exits`: draw a line where the forbidden way leaves")
            return self

    def __init__(self, settings: Settings, camera: config.CameraSettings, calibration: Calibration) -> None:
        self._settings = settings
        self._calibration = calibration
        self._entry = camera.line(settings.entry)
        self._entry_on_road = LineOnRoad.of(self._entry, calibration)
        self._entries = PassageMemory(self._entry_on_road.past, calibration.foot_uncertainty)
        self._exits = tuple(_Exit(camera.line(name), self._entry_on_road, calibration) for name in settings.exits)
        self._driven = DrivenMemory(calibration)

    def judge(self, scene: Scene) -> tuple[Judgement, ...]:
        return tuple(self._judgements(scene))

    def drawing(self) -> Drawing:
        return drawing_of((self._entry, *(exit.drawn for exit in self._exits)))

    def _judgements(self, scene: Scene) -> Iterator[Judgement]:
        """Of the vehicles that came in by the entry, or left by an exit."""
        for ended, tracks in ((False, scene.tracks), (True, scene.ended)):
            for track in tracks:
                judgement = self._judge(track, scene, ended=ended)
                if judgement is not None:
                    yield judgement

    def _judge(self, track: Track, scene: Scene, *, ended: bool) -> Judgement | None:
        entered = self._entered(track)
        if isinstance(entered, NoPassage):
            if entered is not NoPassage.BEGAN_BEYOND or not self._came_unseen(track):
                return None
            return Judgement(rule=self.name, track=track.id, outcome=NotReported(reason=Reason.FIRST_SEEN_BEYOND_LINE))
        crossed = LinePassage(self._entry.id, entered.at)
        way = self._way(track, entered)
        if way is None:
            outcome, began_at = NotReported(reason=self._why_not_left(track, ended=ended)), None if ended else entered.at
            return Judgement(rule=self.name, track=track.id, outcome=outcome, crossed=crossed, began_at=began_at)
        left = LinePassage(way.exit.drawn.id, way.left.at)
        return Judgement(rule=self.name, track=track.id, outcome=self._outcome(track, way, scene), crossed=crossed, left=left)

    def _entered(self, track: Track) -> Passage | NoPassage:
        passed = self._entries.passage_of(track, _FOOT)
        if isinstance(passed, NoPassage):
            return passed
        through = track.sightings[passed.before : passed.beyond + 1]
        nearest = min(through, key=lambda sighting: abs(seconds_between(passed.at, sighting.captured_at)))
        return passed if self._entry_on_road.spans(nearest) else NoPassage.BESIDE

    def _way(self, track: Track, entered: Passage) -> _Way | None:
        """By the first forbidden exit after the entry; None if it left by none of them."""
        left = ((exit.passage_of(track), exit) for exit in self._exits)
        ways = [_Way(entered, passed, exit) for passed, exit in left if isinstance(passed, Passage) and passed.at > entered.at]
        return min(ways, key=lambda way: way.left.at, default=None)

    def _why_not_left(self, track: Track, *, ended: bool) -> Reason:
        if ended and any(exit.was_about_to_be_passed(track) for exit in self._exits):
            return Reason.LOST_BEFORE_LINE
        if any(exit.passage_of(track) is NoPassage.UNCERTAIN for exit in self._exits):
            return Reason.POSITION_UNCERTAIN
        return Reason.LEFT_ELSEWHERE

    def _came_unseen(self, track: Track) -> bool:
        """Whether the vehicle probably came by the entry just before it was first seen, and left by an exit."""
        entry, first = self._entry_on_road, track.first
        after = [each for each in track.sightings if seconds_between(first.captured_at, each.captured_at) <= _SPEED_S][-1]
        if not entry.spans(first) or entry.past(first) - _reach(entry, first, after) > 0:
            return False
        return any(isinstance(exit.passage_of(track), Passage) for exit in self._exits)

    def _outcome(self, track: Track, way: _Way, scene: Scene) -> Finding | NotReported:
        entered, left = way.entered, way.left
        if not self._settings.schedule.holds_throughout(entered.earliest, left.latest, scene.timezone):
            return NotReported(reason=Reason.OUTSIDE_HOURS)
        if vehicle_class_of(track) in self._settings.exempt:
            return NotReported(reason=Reason.CLASS_ALLOWED)
        if any(may_be(track, vehicle) for vehicle in self._settings.exempt):
            return NotReported(reason=Reason.CLASS_UNCERTAIN)
        if any(track.sightings[index].foot_hidden for index in (entered.before, entered.beyond, left.beyond)):
            return NotReported(reason=Reason.POSITION_UNCERTAIN)
        if reason := self._driven.why_not(track, entered.before, left.beyond):
            return NotReported(reason=reason)
        if vehicle_class_of(track) is VehicleClass.MOTORCYCLE and not way.exit.approach.was_ridden_to(track, left):
            return NotReported(reason=Reason.WALKING_PACE)
        beyond = track.sightings[left.beyond]
        past = Measurement(
            name="past_exit", value=way.exit.clear(beyond), unit=self._calibration.unit, uncertainty=way.exit.uncertainty(beyond)
        )
        return Finding(
            rule=self.name,
            track=track.id,
            first_sequence=track.first.sequence,
            vehicle=vehicle_class_of(track),
            occurred_at=left.at,
            measured=(past, _since_entry(entered, left)),
            began_at=entered.at,
            facts=(("entered_by", self._entry.id), ("left_by", way.exit.drawn.id)),
        )


def _reach(line: LineOnRoad, one: Sighting, two: Sighting) -> float:
    """How far the vehicle drives beyond the line in _REACHED_S, at its speed between two sightings; 0 if it hardly moved, or moved away."""
    driven, seconds = line.past(two) - line.past(one), seconds_between(one.captured_at, two.captured_at)
    steady = driven > _STEADY * line.calibration.foot_uncertainty(two)
    return driven / seconds * _REACHED_S if steady and seconds > 0 else 0.0


def _since_entry(entered: Passage, left: Passage) -> Measurement:
    """An interval of a passage covers two standard uncertainties to both sides."""
    widths = (seconds_between(each.earliest, each.latest) / (2 * COVERAGE) for each in (entered, left))
    return Measurement(name="since_entry", value=seconds_between(entered.at, left.at), unit="s", uncertainty=hypot(*widths))


FORBIDDEN_TURN: Final = RuleType(
    name=ForbiddenTurn.name,
    summary="A vehicle comes in by one line and leaves by another, where that turn is forbidden.",
    settings=ForbiddenTurn.Settings,
    build=ForbiddenTurn,
    act="turning",
    example="entry: henti, exits: [simpang]",
)
