"""When a vehicle's front passed a line, as an interval that covers the uncertainty, and whether one vehicle really moved over it.

The foot of a detector's box is not the vehicle: it jitters, a motorcycle in front hides it, two vehicles merge into one box, and a track
may continue with another vehicle. A passage therefore needs lasting positions on both sides of the line, and `is_one_vehicle` and
`whole_box_moved` reject motion that only the box made.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, auto
from functools import cached_property
from itertools import pairwise
from math import hypot, log
from statistics import median
from types import MappingProxyType
from typing import Final, NamedTuple

from etle.clock import seconds_between
from etle.geometry import distance, iou
from etle.types import Box, Point, Sighting, Track, TrackId
from models.tracking.thinning import FULL_RATE_S
from pipeline.scene.calibration import Calibration
from pipeline.scene.camera_position import camera_position
from pipeline.scene.completed_foot import CompletedSighting, CompletedTrack, possible_feet
from pipeline.scene.sighting_memory import SightingMemory, remember

COVERAGE: Final = 2.0
"""Coverage factor (GUM: k = 2, about 95 %)."""
SMOOTHING_S: Final = 0.6
"""Width of the running median over the positions."""
_HALF_WINDOW_S: Final = SMOOTHING_S / 2 + 1e-6
LASTING_S: Final = 0.25
"""A position before or beyond the line counts if it lasts this long, and for two sightings at least."""
DEEP_COVERAGE: Final = 6.0
"""It also counts at once if the second sighting is that many standard uncertainties from the line: clips and views end."""
MAX_GAP_S: Final = 0.8
"""Longest time without a sighting on the relevant path; at low frame rates 1.6 frame intervals: none is missed."""
_STOOD_S, _SAME_PLACE = 1.3, 0.7
"""A time of at most so long in which a vehicle stayed in its place is no gap: no other can have taken the place meanwhile. `_SAME_PLACE`:
intersection over union of the boxes before and after it."""
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
_MISSED = 1.6
"""A step of so many frame intervals misses a frame."""
_UNSEEN_S = 0.25
"""Steps of this length and more are as good as gaps: at 4 frames per second and below a track may continue with another vehicle."""
_UNSEEN_FIT_S, _SLOW_FIT_S, _UNSEEN_START_M_S2, _UNSEEN_BRAKE_M_S2 = 0.6 + 1e-6, 1.6, 4.0, 6.0
"""A start of 4 m/s2 is a motorcycle's at a green signal; who brakes with 6 m/s2 brakes hard."""
_SLOW_LAG_M_S = 0.6
"""How much the velocity may differ more over three frames of a slow camera than over VELOCITY_S."""
_JUMP_M: Final = 1.5
"""From one frame to the next a vehicle that stood has not driven so far."""
_MAX_UNSEEN_NOISE_M = 1.5
"""Vehicles follow each other at three metres and more: where feet jitter so much, an unseen step is not told from another vehicle."""
_MAX_MISSED_JITTER_M, _LONG_MISSED_S, _NEAR_STEPS = 0.25, 0.5, 8
"""Where feet jitter more, a step that misses frames for so long, or one of a slow camera, is not judged."""
_TURNED, _MAX_TURNING_M_S = 0.3, 9.0
"""(Length - width) / 2 of a vehicle, as a part of the length that its box shows from the side; who turns round is no faster."""
_STOOD_FIT_S, _STOOD_M_S = 2.0, 1.2
"""A vehicle that moved by less in the last two seconds had stood, or just started."""
_ELSEWHERE = 0.3
"""Intersection over union below which two boxes are not in one place."""
_FAR = 10.0
_SETTLED_S = 1.2
"""So long after a passage no further sighting changes it: longer than LASTING_S, and than the windows of median and speed."""
_MAX_FIT, _MAX_LONG_FIT = 16, 50
_JITTER_SAMPLES = 60
_MIN_SHIFT_PX = 2.0
_MIN_TOP_SHARE = 0.35
"""The top edge of a box moves by (H - h) / H of its foot, for a vehicle of height h under a camera at height H: a car's by 0.6 and more.
A bus under a low camera moves less, and grows."""
_MIN_GROWTH = 0.06
_MAX_TALLER_GROWN: Final = 0.12
"""Where only the width tells that a vehicle moved, its height must have changed as much, in logarithms."""
_MAX_HEIGHT_SHARE, _MAX_TALLER = 0.5, 0.25
"""A box whose height changes by half as much as its foot moves, and by a quarter against its width, has lost or gained its lower part."""
_MIN_SCALED = 0.5
"""The width must change by this part, in logarithms, of what the way on the road makes it change."""
_LOST_PART, _LOST_PART_S = 0.35, 2.0
"""A lower edge that jumps up by this part of the box's height hides the foot, in so long before a passage."""
_NEAR_S = 0.4


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """`at`: the most probable moment, interpolated between two sightings; it lies between `earliest` and `latest` with k = 2."""

    at: datetime
    earliest: datetime
    latest: datetime
    speed: float
    """Perpendicular to the line, in the calibration's unit per second."""
    before: int
    """Index of the last sighting that was certainly before the line."""
    beyond: int
    """Index of the first sighting that was certainly and lastingly beyond it."""


class NoPassage(Enum):
    """Why a track shows no passage over a line."""

    BEFORE = auto()
    """At its end the front is before the line."""
    UNCERTAIN = auto()
    """The front is beyond the line, but not certainly and lastingly, or not along one way."""
    BEGAN_BEYOND = auto()
    """The track does not show the vehicle before the line."""
    BESIDE = auto()
    """The front passed beside the ends of the line."""


class FrontOffset(NamedTuple):
    """Distance from the foot of the box to the vehicle's front: smallest, most probable and largest."""

    low: float
    nominal: float
    high: float


class PassageMemory:
    """Finds the first lasting passage of the front over one line, or why there is none: it did not pass, or the track does not show both
    sides. Later passages do not count: a vehicle that was once beyond the line has crossed it then, and what comes after is jitter or a
    hidden foot.

    Remembers the passages that further sightings cannot change, and where the feet were, so that they are not computed for every frame
    again.
    """

    def __init__(self, distance: Callable[[Sighting], float], uncertainty: Callable[[Sighting], float]) -> None:
        """`distance`: of a sighting's foot beyond the line; `uncertainty`: its standard uncertainty, in the same unit."""
        self._distance, self._uncertainty = distance, uncertainty
        self._feet, self._uncertainties = SightingMemory(distance), SightingMemory(uncertainty)
        self._settled: dict[TrackId, tuple[FrontOffset, Sighting, Sighting, Passage]] = {}
        self._positions: dict[TrackId, _Positions] = {}
        self._began_beyond: dict[TrackId, tuple[FrontOffset, Sighting]] = {}

    def passage_of(self, track: Track, front: FrontOffset, exact: Callable[[Track], FrontOffset] | None = None) -> Passage | NoPassage:
        """`front`: where the front is; its largest distance does not matter as long as the front is not certainly beyond the line, and
        `exact` is asked for it then, if given."""
        last = min(map(self._distance, possible_feet(track.last)))
        if last + front.low - COVERAGE * self._uncertainty(track.last) < 0:
            return NoPassage.UNCERTAIN if self._distance(track.last) + front.nominal > 0 else NoPassage.BEFORE
        if exact is not None:
            front = exact(track)
        if isinstance(track, CompletedTrack):
            return self._completed_positions(track, front).passage()
        known = self._settled.get(track.id)
        if known is not None and self._holds(known, track, front):
            return known[-1]
        if self._began_beyond.get(track.id) == (front, track.first):
            return NoPassage.BEGAN_BEYOND
        feet, uncertainties = self._feet.of(track), self._uncertainties.of(track)
        positions = _Positions(track, feet, uncertainties, front, self._positions.pop(track.id, None))
        remember(self._positions, track.id, positions)
        passed = positions.passage()
        if passed is NoPassage.BEGAN_BEYOND and positions.beyond_for_s > _SETTLED_S:
            remember(self._began_beyond, track.id, (front, track.first))
        if isinstance(passed, Passage) and seconds_between(track.sightings[passed.beyond].captured_at, track.last.captured_at) > _SETTLED_S:
            remember(self._settled, track.id, (front, track.sightings[passed.before], track.sightings[passed.beyond], passed))
        return passed

    def _completed_positions(self, track: CompletedTrack, front: FrontOffset) -> "_Positions":
        """Nothing of them is remembered: completed feet change with what is seen of the vehicle later."""
        feet, uncertainties = ([compute(each) for each in track.sightings] for compute in (self._distance, self._uncertainty))
        hidden = {
            index: _HiddenFoot(*sorted(map(self._distance, each.extremes)))
            for index, each in enumerate(track.sightings)
            if isinstance(each, CompletedSighting)
        }
        return _Positions(track, feet, uncertainties, front, hidden=hidden)

    @staticmethod
    def _holds(known: tuple[FrontOffset, Sighting, Sighting, Passage], track: Track, front: FrontOffset) -> bool:
        """Whether it was computed from the same sightings and length."""
        length, before, beyond, passed = known
        if length != front or passed.beyond >= len(track.sightings):
            return False
        return track.sightings[passed.before] is before and track.sightings[passed.beyond] is beyond


def is_one_vehicle(track: Track, calibration: Calibration, start: datetime, end: datetime, *, turning: bool = False) -> bool:
    """Whether the sightings between two moments can be one vehicle: no long gap, and no step that takes more than hard braking.

    `turning`: it turned in between, so that the middle of the box's lower edge is another point of the vehicle.

    A track that adopted another vehicle after a loss, a hidden foot and headlight glare make a step that no vehicle can make. Where the
    picture's edge cuts the feet there is no step to check, but a gap before them is one.
    """
    motion = _Motion(track, calibration)
    if motion.has_gap(start, end):
        return False
    shown = _with_feet(track, calibration)
    if shown is not track:
        motion = _Motion(shown, calibration)
    return all(motion.is_possible(one, two, turning=turning) for one, two in motion.steps(start, end))


def parts_of_one_vehicle(track: Track, calibration: Calibration) -> list[tuple[int, int]]:
    """First and last index of the parts between gaps and steps that no vehicle can make; the parts may overlap. The whole track if there
    are none: one foot that a detector drew far off does not make the rest of a track another vehicle's."""
    motion = _Motion(track, calibration)
    start, end = track.first.captured_at, track.last.captured_at
    parts: list[tuple[int, int]] = []
    begins = 0
    for i, j in sorted(motion.steps(start, end), key=lambda step: (step[1], -step[0])):
        if i < begins or (motion.is_possible(i, j) and not (j == i + 1 and motion.is_gap(i))):
            continue
        parts.append((begins, j - 1))
        begins = i + 1
    return [*parts, (begins, len(track.sightings) - 1)]


def measured_jitter(track: Track, calibration: Calibration) -> float:
    """Standard deviation of the feet around steady motion, in the calibration's unit: a detector may jitter more than is expected of it."""
    return _Motion(_with_feet(track, calibration), calibration).own_jitter


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
    motion = _Motion(track, calibration)
    cuts = [i for i in range(len(track.sightings) - 1) if motion.may_change_vehicle_at(i)]
    start = max((i + 1 for i in cuts if track.sightings[i + 1].captured_at <= at), default=0)
    end = min((i + 1 for i in cuts if track.sightings[i].captured_at >= at), default=len(track.sightings))
    return replace(track, sightings=track.sightings[start:end])


def whole_box_moved(track: Track, before: int, after: int) -> bool:
    """Whether the box as a whole moved between two sightings, and not its lower edge alone.

    A bumper that disappears behind a motorcycle, or two vehicles in one box, move the foot while top edge and width stay.
    """
    one, two = _median_box(track, before, -1), _median_box(track, after, 1)
    foot, top = two.y2 - one.y2, two.y1 - one.y1
    growth = log(max(two.width, 1.0) / max(one.width, 1.0))
    if abs(two.centre.x - one.centre.x) >= abs(foot) > 0:
        return True
    if abs(foot) < _MIN_SHIFT_PX:
        return False
    taller = log(max(two.height, 1.0) / max(one.height, 1.0)) - growth
    if abs(two.height - one.height) >= _MAX_HEIGHT_SHARE * abs(foot) and abs(taller) > _MAX_TALLER:
        return False
    if top * foot > 0 and abs(top) >= _MIN_TOP_SHARE * abs(foot):
        return True
    return growth * foot > 0 and abs(growth) >= _MIN_GROWTH and abs(taller) <= _MAX_TALLER_GROWN


def lower_edge_jumped_up(track: Track, index: int) -> bool:
    """Whether in the seconds before a sighting the lower edge jumped up from one sighting to the next, and the upper one stayed: something
    that was not detected hides the foot since, and draws it farther away."""
    sightings = track.sightings[: index + 1]
    first = bisect_left(sightings, sightings[-1].captured_at - timedelta(seconds=_LOST_PART_S), key=lambda each: each.captured_at)
    for one, two in pairwise(sightings[first:]):
        rise = one.box.y2 - two.box.y2
        is_step = seconds_between(one.captured_at, two.captured_at) <= _UNSEEN_S
        if is_step and rise > _LOST_PART * one.box.height and abs(one.box.y1 - two.box.y1) < rise / 3:
            return True
    return False


def is_seen_at_scale(track: Track, before: int, after: int, calibration: Calibration) -> bool:
    """Whether the box became narrower, or wider, as a vehicle does that drives on the road from one sighting's foot to the other's.

    Where the lower edge is completed from the upper one, only the width tells whether the vehicle moved: the upper edge also rises where a
    rider stands up, and where another vehicle, farther away, appears above the vehicle in one box with it.
    """
    camera = camera_position(calibration)
    one, two = _median_box(track, before, -1), _median_box(track, after, 1)
    if camera is None:
        return False
    at_one, at_two = (hypot(distance(calibration.ground(box.foot), camera.below), camera.height) for box in (one, two))
    expected, growth = log(at_one / at_two), log(max(two.width, 1.0) / max(one.width, 1.0))
    return growth * expected > 0 and abs(growth) >= _MIN_SCALED * abs(expected)


class _HiddenFoot(NamedTuple):
    """Smallest and largest distance beyond a line at which a completed foot can be."""

    low: float
    high: float


class _Positions:
    """Where a track's front was against a line, of a track whose last sighting is certainly beyond it."""

    def __init__(
        self, track: Track, feet: Sequence[float], uncertainties: Sequence[float], front: FrontOffset,
        earlier: "_Positions | None" = None, hidden: Mapping[int, _HiddenFoot] = MappingProxyType({}),
    ) -> None:  # fmt: skip
        """`feet`, `uncertainties`: distance of each sighting's foot beyond the line, and its standard uncertainty. `earlier`: the positions
        of the same track in an earlier frame. `hidden`: the completed feet, by index."""
        self._feet, self._uncertainties, self._front, self._hidden = feet, uncertainties, front, hidden
        self._least_u = min(uncertainties)
        self._sightings = track.sightings
        self._start = track.first.captured_at
        self._times: list[float] = []
        self._medians: dict[int, float] = {}
        """By index; those in whose window sightings may still be added are not taken over."""
        if earlier is not None and track.sightings[: len(earlier._sightings)] == earlier._sightings:
            self._times = earlier._times
            complete = bisect_left(self._times, self._times[-1] - _HALF_WINDOW_S - 1e-5)
            self._medians = {index: value for index, value in earlier._medians.items() if index < complete}
        self._times += [(each.captured_at - self._start).total_seconds() for each in track.sightings[len(self._times) :]]
        self.beyond_for_s = 0.0
        """How long the front has been beyond the line when `passage` returned; further sightings hardly change what was before that."""

    def passage(self) -> Passage | NoPassage:
        beyond = self._first_beyond()
        if beyond is None:
            return NoPassage.UNCERTAIN
        self.beyond_for_s = self._times[-1] - self._times[beyond]
        before = self._last_before(beyond)
        if before is None:
            return NoPassage.UNCERTAIN if self._nominal(0) < 0 else NoPassage.BEGAN_BEYOND
        crossed = next((i for i in range(beyond, before, -1) if self._nominal(i) > 0 >= self._nominal(i - 1)), None)
        if crossed is None:
            return NoPassage.UNCERTAIN
        at_s = self._zero(self._nominal, crossed)
        earliest_s = self._zero(self._largest, self._first_maybe_beyond(before, beyond))
        return Passage(
            at=self._start + timedelta(seconds=at_s),
            earliest=self._start + timedelta(seconds=min(earliest_s, at_s)),
            latest=self._start + timedelta(seconds=max(self._zero(self._smallest, beyond), at_s)),
            speed=self._speed(at_s),
            before=before,
            beyond=beyond,
        )

    def _first_beyond(self) -> int | None:
        """Index of the first sighting that was certainly and lastingly beyond the line."""
        if self._hidden:
            return self._lasting(range(self._first_candidate(), len(self._times)), self._beyond_by)
        low, least = self._front.low, COVERAGE * self._least_u
        first = next((i for i, foot in enumerate(self._feet) if foot + low - least >= 0), None)
        if first is None:
            return None
        # the median of a window without such a foot is not beyond either
        start = bisect_left(self._times, self._times[first] - _HALF_WINDOW_S - 1e-5)
        return self._lasting(range(start, len(self._times)), self._beyond_by)

    def _last_before(self, beyond: int) -> int | None:
        """Index of the last sighting before `beyond` that was certainly and lastingly before the line."""
        if self._hidden:
            return self._lasting(range(beyond - 1, -1, -1), self._before_by)
        high, least = self._front.high, COVERAGE * self._least_u
        reach = bisect_left(self._times, self._times[beyond] + _HALF_WINDOW_S + 1e-5)
        last = next((i for i in range(reach - 1, -1, -1) if self._feet[i] + high + least <= 0), None)
        if last is None:
            return None
        end = bisect_left(self._times, self._times[last] + _HALF_WINDOW_S + 1e-5)
        return self._lasting(range(min(beyond, end) - 1, -1, -1), self._before_by)

    def _first_maybe_beyond(self, before: int, beyond: int) -> int:
        """Index of the first sighting that may show the front beyond the line.

        What was more probably beyond it and is certainly before it later did not drive back: its foot is hidden since, and it passed then.
        """
        came = None if self._hidden else self._lasting(range(before), self._probably_beyond_by)
        if came is None:
            return next(i for i in range(before + 1, beyond + 1) if self._largest(i) > 0)
        return next((i + 1 for i in range(came - 1, 0, -1) if self._largest(i) <= 0), 1)

    def _first_candidate(self) -> int:
        """From where on a passage is searched where feet are hidden. An upper edge that rose and fell again completes feet that were beyond
        the line and back."""
        return next((i + 1 for i in range(len(self._times) - 1, -1, -1) if self._nominal(i) < 0), 0)

    def _lasting(self, indices: range, distance: Callable[[int], float]) -> int | None:
        """The first of these sightings from which on `distance` stays positive for LASTING_S, or becomes so large at once that no jitter
        makes it; for two sightings at least."""
        start: int | None = None
        for index in indices:
            by = distance(index)
            if by < 0:
                start = None
            elif start is None:
                start = index
            elif abs(self._times[index] - self._times[start]) >= LASTING_S - 1e-6 or by + COVERAGE >= DEEP_COVERAGE:
                return start
        return None

    def _beyond_by(self, index: int) -> float:
        """Smallest distance of the front beyond the line, in standard uncertainties of the foot; negative if it may not be beyond."""
        if index not in self._hidden and self._is_far_before(index, self._front.low):
            return -_FAR
        return self._smallest(index) / self._uncertainties[index]

    def _probably_beyond_by(self, index: int) -> float:
        if self._is_far_before(index, self._front.nominal):
            return -_FAR
        return (self._median(index) + self._front.nominal) / self._uncertainties[index]

    def _before_by(self, index: int) -> float:
        if index not in self._hidden and self._is_far_before(index, self._front.high):
            return _FAR
        return -self._largest(index) / self._uncertainties[index]

    def _is_far_before(self, index: int, ahead: float) -> bool:
        """So far that the median need not be computed."""
        return self._feet[index] + ahead < -_FAR * self._uncertainties[index]

    def _smallest(self, index: int) -> float:
        if (hidden := self._hidden.get(index)) is not None:
            return hidden.low + self._front.low - COVERAGE * self._uncertainties[index]
        return self._median(index) + self._front.low - COVERAGE * self._uncertainties[index]

    def _nominal(self, index: int) -> float:
        return self._feet[index] + self._front.nominal

    def _largest(self, index: int) -> float:
        if (hidden := self._hidden.get(index)) is not None:
            return hidden.high + self._front.high + COVERAGE * self._uncertainties[index]
        return self._median(index) + self._front.high + COVERAGE * self._uncertainties[index]

    def _median(self, index: int) -> float:
        """Running median of the foot over a window that is symmetric around the sighting, so that steady motion is not displaced."""
        known = self._medians.get(index)
        if known is not None:
            return known
        times, reach = self._times, 0
        at, most = times[index], min(index, len(times) - 1 - index)
        while reach < most and max(times[index + reach + 1] - at, at - times[index - reach - 1]) <= _HALF_WINDOW_S:
            reach += 1
        made = self._medians[index] = sorted(self._feet[index - reach : index + reach + 1])[reach]
        return made

    def _zero(self, value: Callable[[int], float], index: int) -> float:
        """When the value passed 0 in the step to `index`; the start of the step if it was positive there already."""
        one, two = value(index - 1), value(index)
        start, step = self._times[index - 1], self._times[index] - self._times[index - 1]
        return start + step * (-one / (two - one)) if one <= 0 < two else start

    def _speed(self, at_s: float) -> float:
        """Slope of the least-squares line through the feet within 0.6 s of `at_s`, or through the two nearest ones."""
        near = [i for i, time in enumerate(self._times) if abs(time - at_s) <= 0.6]
        if len(near) < 2:
            near = sorted(range(len(self._times)), key=lambda i: abs(self._times[i] - at_s))[:2]
        mean_t = sum(self._times[i] for i in near) / len(near)
        mean_d = sum(self._feet[i] for i in near) / len(near)
        spread = sum((self._times[i] - mean_t) ** 2 for i in near)
        return sum((self._times[i] - mean_t) * (self._feet[i] - mean_d) for i in near) / spread if spread else 0.0


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


class _Motion:
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

    def may_change_vehicle_at(self, i: int) -> bool:
        """Whether the next sighting may be another vehicle: none can have driven there, where it was not detected meanwhile or the boxes
        hardly overlap; or it is the only one on its side of a time without detection, which tells no velocity."""
        if self.is_unseen(i):
            is_alone = self._intervals[i] > _MISSED * self._interval_s and min(i + 1, len(self._intervals) - i) == 1
            return is_alone or not self.is_possible(i, i + 1) or self.stands_elsewhere(i)
        shown = all(self._calibration.shows_foot(each.box) for each in self._track.sightings[i : i + 2])
        return shown and self._overlap(i) < _ELSEWHERE and not self.is_possible(i, i + 1)

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
        step_s = self._times[j] - self._times[i]
        before, after = self._velocity(i, -1), self._velocity(j, 1)
        before, after = before or after, after or before
        if before is None or after is None:
            return True
        one, two = self._foot(i), self._foot(j)
        off = hypot(two.x - one.x - step_s * (before.x + after.x) / 2, two.y - one.y - step_s * (before.y + after.y) / 2)
        sightings = self._track.sightings
        expected = max(self._foot_jitter(i), self._foot_jitter(j))
        least = expected / 2 if self._calibration.matrix is not None else expected
        consecutive = j == i + 1 and not self._is_thinned(i) and not (turning and step_s < _UNSEEN_S)
        missed = consecutive and step_s > _MISSED * self._interval_s
        jitter = min(max(least, self.own_jitter), expected if missed else 2 * expected)
        acceleration = (MAX_ACCELERATION_UNSEEN_M_S2 if missed else MAX_ACCELERATION_M_S2) * self._calibration.metre(sightings[j])
        lag = sum(min(acceleration * self._window_s / 2, hypot(v.x, v.y) + jitter * v.noise) for v in (before, after)) / 2
        driven = acceleration * step_s**2 / 4 + step_s * lag
        if missed and self._hides_another(i, step_s, least, expected):
            return False
        if missed and not self._bridges(self._near(i, -1), self._near(j, 1), step_s, driven, jitter):
            return False
        unseen = consecutive and self.is_unseen(i)
        if (unseen or (consecutive and self._jumped_from_stand(i, jitter))) and not self._reaches(i, j, step_s, min(jitter, expected)):
            return False
        noise = JITTER_COVERAGE * 2**0.5 * jitter
        if turning and not missed and max(before.speed, after.speed) <= _MAX_TURNING_M_S * self._calibration.metre(sightings[j]):
            noise += self._turning_allowance(i, j)
        return off <= driven + (self._told_apart(noise, i) if unseen else noise)

    def _turning_allowance(self, i: int, j: int) -> float:
        """By how much the middle of the lower edge moves on a vehicle that turns, from a corner to the middle of its side."""
        boxes = [self._track.sightings[index].box for index in (i, j)]
        foot = max(boxes, key=lambda box: box.width).foot
        return (
            _TURNED
            * max(box.width for box in boxes)
            * distance(self._calibration.ground(foot), self._calibration.ground(Point(foot.x + 1, foot.y)))
        )

    def _hides_another(self, i: int, step_s: float, least: float, expected: float) -> bool:
        """Whether the feet around a step that misses frames jitter so much that another vehicle may have taken the place meanwhile."""
        if step_s < _LONG_MISSED_S and self._interval_s < _UNSEEN_S:
            return False
        near = range(max(1, i - _NEAR_STEPS), min(len(self._times) - 1, i + _NEAR_STEPS + 1))
        jitter = min(max(least, self.own_jitter, self._jitter_at(near)), expected)
        return jitter > _MAX_MISSED_JITTER_M * self._calibration.metre(self._track.sightings[i])

    def _jumped_from_stand(self, i: int, jitter: float) -> bool:
        """Whether a vehicle that stood is far away in the next frame: where the one that waited is lost as another appears ahead of it, no
        frame is missing."""
        one, two = self._raw_foot(i), self._raw_foot(i + 1)
        return distance(one, two) > _JUMP_M * self._calibration.metre(self._track.sightings[i]) and self._stood(i, -1, jitter) is not None

    def _told_apart(self, noise: float, i: int) -> float:
        """The allowance for jitter in an unseen step, so small that another vehicle, ahead or behind, is told apart."""
        return min(noise, _MAX_UNSEEN_NOISE_M * self._calibration.metre(self._track.sightings[i]))

    def _bridges(self, before: Sequence[int], after: Sequence[int], step_s: float, driven: float, jitter: float) -> bool:
        """Whether the lines through the feet on both sides of a gap meet within `driven`, what a driver can have done in it unseen.

        Many feet locate a vehicle better than the two at the gap: at 25 frames per second, a track that continued with a vehicle 3 m ahead.
        """
        if len(before) < 3 or len(after) < 3:
            before, after = self._at_least_three(before[-1], -1), self._at_least_three(after[0], 1)
            driven += step_s * _SLOW_LAG_M_S * self._calibration.metre(self._track.sightings[before[-1]])
        one = self._stood(before[-1], -1, jitter) or self._fit(before, before[-1])
        two = self._stood(after[0], 1, jitter) or self._fit(after, after[0])
        if one is None or two is None:
            return True
        velocity_x, velocity_y = (one.velocity.x + two.velocity.x) / 2, (one.velocity.y + two.velocity.y) / 2
        off = hypot(two.at.x - one.at.x - step_s * velocity_x, two.at.y - one.at.y - step_s * velocity_y)
        noise = hypot(one.at_noise, two.at_noise, step_s / 2 * one.velocity.noise, step_s / 2 * two.velocity.noise)
        return off <= driven + self._told_apart(JITTER_COVERAGE * noise * jitter, before[-1])

    def _reaches(self, i: int, j: int, step_s: float, jitter: float) -> bool:
        """Whether a vehicle can have driven so far between two frames, with the speed that it had before. One that stood cannot have
        driven three metres; one that has just started has left the place where it stood. Where feet jitter much, all uncertainties do not
        count at once, and it must have the speed after: nor has one that stands then driven three metres."""
        latest = self._fit(self._at_least_three(i, -1), i)
        before = self._stood(i, -1, jitter) or latest
        after = self._stood(j, 1, jitter) or self._fit(self._at_least_three(j, 1), j)
        if before is None or latest is None:
            return True
        metre = self._calibration.metre(self._track.sightings[i])
        reached, noise = (after.at, after.at_noise) if after else (self._raw_foot(j), 1.0)
        driven = min(hypot(reached.x - fit.at.x, reached.y - fit.at.y) for fit in (before, latest))
        of_place = JITTER_COVERAGE * hypot(before.at_noise, noise) * jitter
        of_speed = COVERAGE * before.velocity.noise * jitter * step_s
        start, stop = (limit * metre * step_s**2 / 2 for limit in (_UNSEEN_START_M_S2, _UNSEEN_BRAKE_M_S2))
        if jitter <= _MAX_MISSED_JITTER_M * metre:
            return driven <= before.velocity.speed * step_s + start + of_place + of_speed
        driven -= self._told_apart(hypot(of_place, of_speed), i)
        return driven <= before.velocity.speed * step_s + start and (after is None or driven <= after.velocity.speed * step_s + stop)

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


def _median_box(track: Track, index: int, direction: int) -> Box:
    """Edge by edge, of up to five sightings within 0.4 s on one side of a sighting."""
    at = track.sightings[index].captured_at
    side: Sequence[Sighting] = track.sightings[max(0, index - 4) : index + 1] if direction < 0 else track.sightings[index : index + 5]
    near = [sighting.box for sighting in side if abs(seconds_between(at, sighting.captured_at)) <= _NEAR_S]
    return Box(*(median(box[edge] for box in near) for edge in range(4)))
