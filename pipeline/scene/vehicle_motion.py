"""Whether the steps of a track are those of one vehicle, by what vehicles and drivers can do on the road.

A track may continue with another vehicle where its own was lost, where a nearer one hid the foot, or in the glare of headlights: that makes
a gap, or a step that takes more than hard braking.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from itertools import pairwise
from math import hypot, inf, log
from statistics import median
from typing import Final, NamedTuple

from etle.clock import seconds_between
from etle.geometry import distance, iou
from etle.types import Point, Track
from models.tracking.thinning import FULL_RATE_S
from pipeline.scene.calibration import Calibration
from pipeline.scene.completed_foot import CompletedSighting, CompletedTrack
from pipeline.scene.passage import COVERAGE

MAX_GAP_S: Final = 0.8
"""Longest time without a sighting on the relevant path; at low frame rates 1.6 frame intervals: none is missed."""
_STOOD_S, _SAME_PLACE = 1.3, 0.7
"""A time of at most so long in which a vehicle stayed in its place is no gap: no other can have taken the place meanwhile. `_SAME_PLACE`:
intersection over union of the boxes before and after it."""
_STAYED: Final = 0.9
"""The same of boxes between which the vehicle stood, though its box was elsewhere for a moment: drawn with one that passed, or hidden."""
_THINNED_S, _NEARLY_SAME_PLACE = 1.6, 0.5
"""The same among the older sightings, which the tracker thins to one per second; frames may be missing beside them."""
MAX_ACCELERATION_M_S2: Final = 5.0
"""Hard braking of a car on a dry road is 6 to 8; drivers at a junction stay below 5."""
MAX_ACCELERATION_UNSEEN_M_S2: Final = 3.0
"""Across frames in which the vehicle was not detected: there the track may have continued with another one."""
JITTER_COVERAGE: Final = 3.5
"""A track has many steps, and none of its jitter may look like another vehicle."""
VELOCITY_S: Final = 0.4
"""Time over which a velocity is taken on each side of a step; at low frame rates the time of two sightings."""
STEP_SPANS_S: Final = (0.3, 0.6)
"""Steps are checked between neighbouring sightings and over these spans: a foot may be hidden little by little."""
_MISSED: Final = 1.6
"""A step of so many frame intervals misses a frame."""
_UNSEEN_S: Final = 0.25
"""Steps of this length and more are as good as gaps: at 4 frames per second and below a track may continue with another vehicle."""
_UNSEEN_FIT_S, _SLOW_FIT_S, _UNSEEN_START_M_S2, _UNSEEN_BRAKE_M_S2 = 0.6 + 1e-6, 1.6, 4.0, 6.0
"""A start of 4 m/s2 is a motorcycle's at a green signal; who brakes with 6 m/s2 brakes hard."""
_SLOW_LAG_M_S: Final = 0.6
"""How much the velocity may differ more over three frames of a slow camera than over VELOCITY_S."""
_JUMP_M: Final = 1.5
"""From one frame to the next a vehicle that stood has not driven so far."""
_MAX_UNSEEN_NOISE_M: Final = 1.5
"""Vehicles follow each other at three metres and more: where feet jitter so much, an unseen step is not told from another vehicle."""
_MAX_MISSED_JITTER_M, _LONG_MISSED_S, _NEAR_STEPS = 0.25, 0.5, 8
"""Where feet jitter more, a step that misses frames for so long, or one of a slow camera, is not judged."""
_TURNED, _MAX_TURNING_M_S = 0.3, 9.0
"""(Length - width) / 2 of a vehicle, as a part of the length that its box shows from the side; who turns round is no faster."""
_STOOD_FIT_S, _STOOD_M_S = 2.0, 1.2
"""A vehicle that moved by less in the last two seconds had stood, or just started."""
_ELSEWHERE: Final = 0.3
"""Intersection over union below which two boxes are not in one place."""
_UPPER_PART, _OTHER_SHAPE, _SHAPE_SIGHTINGS = 0.35, 0.45, 3
"""An upper edge that jumps by this part of the box's height in one frame, while the lower one stays, is another vehicle's, if so many boxes
before it and after it all differ in shape, the logarithm of height / width."""
_MAX_FIT, _MAX_LONG_FIT = 16, 50
_JITTER_SAMPLES: Final = 60


def is_one_vehicle(track: Track, calibration: Calibration, start: datetime, end: datetime, *, turning: bool = False) -> bool:
    """Whether the sightings between two moments can be one vehicle: no long gap, and no step that takes more than hard braking.

    `turning`: it turned in between, so that the middle of the box's lower edge is another point of the vehicle.

    A track that adopted another vehicle after a loss, a hidden foot and headlight glare make a step that no vehicle can make. Where the
    picture's edge cuts the feet there is no step to check, but a gap before them is one.
    """
    motion = _VehicleMotion(track, calibration)
    if motion.has_gap(start, end):
        return False
    shown = _with_feet(track, calibration)
    if shown is not track:
        motion = _VehicleMotion(shown, calibration)
    return all(motion.fits(one, two, turning=turning) for one, two in motion.steps(start, end))


def parts_of_one_vehicle(track: Track, calibration: Calibration) -> list[tuple[int, int]]:
    """First and last index of the parts between gaps and steps that no vehicle can make; the parts may overlap. The whole track if there
    are none: one foot that a detector drew far off does not make the rest of a track another vehicle's."""
    motion = _VehicleMotion(track, calibration)
    start, end = track.first.captured_at, track.last.captured_at
    parts: list[tuple[int, int]] = []
    begins = 0
    for i, j in sorted(motion.steps(start, end), key=lambda step: (step[1], -step[0])):
        if i < begins or (motion.fits(i, j) and not (j == i + 1 and motion.is_gap(i))):
            continue
        parts.append((begins, j - 1))
        begins = i + 1
    return [*parts, (begins, len(track.sightings) - 1)]


def measured_jitter(track: Track, calibration: Calibration) -> float:
    """Standard deviation of the feet around steady motion, in the calibration's unit: a detector may jitter more than is expected of it."""
    return _VehicleMotion(_with_feet(track, calibration), calibration).own_jitter


def _with_feet(track: Track, calibration: Calibration) -> Track:
    """Without the sightings at its ends that the picture's lower edge cuts: that edge stands still while the vehicle drives."""
    shown = [calibration.shows_foot(sighting.box) for sighting in track.sightings]
    if all(shown) or not any(shown):
        return track
    first, last = shown.index(True), len(shown) - shown[::-1].index(True)
    return replace(track, sightings=track.sightings[first:last])


def of_one_vehicle(track: Track, calibration: Calibration, at: datetime) -> Track:
    """The part of a track around a moment that one vehicle drove: it ends where none can have driven so far while it was not detected, or
    to another place from one frame to the next, and where one stood that stands elsewhere when it is detected again.

    Before and after that the track may hold another vehicle, and its plate.
    """
    motion = _VehicleMotion(track, calibration)
    cuts = [i for i in range(len(track.sightings) - 1) if motion.may_change_vehicle_at(i)]
    start = max((i + 1 for i in cuts if track.sightings[i + 1].captured_at <= at), default=0)
    end = min((i + 1 for i in cuts if track.sightings[i].captured_at >= at), default=len(track.sightings))
    return replace(track, sightings=track.sightings[start:end])


class _Velocity(NamedTuple):
    x: float
    y: float
    noise: float
    """Standard deviation for a position noise of 1."""

    @property
    def speed(self) -> float:
        return hypot(self.x, self.y)

    def at_most(self, jitter: float) -> float:
        return self.speed + COVERAGE * self.noise * jitter


class _Fit(NamedTuple):
    """A straight line through the feet on one side of a gap: its position at the gap, its velocity, and their standard deviations."""

    at: Point
    at_noise: float
    velocity: _Velocity


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """From one sighting of a track to a later one, in seconds and in the calibration's unit."""

    i: int
    j: int
    seconds: float
    before: _Velocity
    """Where one side tells no velocity, that of the other."""
    after: _Velocity
    expected: float
    """Standard deviation of a foot from frame to frame that is expected of a detector here."""
    least: float
    """The least that is assumed, however still the feet of the track are."""
    jitter: float
    """What is assumed: the track's own, within limits."""
    driven: float
    """How far off a driver can be at the end of it, by accelerating or braking."""
    is_consecutive: bool
    """No sighting is between the two, and none was left out of an older part of the track."""
    is_missed: bool
    """The vehicle was not detected in frames between them."""
    is_unseen: bool
    """For so long that the second may be another vehicle."""

    @property
    def speed(self) -> float:
        return max(self.before.speed, self.after.speed)


class _VehicleMotion:
    """A track's feet on the road over time."""

    def __init__(self, track: Track, calibration: Calibration) -> None:
        self._track = track
        self._calibration = calibration
        start = track.first.captured_at
        self._times = [(sighting.captured_at - start).total_seconds() for sighting in track.sightings]
        self._intervals = [two - one for one, two in pairwise(self._times)]
        self._interval_s = median(self._intervals) if self._intervals else 0.0
        self._window_s = max(VELOCITY_S, 1.1 * self._interval_s) + 1e-6
        self._feet: dict[int, Point] = {}
        self._smooth: dict[int, Point] = {}
        self._velocities: dict[tuple[int, int], _Velocity | None] = {}
        self._jitters: dict[int, float] = {}
        self._is_completed = isinstance(track, CompletedTrack)
        """The jitter of completed feet is computed, and not learned from how still the vehicle stood while its feet were seen."""

    @cached_property
    def own_jitter(self) -> float:
        """That of feet spread over the whole track."""
        return self._jitter_at(range(1, len(self._times) - 1, 1 + len(self._times) // _JITTER_SAMPLES))

    def has_gap(self, start: datetime, end: datetime) -> bool:
        first, last = self._seconds(start), self._seconds(end)
        return any(two > first and one < last and self.is_gap(i) for i, (one, two) in enumerate(pairwise(self._times)))

    def is_gap(self, i: int) -> bool:
        """Whether the vehicle was not seen for too long after a sighting."""
        return self._intervals[i] > max(MAX_GAP_S, _MISSED * self._interval_s) and not self._stood_through(i)

    def _stood_through(self, i: int) -> bool:
        """Whether the vehicle stood in one place between two sightings."""
        return self._is_thinned(i) or (self._intervals[i] <= _STOOD_S and self._overlap(i) >= _SAME_PLACE)

    def _is_thinned(self, i: int) -> bool:
        """Whether the tracker may have left out the sightings after one: those of a vehicle that stood or crept, long ago."""
        is_old = self._times[-1] - self._times[i] > FULL_RATE_S
        return is_old and self._intervals[i] <= _THINNED_S and self._overlap(i) >= _NEARLY_SAME_PLACE

    def _overlap(self, i: int) -> float:
        one, two = self._track.sightings[i : i + 2]
        return iou(one.box, two.box)

    def steps(self, start: datetime, end: datetime) -> Iterator[tuple[int, int]]:
        """Pairs of sightings to check: neighbours, and those `STEP_SPANS_S` apart."""
        first, last = self._seconds(start), self._seconds(end)
        for i in range(len(self._times) - 1):
            if self._times[i + 1] <= first or self._times[i] >= last:
                continue
            yield i, i + 1
            for span in STEP_SPANS_S:
                j = next((j for j in range(i + 2, len(self._times)) if self._times[j] - self._times[i] >= span - 1e-6), None)
                if j is not None and self._times[j] - self._times[i] < span + 0.3:
                    yield i, j

    def fits(self, i: int, j: int, *, turning: bool = False) -> bool:
        """Whether one vehicle can have made the step between two sightings, or stood, and its box was elsewhere for a moment."""
        return self.is_possible(i, j, turning=turning) or self._stayed(i, j)

    def _stayed(self, i: int, j: int) -> bool:
        """Whether it was in one place before and after two sightings, within so short a time that no other can have taken the place."""
        sightings, times = self._track.sightings, self._times
        earliest = bisect_left(times, times[j] - _STOOD_S)
        return any(
            iou(sightings[a].box, sightings[b].box) >= _STAYED
            for a in range(i, earliest - 1, -1)
            for b in range(j, bisect_right(times, times[a] + _STOOD_S))
        )

    def may_change_vehicle_at(self, i: int) -> bool:
        """Whether the next sighting may be another vehicle: none can have driven there, where it was not detected meanwhile or the boxes
        hardly overlap; or it is the only one on its side of a time without detection, which tells no velocity."""
        if self.is_unseen(i):
            is_alone = self._intervals[i] > _MISSED * self._interval_s and min(i + 1, len(self._intervals) - i) == 1
            return is_alone or not self.is_possible(i, i + 1) or self.stands_elsewhere(i)
        shown = all(self._calibration.shows_foot(each.box) for each in self._track.sightings[i : i + 2])
        moved_on = self._overlap(i) < _ELSEWHERE and not self.is_possible(i, i + 1)
        return shown and (moved_on or self._changes_shape(i))

    def _changes_shape(self, i: int) -> bool:
        """Whether the upper edge jumps and the lower one stays, for good: where two motorcycles overlap, the track may take the other one,
        of which only a part is seen."""
        boxes = [each.box for each in self._track.sightings[max(0, i + 1 - _SHAPE_SIGHTINGS) : i + 1 + _SHAPE_SIGHTINGS]]
        one, two = (self._track.sightings[index].box for index in (i, i + 1))
        jumped = abs(two.y1 - one.y1)
        if len(boxes) < 2 * _SHAPE_SIGHTINGS or jumped <= _UPPER_PART * max(one.height, two.height) or abs(two.y2 - one.y2) > jumped / 3:
            return False
        shapes = [log(max(box.height, 1.0) / max(box.width, 1.0)) for box in boxes]
        before, after = shapes[:_SHAPE_SIGHTINGS], shapes[_SHAPE_SIGHTINGS:]
        return max(min(after) - max(before), min(before) - max(after)) > _OTHER_SHAPE

    def is_unseen(self, i: int) -> bool:
        """Whether the vehicle was not detected for long enough after a sighting that the next one may be another vehicle."""
        return self._intervals[i] > _MISSED * self._interval_s or self._intervals[i] >= _UNSEEN_S

    def stands_elsewhere(self, i: int) -> bool:
        """Whether the vehicle stood before a time in which it was not detected, and stands in another place after it: where one is hidden,
        the track may continue with another that stands beside it. One that moved up meanwhile only loses what was before."""
        if self._intervals[i] < _LONG_MISSED_S or self._overlap(i) >= _ELSEWHERE:
            return False
        jitter = max(self.own_jitter, self._foot_jitter(i))
        return all(self._stood(index, direction, jitter) is not None for index, direction in ((i, -1), (i + 1, 1)))

    def is_possible(self, i: int, j: int, *, turning: bool = False) -> bool:
        """Whether the displacement fits the velocities before `i` and after `j`, within the acceleration limit and the jitter."""
        step = self._step(i, j, turning=turning)
        if step is None:
            return True
        if step.is_missed and (self._hides_another(step) or not self._bridges(step)):
            return False
        if (step.is_unseen or self._jumped_from_stand(step)) and not self._reaches(step):
            return False
        noise = JITTER_COVERAGE * 2**0.5 * step.jitter
        if turning and not step.is_missed and step.speed <= _MAX_TURNING_M_S * self._calibration.metre(self._track.sightings[j]):
            noise += self._turning_allowance(i, j)
        return self._off(step) <= step.driven + (self._told_apart(noise, i) if step.is_unseen else noise)

    def _step(self, i: int, j: int, *, turning: bool) -> "_Step | None":
        """None if no velocity is known on either side."""
        seconds = self._times[j] - self._times[i]
        before, after = self._velocity(i, -1), self._velocity(j, 1)
        before, after = before or after, after or before
        if before is None or after is None:
            return None
        expected = max(self._foot_jitter(i), self._foot_jitter(j))
        least = expected / 2 if self._calibration.matrix is not None and not self._is_completed else expected
        is_consecutive = j == i + 1 and not self._is_thinned(i) and not (turning and seconds < _UNSEEN_S)
        is_missed = is_consecutive and seconds > _MISSED * self._interval_s
        jitter = min(max(least, self.own_jitter), expected if is_missed else 2 * expected)
        limit = MAX_ACCELERATION_UNSEEN_M_S2 if is_missed else MAX_ACCELERATION_M_S2
        acceleration = limit * self._calibration.metre(self._track.sightings[j])
        lag = sum(min(acceleration * self._window_s / 2, each.speed + jitter * each.noise) for each in (before, after)) / 2
        return _Step(
            i=i,
            j=j,
            seconds=seconds,
            before=before,
            after=after,
            expected=expected,
            least=least,
            jitter=jitter,
            driven=acceleration * seconds**2 / 4 + seconds * lag,
            is_consecutive=is_consecutive,
            is_missed=is_missed,
            is_unseen=is_consecutive and self.is_unseen(i),
        )

    def _off(self, step: "_Step") -> float:
        """How far the foot after the step is from where the velocities on both sides put it."""
        one, two, before, after = self._foot(step.i), self._foot(step.j), step.before, step.after
        return hypot(
            two.x - one.x - step.seconds * (before.x + after.x) / 2,
            two.y - one.y - step.seconds * (before.y + after.y) / 2,
        )

    def _turning_allowance(self, i: int, j: int) -> float:
        """By how much the middle of the lower edge moves on a vehicle that turns, from a corner to the middle of its side."""
        boxes = [self._track.sightings[index].box for index in (i, j)]
        foot = max(boxes, key=lambda box: box.width).foot
        return (
            _TURNED
            * max(box.width for box in boxes)
            * distance(self._calibration.ground(foot), self._calibration.ground(Point(foot.x + 1, foot.y)))
        )

    def _hides_another(self, step: "_Step") -> bool:
        """Whether the feet around a step that misses frames jitter so much that another vehicle may have taken the place meanwhile."""
        if step.seconds < _LONG_MISSED_S and self._interval_s < _UNSEEN_S:
            return False
        near = range(max(1, step.i - _NEAR_STEPS), min(len(self._times) - 1, step.i + _NEAR_STEPS + 1))
        jitter = min(max(step.least, self.own_jitter, self._jitter_at(near)), step.expected)
        return jitter > _MAX_MISSED_JITTER_M * self._calibration.metre(self._track.sightings[step.i])

    def _jumped_from_stand(self, step: "_Step") -> bool:
        """Whether a vehicle that stood is far away in the next frame: where the one that waited is lost as another appears ahead of it, no
        frame is missing."""
        if not step.is_consecutive:
            return False
        jumped = distance(self._raw_foot(step.i), self._raw_foot(step.j)) > _JUMP_M * self._calibration.metre(self._track.sightings[step.i])
        return jumped and self._stood(step.i, -1, step.jitter) is not None

    def _told_apart(self, noise: float, i: int) -> float:
        """The allowance for jitter in an unseen step, so small that another vehicle, ahead or behind, is told apart."""
        return min(noise, _MAX_UNSEEN_NOISE_M * self._calibration.metre(self._track.sightings[i]))

    def _bridges(self, step: "_Step") -> bool:
        """Whether the lines through the feet on both sides of a gap meet within what a driver can have done in it unseen.

        Many feet locate a vehicle better than the two at the gap: at 25 frames per second, a track that continued with a vehicle 3 m ahead.
        """
        before, after, seconds, driven = self._near(step.i, -1), self._near(step.j, 1), step.seconds, step.driven
        if len(before) < 3 or len(after) < 3:
            before, after = self._at_least_three(step.i, -1), self._at_least_three(step.j, 1)
            driven += seconds * _SLOW_LAG_M_S * self._calibration.metre(self._track.sightings[step.i])
        one = self._stood(step.i, -1, step.jitter) or self._fit(before, step.i)
        two = self._stood(step.j, 1, step.jitter) or self._fit(after, step.j)
        if one is None or two is None:
            return True
        velocity_x, velocity_y = (one.velocity.x + two.velocity.x) / 2, (one.velocity.y + two.velocity.y) / 2
        off = hypot(two.at.x - one.at.x - seconds * velocity_x, two.at.y - one.at.y - seconds * velocity_y)
        noise = hypot(one.at_noise, two.at_noise, seconds / 2 * one.velocity.noise, seconds / 2 * two.velocity.noise)
        return off <= driven + self._told_apart(JITTER_COVERAGE * noise * step.jitter, step.i)

    def _reaches(self, step: "_Step") -> bool:
        """Whether a vehicle can have driven so far between two frames, with the speed that it had before and, where frames are missing or
        feet jitter much, the speed after. One that stood cannot have driven three metres, nor has one that stands then; one that has just
        started has left the place where it stood. Where feet jitter much, all uncertainties do not count at once."""
        i, j, seconds, jitter = step.i, step.j, step.seconds, min(step.jitter, step.expected)
        latest = self._fit(self._at_least_three(i, -1), i)
        before = self._stood(i, -1, jitter) or latest
        after = self._stood(j, 1, jitter) or self._fit(self._at_least_three(j, 1), j)
        if before is None or latest is None:
            return True
        metre = self._calibration.metre(self._track.sightings[i])
        reached, noise = (after.at, after.at_noise) if after else (self._raw_foot(j), 1.0)
        driven = min(hypot(reached.x - fit.at.x, reached.y - fit.at.y) for fit in (before, latest))
        of_place = JITTER_COVERAGE * hypot(before.at_noise, noise) * jitter
        of_speed, of_speed_after = (COVERAGE * fit.velocity.noise * jitter * seconds if fit else 0.0 for fit in (before, after))
        start, stop = (limit * metre * seconds**2 / 2 for limit in (_UNSEEN_START_M_S2, _UNSEEN_BRAKE_M_S2))
        started = before.velocity.speed * seconds + start
        stopped = after.velocity.speed * seconds + stop if after else inf
        if jitter <= _MAX_MISSED_JITTER_M * metre:
            reach = started + of_speed
            return driven <= of_place + (min(reach, stopped + of_speed_after) if step.is_missed else reach)
        return driven - self._told_apart(hypot(of_place, of_speed), i) <= min(started, stopped)

    def _stood(self, index: int, direction: int, jitter: float) -> _Fit | None:
        """The line through the feet of up to two seconds before (-1) or after (1) a sighting; None if it drove or braked in them."""
        fit, near = self._fit(self._near(index, direction, _STOOD_FIT_S), index), self._fit(self._at_least_three(index, direction), index)
        if fit is None or near is None:
            return None
        slow = fit.velocity.at_most(jitter) <= _STOOD_M_S * self._calibration.metre(self._track.sightings[index])
        agree = hypot(fit.at.x - near.at.x, fit.at.y - near.at.y) <= COVERAGE * hypot(fit.at_noise, near.at_noise) * jitter
        return fit if slow and agree else None

    def _near(self, index: int, direction: int, within_s: float | None = None) -> list[int]:
        """The sightings within the window before (-1) or after (1) one, itself included, in the order of time."""
        most = _MAX_FIT if within_s is None else _MAX_LONG_FIT
        start, end = (max(0, index - most), index + 1) if direction < 0 else (index, min(len(self._times), index + most))
        return [k for k in range(start, end) if abs(self._times[k] - self._times[index]) <= (within_s or self._window_s)]

    def _at_least_three(self, index: int, direction: int) -> list[int]:
        """The sightings within 0.6 s, or the nearest three if they lie within 1.6 s."""
        near = self._near(index, direction, _UNSEEN_FIT_S)
        if len(near) >= 3:
            return near
        wider = self._near(index, direction, _SLOW_FIT_S)
        return wider[-3:] if direction < 0 else wider[:3]

    def _fit(self, near: Sequence[int], at: int) -> _Fit | None:
        """None for fewer than three feet."""
        if len(near) < 3:
            return None
        mean = sum(self._times[k] for k in near) / len(near)
        spread = sum((self._times[k] - mean) ** 2 for k in near)
        feet = [self._raw_foot(k) for k in near]
        x, y = sum(foot.x for foot in feet) / len(feet), sum(foot.y for foot in feet) / len(feet)
        velocity_x = sum((self._times[k] - mean) * foot.x for k, foot in zip(near, feet, strict=True)) / spread
        velocity_y = sum((self._times[k] - mean) * foot.y for k, foot in zip(near, feet, strict=True)) / spread
        ahead = self._times[at] - mean
        position = Point(x + ahead * velocity_x, y + ahead * velocity_y)
        return _Fit(position, hypot(1 / len(near) ** 0.5, ahead / spread**0.5), _Velocity(velocity_x, velocity_y, 1 / spread**0.5))

    def _velocity(self, index: int, direction: int) -> _Velocity | None:
        """Over the window before (-1) or after (1) a sighting, by least squares; None if the sightings span too little time.

        It is that in the window's middle, which differs from that at its end by the acceleration (`lag` above).
        """
        key = index, direction
        if key not in self._velocities:
            near = self._near(index, direction)
            self._velocities[key] = self._fitted_velocity(near if len(near) > 1 else self._standing_pair(index, direction))
        return self._velocities[key]

    def _standing_pair(self, index: int, direction: int) -> list[int]:
        """A sighting and the next before (-1) or after (1) it, if the vehicle stood in between: the older sightings of one that waits are
        too far apart for the window."""
        first = index if direction > 0 else index - 1
        return [first, first + 1] if 0 <= first < len(self._intervals) and self._stood_through(first) else [index]

    def _fitted_velocity(self, near: Sequence[int]) -> _Velocity | None:
        if len(near) < 2 or self._times[near[-1]] - self._times[near[0]] < 0.05:
            return None
        mean = sum([self._times[k] for k in near]) / len(near)
        offsets, feet = [self._times[k] - mean for k in near], [self._foot(k) for k in near]
        spread = sum([offset * offset for offset in offsets])
        x = sum([offset * foot.x for offset, foot in zip(offsets, feet, strict=True)]) / spread
        y = sum([offset * foot.y for offset, foot in zip(offsets, feet, strict=True)]) / spread
        return _Velocity(x, y, 1 / spread**0.5)

    def _foot_jitter(self, index: int) -> float:
        if index not in self._jitters:
            sighting = self._track.sightings[index]
            usual = self._calibration.foot_jitter(sighting)
            self._jitters[index] = max(usual, sighting.jitter) if isinstance(sighting, CompletedSighting) else usual
        return self._jitters[index]

    def _jitter_at(self, indices: Sequence[int]) -> float:
        """Standard deviation of these feet around steady motion, from the median of second differences."""
        bends = []
        for i in indices:
            if self._times[i + 1] - self._times[i - 1] <= 1.0:
                one, two, three = self._raw_foot(i - 1), self._raw_foot(i), self._raw_foot(i + 1)
                bends.append(max(abs(one.x - 2 * two.x + three.x), abs(one.y - 2 * two.y + three.y)))
        return 1.4826 * median(bends) / 6**0.5 if bends else 0.0

    def _foot(self, index: int) -> Point:
        """The median of a sighting and its neighbours, in each coordinate: one outlier is a detector's, not a vehicle's. At the ends of the
        track, where it would be displaced by half a step, the foot itself."""
        if index not in self._smooth:
            ends = index in (0, len(self._times) - 1)
            near = [self._raw_foot(i) for i in ((index,) if ends else (index - 1, index, index + 1))]
            middle = len(near) // 2
            self._smooth[index] = Point(sorted([foot.x for foot in near])[middle], sorted([foot.y for foot in near])[middle])
        return self._smooth[index]

    def _raw_foot(self, index: int) -> Point:
        if index not in self._feet:
            self._feet[index] = self._calibration.ground(self._track.sightings[index].box.foot)
        return self._feet[index]

    def _seconds(self, moment: datetime) -> float:
        return seconds_between(self._track.first.captured_at, moment)
