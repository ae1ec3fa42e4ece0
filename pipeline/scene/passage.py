"""When a vehicle's front passed a line, as an interval that covers the uncertainty.

The foot of a detector's box is not the vehicle: it jitters, a motorcycle in front hides it, and two vehicles merge into one box. A passage
therefore needs lasting positions on both sides of the line. Whether one vehicle moved over it, and as a whole, is asked of
`vehicle_motion` and `box_motion`.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from math import hypot
from types import MappingProxyType
from typing import Final, NamedTuple

from etle.clock import seconds_between
from etle.types import Sighting, Track, TrackId
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
_SPEED_S: Final = 0.6
_FAR: Final = 10.0
_STOOD_AT_LINE_S: Final = 1.5
"""Who takes longer from where the front is most probably at the line to where it is by a standard uncertainty beyond it stood there."""
_SETTLED_S: Final = 1.2
"""So long after a passage no further sighting changes it: longer than LASTING_S, and than the windows of median and speed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """`at`: the most probable moment, interpolated between two sightings; it lies between `earliest` and `latest` with k = 2."""

    at: datetime
    earliest: datetime
    latest: datetime
    stated_at: datetime
    """`at`; of one that stood at the line, when it drove on."""
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
            stated_at=self._start + timedelta(seconds=self._stated(at_s, beyond)),
            speed=self._speed(at_s),
            before=before,
            beyond=beyond,
        )

    def _stated(self, at_s: float, beyond: int) -> float:
        """When it drove on, if it stood at the line: drivers stop before a line, though the front may seem to be a little beyond it."""
        u = (self._front.high - self._front.low) / (2 * COVERAGE)
        last = max((i for i in range(beyond + 1) if self._nominal(i) <= hypot(u, self._uncertainties[i])), default=0)
        return self._times[last] if self._times[last] - at_s > _STOOD_AT_LINE_S else at_s

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
        near = [i for i, time in enumerate(self._times) if abs(time - at_s) <= _SPEED_S]
        if len(near) < 2:
            near = sorted(range(len(self._times)), key=lambda i: abs(self._times[i] - at_s))[:2]
        mean_t = sum(self._times[i] for i in near) / len(near)
        mean_d = sum(self._feet[i] for i in near) / len(near)
        spread = sum((self._times[i] - mean_t) ** 2 for i in near)
        return sum((self._times[i] - mean_t) * (self._feet[i] - mean_d) for i in near) / spread if spread else 0.0
