"""Measures how a vehicle approaches a junction: over the stop line, and into the junction."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache, partial
from math import inf
from statistics import median
from typing import Final, NamedTuple
from weakref import WeakValueDictionary

from etle.clock import seconds_between
from etle.config import site as config
from etle.errors import ConfigError
from etle.geometry import distance, signed_distance
from etle.types import Box, Drawing, Lamp, Measurement, Point, Sighting, Track, TrackId
from pipeline.scene.box_motion import whole_box_moved
from pipeline.scene.calibration import Calibration
from pipeline.scene.completed_foot import CompletedSighting, CompletedTrack, HiddenFootCompletion, possible_feet
from pipeline.scene.driven import DrivenMemory
from pipeline.scene.judgement import LampState, NotReported, Reason
from pipeline.scene.passage import COVERAGE, NoPassage, Passage, PassageMemory
from pipeline.scene.scene import LineOnRoad
from pipeline.scene.sighting_memory import remember
from pipeline.scene.signals import RedPhase, SignalHistory
from pipeline.scene.vehicle_length import FrontOffsetMemory
from pipeline.scene.vehicle_motion import JITTER_COVERAGE, measured_jitter, of_one_vehicle

WALKING_M_S: Final = 1.8
"""Fast walking pace. A slower "motorcycle" may be a pedestrian with a cart, or a motorcycle that is pushed."""


_RIDDEN_S: Final = (0.9, 1.6)
"""Time over which it is measured whether a motorcycle was ever faster than people walk."""
_AVERAGED_S: Final = 0.4
"""Boxes of so long are averaged before: of the thousands of pairs that a long track has at 25 frames per second, a few are far off."""
_GOT_OFF_S: Final = 3.0
"""Least time in which somebody stops, gets off a motorcycle and pushes it on."""
_REACHED_S: Final = 1.5
"""A vehicle whose track ends so shortly before the line, at the speed it had, has probably crossed it unseen."""
_SPEED_S: Final = 1.0
_NEAR_S: Final = 0.6
"""Sightings so far from a passage tell its speed."""
_MAX_JITTER: Final = 2.0
"""What is measured includes where the vehicle is further away, and its acceleration: so many times what is expected counts at most."""
_STAYS_S: Final = 1.5
"""Who takes longer from the line to the junction may have stood in between."""
_DRIVEN_IN_M, _CAME_S, _LEFT_S, _LATEST = 1.0, 1.0, 2.0, 5
"""Who enters the junction drives a metre at least, from where the front was in the second before it was certainly inside to the latest
sightings of the two seconds after."""
_EARLIEST_S: Final = 1.0
"""The red must be older by so much, beside the grace, at the earliest moment at which the front can have crossed."""
_STEADY: Final = 3.0
"""A speed counts if the distance driven exceeds its uncertainty so many times."""


class Approach:
    """One camera's measurements of a vehicle against a stop line and the edge of the junction behind it."""

    def __init__(self, calibration: Calibration, line: LineOnRoad, entry: LineOnRoad) -> None:
        self._calibration = calibration
        self.line = line
        self.entry = entry
        self.feet = HiddenFootCompletion(calibration, line)
        self._crossings, self._entries = (PassageMemory(each.past, calibration.foot_uncertainty) for each in (line, entry))
        self._latest: dict[TrackId, tuple[Track, Passage | NoPassage]] = {}
        """When each vehicle crossed the line: several rules ask for it in the same frame."""
        self._fronts = FrontOffsetMemory(calibration)
        self._driven_over, self._driven_in = DrivenMemory(calibration), DrivenMemory(calibration)
        self._ridden: dict[TrackId, tuple[Sighting, datetime | None, int]] = {}
        """Of each motorcycle that was certainly ridden: its last sighting before the passage, since when, and how often."""

    def crossing_of(self, track: Track) -> Passage | NoPassage:
        """When the front passed the stop line between the line's ends."""
        known = self._latest.get(track.id)
        if known is not None and known[0] is track:
            return known[1]
        passed = self._passage(self._crossings, track)
        if isinstance(passed, Passage) and not self.line.spans(_nearest(track, passed.at)):
            passed = NoPassage.BESIDE
        if isinstance(passed, Passage) and self._may_have_been_beyond(track):
            passed = NoPassage.UNCERTAIN
        remember(self._latest, track.id, (track, passed))
        return passed

    def _may_have_been_beyond(self, track: Track) -> bool:
        """Whether the track begins where another was lost beyond the line: the vehicle may be the same, its lower edge hidden since."""
        return track.follows is not None and self.line.past(track.follows, self._ahead(track)) > 0

    def entry_of(self, track: Track) -> Passage | NoPassage:
        """When the front entered the junction, at any point along its edge."""
        passed = self._passage(self._entries, track)
        return NoPassage.UNCERTAIN if isinstance(passed, Passage) and self._stays_at_entry(track, passed) else passed

    def _stays_at_entry(self, track: Track, passed: Passage) -> bool:
        """Whether the vehicle stands: its foot may drift over the junction's edge, or be drawn beyond it behind a nearer vehicle."""
        last, first = track.sightings[passed.beyond - 1], track.sightings[passed.beyond]
        came = _between(track, min(last.captured_at, first.captured_at - timedelta(seconds=_CAME_S)), last.captured_at)
        left = _between(track, first.captured_at, first.captured_at + timedelta(seconds=_LEFT_S))
        driven = median(map(self.entry.past, left[-_LATEST:])) - median(map(self.entry.past, came))
        if driven < _DRIVEN_IN_M * self._calibration.metre(track.last):
            return True
        if isinstance(track, CompletedTrack):
            return False
        before = passed.beyond - max(1, len(came) - _LATEST + 1)
        return not whole_box_moved(track, before, passed.beyond + max(0, len(left) - _LATEST))

    def past_line(self, track: Track, since: datetime) -> tuple[float, float]:
        """Median distance of the front beyond the stop line since that moment, and its standard uncertainty, in the calibration's unit.

        Of a hidden foot it is the smallest distance at which it can be.
        """
        ahead = self._ahead(track)
        past = median(self._least_past(sighting, ahead) for sighting in track.sightings if sighting.captured_at >= since)
        return past, self.line.uncertainty(track, track.last)

    def _least_past(self, sighting: Sighting, ahead: float) -> float:
        return min(self.line.past(each, ahead) for each in possible_feet(sighting))

    def moment_uncertainty_s(self, track: Track, passed: Passage) -> float:
        """Standard uncertainty of the moment in steady motion: of position / speed, and of the frame interval (uniform distribution, GUM
        4.3.7).

        Where the foot was hidden, the vehicle may have passed at any time between the earliest moment and the latest.
        """
        position_s = self.line.uncertainty(track, _nearest(track, passed.at)) / max(passed.speed, 1e-3)
        interval_s = self._frame_interval_s(track, passed)
        if isinstance(_nearest(track, passed.at), CompletedSighting):
            interval_s = 2 * seconds_between(passed.earliest, passed.latest)
        return float((position_s**2 + (interval_s / 12**0.5) ** 2 / 4) ** 0.5)

    def stated_uncertainty_s(self, track: Track, passed: Passage) -> float:
        """Standard uncertainty of the moment that a finding states: who stood where the front may be beyond the line, and then drove on,
        passed it when he came or when he left."""
        reach_s = max(seconds_between(passed.earliest, passed.stated_at), seconds_between(passed.stated_at, passed.latest))
        return max(self.moment_uncertainty_s(track, passed), reach_s / COVERAGE)

    def speed(self, track: Track, passed: Passage) -> tuple[Measurement, ...]:
        """Speed over the line; an indication, not the reading of a calibrated instrument. Empty without metres."""
        if self._calibration.unit != "m":
            return ()
        near = _around(track, passed.at)
        span_s = seconds_between(near[0].captured_at, near[-1].captured_at) if len(near) > 1 else 0.1
        u_m_s = 2**0.5 * self._calibration.foot_uncertainty(track.last) / max(span_s, 0.1)
        return (Measurement(name="speed", value=passed.speed * 3.6, unit="km/h", uncertainty=u_m_s * 3.6),)

    def why_not_crossed(self, track: Track, passed: NoPassage, *, ended: bool) -> Reason | None:
        """Why the rules cannot judge a vehicle without a crossing; None if it did not meet the stop line.

        `ended`: the track ended with this frame, so that the vehicle will not be seen any more.
        """
        if passed is NoPassage.BEFORE:
            return Reason.LOST_BEFORE_LINE if ended and self._was_about_to_cross(track) else None
        if passed is NoPassage.BEGAN_BEYOND:
            return Reason.FIRST_SEEN_BEYOND_LINE if self._came_over_the_line(track) else None
        if passed is NoPassage.UNCERTAIN:
            if not self._may_have_crossed(track):
                return None
            return Reason.POSITION_UNCERTAIN if self._speed_along(track, self.line) > 0 else Reason.ON_LINE
        return None

    def was_lost_before_entry(self, track: Track) -> bool:
        """Whether a track that ended did so while the vehicle drove towards the junction."""
        return self._speed_along(track, self.entry) > 0

    def why_not_driven(self, track: Track, crossed: Passage, reached: Passage) -> Reason | None:
        """None if one vehicle, as a whole, moved from before the line to where the second passage is certain.

        One that stays between them must have moved as a whole soon: where only its lower edge passed the line, and it stands, it was drawn
        too near before.
        """
        soon = bisect_right(track.sightings, crossed.at + timedelta(seconds=_STAYS_S), key=_captured_at) - 1
        stays = soon < reached.beyond and not isinstance(track, CompletedTrack)
        if stays and not whole_box_moved(track, crossed.before, max(soon, crossed.beyond)):
            return Reason.BOX_MOVED_ONLY
        memory = self._driven_over if reached is crossed else self._driven_in
        return memory.why_not(track, crossed.before, reached.beyond)

    def may_be_walking(self, track: Track, passed: Passage) -> bool:
        """Whether it may have passed as slowly as people walk; False without metres, where speeds are not measured."""
        return any(speed.value - COVERAGE * (speed.uncertainty or 0.0) < WALKING_M_S * 3.6 for speed in self.speed(track, passed))

    def may_have_walked(self, track: Track, crossed: Passage, entered: Passage) -> bool:
        """Whether it may have gone from the line into the junction as slowly as people walk, on average; False without metres."""
        if self._calibration.unit != "m":
            return False
        one, two = _nearest(track, crossed.at), _nearest(track, entered.at)
        seconds = seconds_between(one.captured_at, two.captured_at)
        return seconds <= 0 or _speed_at_least(self._road_foot(one), self._road_foot(two), seconds) < WALKING_M_S

    def was_ridden(self, track: Track, passed: Passage, *, since: datetime | None = None, times: int = 1) -> bool:
        """Whether it was certainly faster than people walk, at any time: who brakes at the line came faster. True without metres.

        Only what one vehicle drove around the passage counts: before a loss, the track may have been another's. `since`: only from then on.
        `times`: how often it must have been, one after the other; a foot that merges with another box jumps once.
        """
        asked = track.sightings[passed.before], since, times
        if self._calibration.unit != "m" or self._ridden.get(track.id) == asked:
            return True
        ridden = self._is_ridden(track, passed, since, times)
        if ridden:
            remember(self._ridden, track.id, asked)
        return ridden

    def _is_ridden(self, track: Track, passed: Passage, since: datetime | None, times: int) -> bool:
        latest: list[_RoadFoot] = []
        missing = times
        driven = of_one_vehicle(track, self._calibration, passed.at).sightings
        measured = cache(partial(measured_jitter, track, self._calibration))
        for sighting in _averaged([each for each in driven if since is None or each.captured_at >= since]):
            foot = self._road_foot(sighting)
            latest = [each for each in latest if seconds_between(each.at, foot.at) <= _RIDDEN_S[1]]
            if any(_rode_between(each, foot, measured) for each in latest):
                missing, latest = missing - 1, []
                if not missing:
                    return True
            latest.append(foot)
        return False

    def was_ridden_to(self, track: Track, passed: Passage) -> bool:
        """Whether it was ridden so shortly before the passage, or after it, that nobody can have got off and pushed it there."""
        return self.was_ridden(track, passed, since=passed.at - timedelta(seconds=_GOT_OFF_S))

    def is_beyond_entry(self, sighting: Sighting, track: Track) -> bool:
        """Whether the front is more probably inside the junction than before it."""
        return self.entry.past(sighting, self._ahead(track)) > 0

    def _road_foot(self, sighting: Sighting) -> "_RoadFoot":
        calibration = self._calibration
        place, jitter = calibration.ground(sighting.box.foot), calibration.foot_jitter(sighting)
        return _RoadFoot(sighting.captured_at, place, jitter, calibration.foot_uncertainty(sighting))

    def _was_about_to_cross(self, track: Track) -> bool:
        past, speed = self.line.past(track.last, self._ahead(track)), self._speed_along(track, self.line)
        return speed > 0 and self.line.spans(track.last) and past + speed * _REACHED_S > 0

    def _may_have_crossed(self, track: Track) -> bool:
        """Whether the vehicle drove from more probably before the line to more probably beyond it."""
        ahead, driven = self._ahead(track), self.line.past(track.last) - self.line.past(track.first)
        sides = self.line.past(track.first, ahead) < 0 < self.line.past(track.last, ahead)
        return sides and driven > _STEADY * self._calibration.foot_uncertainty(track.last) and self.line.spans(track.last)

    def _came_over_the_line(self, track: Track) -> bool:
        """Whether the vehicle was first seen between the line and the junction, and drove on in the direction of the approach."""
        first, ahead = track.first, self._ahead(track)
        if not self.line.spans(first) or self.entry.past(first, ahead) >= 0:
            return False
        return self.line.past(track.last) - self.line.past(first) > _STEADY * self._calibration.foot_uncertainty(track.last)

    def _speed_along(self, track: Track, line: LineOnRoad) -> float:
        """Towards and beyond `line`, over the track's last second, in units per second; 0 if it hardly moved, or moved away."""
        last = track.last
        first = next(s for s in track.sightings if seconds_between(s.captured_at, last.captured_at) <= _SPEED_S)
        moved, seconds = line.past(last) - line.past(first), seconds_between(first.captured_at, last.captured_at)
        return moved / seconds if seconds > 0 and moved > _STEADY * self._calibration.foot_uncertainty(last) else 0.0

    def _passage(self, memory: PassageMemory, track: Track) -> Passage | NoPassage:
        return memory.passage_of(track, self._fronts.least(track), self._fronts.of)

    def _ahead(self, track: Track) -> float:
        return self._fronts.least(track).nominal

    def _frame_interval_s(self, track: Track, passed: Passage) -> float:
        index = bisect_right(track.sightings, passed.at, key=_captured_at)
        before = track.sightings[index - 1].captured_at if index > 0 else passed.at
        after = track.sightings[index].captured_at if index < len(track.sightings) else passed.at
        return seconds_between(before, after)


class _RoadFoot(NamedTuple):
    """A foot on the road, with its expected jitter and its standard uncertainty."""

    at: datetime
    place: Point
    jitter: float
    u: float


def _rode_between(one: _RoadFoot, two: _RoadFoot, measured: Callable[[], float]) -> bool:
    """`measured`: the track's jitter, which is computed only where it decides."""
    seconds = seconds_between(one.at, two.at)
    if seconds < _RIDDEN_S[0] or _speed_at_least(one, two, seconds) <= WALKING_M_S:
        return False
    return _speed_at_least(one, two, seconds, inf) > WALKING_M_S or _speed_at_least(one, two, seconds, measured()) > WALKING_M_S


def _speed_at_least(one: _RoadFoot, two: _RoadFoot, seconds: float, measured_jitter: float = 0.0) -> float:
    expected = max(one.jitter, two.jitter)
    u = max(two.u, expected, min(measured_jitter, _MAX_JITTER * expected))
    return (distance(one.place, two.place) - JITTER_COVERAGE * 2**0.5 * u) / seconds


def approach_to_junction(line: config.Line, entry: config.Line, camera: config.CameraSettings, calibration: Calibration) -> Approach:
    """Raises ConfigError if the edge of the junction is not behind the stop line, in the direction in which vehicles cross both.

    One line may be both, where the junction begins at the stop line. The rules that are built with one calibration, as those of a camera
    are, share the measurements of a pair of lines.
    """
    key = id(calibration), line, entry
    if (known := _APPROACHES.get(key)) is not None:
        return known
    made = Approach(calibration, LineOnRoad.of(line, calibration), LineOnRoad.of(entry, calibration))
    ways = ((made.line, made.entry, 1), (made.entry, made.line, -1))
    if line != entry and any(side * signed_distance(_middle(other), one.start, one.end, one.beyond) <= 0 for one, other, side in ways):
        raise ConfigError(
            f"camera {camera.id!r}: `entry` {entry.id!r} does not lie behind `line` {line.id!r} for vehicles that cross both: draw the"
            " entry at the edge of the junction, behind the stop line, and `beyond` of both on the side of the junction"
        )
    _APPROACHES[key] = made
    return made


_APPROACHES: Final[WeakValueDictionary[tuple[int, config.Line, config.Line], Approach]] = WeakValueDictionary()
"""An approach holds its calibration, whose id is therefore not another's as long as the approach is known."""


def _middle(line: LineOnRoad) -> Point:
    return Point((line.start.x + line.end.x) / 2, (line.start.y + line.end.y) / 2)


def _captured_at(sighting: Sighting) -> datetime:
    return sighting.captured_at


def _around(track: Track, at: datetime) -> Sequence[Sighting]:
    """The sightings within `_NEAR_S` of a moment."""
    return _between(track, at - timedelta(seconds=_NEAR_S), at + timedelta(seconds=_NEAR_S))


def _between(track: Track, start: datetime, end: datetime) -> Sequence[Sighting]:
    first = bisect_left(track.sightings, start, key=_captured_at)
    last = bisect_right(track.sightings, end, key=_captured_at)
    return track.sightings[first:last]


def _nearest(track: Track, at: datetime) -> Sighting:
    """The sighting nearest in time, the earlier one of two."""
    after = bisect_left(track.sightings, at, key=_captured_at)
    return min(track.sightings[max(0, after - 1) : after + 1], key=lambda sighting: abs(seconds_between(sighting.captured_at, at)))


def proven_red(signal: SignalHistory, crossed: Passage, until: datetime, at: tuple[datetime, ...]) -> RedPhase | NotReported:
    """The red phase that is proven from the earliest moment of the crossing to `until`, and was read at the moments `at`."""
    red = signal.red_phase(crossed.earliest, until)
    if red is not None and all(signal.red_at(moment) for moment in at):
        return red
    states = [signal.state_at(moment) for moment in at]
    state = next((state for state in states if state is None or state.lamp is not Lamp.RED), states[-1])
    if state is None or state.lamp is Lamp.UNKNOWN:
        return NotReported(reason=Reason.SIGNAL_UNKNOWN, signal=state)
    return NotReported(reason=Reason.RED_NOT_PROVEN if state.lamp is Lamp.RED else Reason.NOT_RED, signal=state)


def too_young(red: RedPhase, crossed: Passage, u_s: float, grace_s: float) -> NotReported | None:
    """None if the red was older at the crossing than the grace and its own uncertainty.

    Who creeps over the line crossed at an uncertain moment, but not before the earliest at which the front can have been there.
    """
    if seconds_between(red.began_at, crossed.earliest) >= grace_s + _EARLIEST_S:
        return None
    age = Measurement(name="time_into_red", value=seconds_between(red.began_at, crossed.at), unit="s", uncertainty=u_s)
    limit = max(grace_s, COVERAGE * u_s)
    state = LampState(Lamp.RED, red.began_at)
    return NotReported(reason=Reason.RED_TOO_YOUNG, signal=state, measured=age, limit=limit) if age.value < limit else None


def drawing_of(
    lines: tuple[config.Line, ...], signal: config.SignalHead | None = None, lanes: tuple[config.Lane, ...] = (),
    zones: tuple[config.Zone, ...] = (),
) -> Drawing:  # fmt: skip
    """What a rule with these lines, this signal, these lanes and these zones shows on the picture."""
    return Drawing(
        lines=tuple((line.id, tuple(Point(*point) for point in line.points)) for line in lines),
        areas=(*((lane.id, lane.corners) for lane in lanes), *((zone.id, zone.corners) for zone in zones)),
        signals=tuple((signal.id, box) for box in signal.boxes) if signal else (),
        feeds=(signal.id,) if signal and signal.feed else (),
        arrows=tuple((lane.id, (Point(*lane.along[0]), Point(*lane.along[1]))) for lane in lanes),
    )


def _averaged(sightings: Sequence[Sighting]) -> Iterator[Sighting]:
    """One sighting for each `_AVERAGED_S`, with the mean box at the time of the one in the middle."""
    group: list[Sighting] = []
    for sighting in sightings:
        if group and seconds_between(group[0].captured_at, sighting.captured_at) >= _AVERAGED_S:
            yield _mean(group)
            group = []
        group.append(sighting)
    if group:
        yield _mean(group)


def _mean(sightings: Sequence[Sighting]) -> Sighting:
    """The sighting in the middle, with the mean of all boxes; `sightings` are not empty."""
    edges = (sum(each) / len(sightings) for each in zip(*(sighting.box for sighting in sightings), strict=True))
    return replace(sightings[len(sightings) // 2], box=Box(*edges))
