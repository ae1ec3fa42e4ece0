"""Tracks vehicles over detections in single frames.

As in ByteTrack, detections with a high score are matched first and may start a track; those with a low score are then matched to the
remaining tracks, which keeps half-hidden vehicles. Differences: all durations are in seconds from `captured_at`, because cameras deliver 2
to 25 frames per second and lose some; the matching cost is the likelihood of position and size, not the overlap (at 2 frames per second
the boxes of a motorcycle do not overlap); and a track contains only real detections, because a predicted box is no evidence.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import hypot, log
from typing import TYPE_CHECKING

from etle.clock import seconds_between
from etle.geometry import intersection_area, iou
from etle.types import Box, Detection, Sighting, Track, TrackId, VehicleClass
from models.tracking.assignment import linear_assignment
from models.tracking.hidden_feet import is_foot_hidden
from models.tracking.motion import PredictedBox, has_left, matching_cost, predict
from models.tracking.thinning import thinned

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_LOST_S = 2.0
"""A track without a detection for longer ends: a vehicle that appears from behind a bus after that may be another one."""
_MAX_LOST_UNCONFIRMED_S = 0.5
"""The same for an unconfirmed track, which may be noise of the detector; it is kept at least until the next frame."""
_MIN_SIGHTINGS = 3
_MIN_SIGHTINGS_SLOW = 2
_SLOW_FRAME_GAP_S = 0.25
"""A track is confirmed after three sightings; after two where frames are at least this far apart."""
_MAX_COST = 10.0
"""Maximum cost of a match: four standard errors if the motion is known. For vehicles that were hidden while driving it limits the search to
their predicted path."""
_MIN_COST_MARGIN = 4.0
"""A lost vehicle is found again only in a detection that is so much cheaper than any other that may be it."""
_MAX_COST_LOW = 6.0
"""The same for detections with a low score, many of which are shadows and parts of vehicles."""
_MAX_LOST_LOW_S = 0.6
"""A detection with a low score continues only tracks detected at most this long ago; for longer lost ones it is not reliable."""
_MISSED = 1.6
"""A gap of so many frame intervals misses a frame."""
_MIN_GAP_S, _CHECKED_S, _CHECKED_SIGHTINGS = 0.4, 0.8, 3
"""A track that was not detected for so long may have continued with another vehicle. It is asked for so long afterwards, once there are
so many sightings: the motion of the first ones tells a vehicle that comes from one that went."""
_REVERSAL_S, _REVERSAL_SIZES = 0.8, 0.15
"""It is also asked if the box moves back on the way on which it came, by this part of its size in so long."""
_KIND_SIGHTINGS, _MIN_RESIZED = 3, 0.25
"""A track continued with another vehicle if so many sightings, after as many of the other kind, show a motorcycle, or none, and the
logarithm of a side changed by so much where they begin: the detector's mistakes about one vehicle leave its box as it is."""
_DUPLICATE_IOU = 0.7
_DUPLICATE_CONTAINMENT = 0.9
"""A detection starts no track if it overlaps a vehicle this much, or if this fraction of it lies inside one of at most twice its area."""
_HIDDEN_SLACK, _HIDDEN_WIDTH = 0.1, 0.5
"""A nearer vehicle hides the lower part of another if it reaches over so much of its width, and from the visible part down to its predicted
lower edge, within this part of the height."""
_SAME_UPPER_EDGE, _SAME_WIDTH = 0.25, 0.7
"""Of a vehicle that is detected again: how far its upper edge moves, as part of the height, and how much of the width two boxes share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackerState:
    """The complete state. `tracks`: open tracks, oldest first; `confirmed`: ids of those that are vehicles."""

    tracks: tuple[Track, ...] = ()
    confirmed: tuple[TrackId, ...] = ()
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackerStep:
    """Confirmed tracks after one frame."""

    tracks: tuple[Track, ...]
    """Open: detected in this frame, or lost for at most `MAX_LOST_S`."""
    ended: tuple[Track, ...]
    """Ended at this frame."""


class Tracker:
    """Tracks the vehicles of one camera. Deterministic, also when it resumes from a saved state."""

    def __init__(
        self, state: TrackerState | None = None, *, score: float = 0.25, image_size: tuple[int, int] | None = None,
        can_be_one: Callable[[Track, int], bool] | None = None,
    ) -> None:  # fmt: skip
        """`score`: minimum score of a detection that starts a track; others only continue one.

        `image_size`: width and height in pixels; if given, the track of a vehicle that leaves the image ends there. `can_be_one`: whether
        the sightings from an index on can be of the vehicle before it; it is asked after a time without detections, and the track is split
        there if they cannot. None: tracks are not split.
        """
        self._can_be_one = can_be_one
        self._image_size = image_size
        self._score = score
        self._state = state or TrackerState()

    @property
    def state(self) -> TrackerState:
        return self._state

    def update(self, sequence: int, captured_at: datetime, detections: Sequence[Detection]) -> TrackerStep:
        """Process all detections of the next frame. A gap over `MAX_LOST_S`, or time going backwards, ends all tracks."""
        before = self._state
        open_, ended = _split_lost(before, captured_at, self._image_size)
        high = [i for i, detection in enumerate(detections) if detection.score >= self._score]
        low = [i for i, detection in enumerate(detections) if detection.score < self._score]
        predicted = [predict(track, captured_at, self._image_size) for track in open_]
        matches = _match(predicted, range(len(open_)), detections, high, _MAX_COST)
        lost = {i for i, track in enumerate(open_) if before.updated_at is not None and track.last.captured_at < before.updated_at}
        matches = _without_ambiguous(matches, lost, predicted, detections, high)
        matches |= _match_visible_parts(predicted, [i for i in lost if i not in matches], detections, high, set(matches.values()))
        oldest = _oldest_for_low_scores(before.updated_at, captured_at)
        missing = [i for i, track in enumerate(open_) if i not in matches and track.last.captured_at >= oldest]
        matches |= _match(predicted, missing, detections, low, _MAX_COST_LOW)
        started = _new_vehicles(detections, high, set(matches.values()))
        sightings = _sightings(sequence, captured_at, detections, [*matches.values(), *started])
        continued = [_with(track, sightings[matches[i]]) if i in matches else track for i, track in enumerate(open_)]
        continued, parted = self._parted(continued, before.updated_at, captured_at)
        ended += parted
        unseen = [track for i, track in enumerate(open_) if i not in matches]
        new = [_start(i, sightings[i], unseen) for i in started]
        tracks = (*continued, *new)
        known = set(before.confirmed)
        min_sightings = _min_sightings(before.updated_at, captured_at)
        confirmed = tuple(track.id for track in tracks if track.id in known or len(track.sightings) >= min_sightings)
        self._state = TrackerState(tracks=tracks, confirmed=confirmed, updated_at=captured_at)
        vehicles = set(confirmed)
        return TrackerStep(
            tracks=tuple(track for track in tracks if track.id in vehicles), ended=tuple(track for track in ended if track.id in known)
        )

    def _parted(self, tracks: Sequence[Track], before: datetime | None, now: datetime) -> tuple[list[Track], list[Track]]:
        """The tracks, and the beginnings of those that continued with another vehicle; what follows is a track of its own."""
        if self._can_be_one is None or before is None:
            return list(tracks), []
        min_gap_s = max(_MIN_GAP_S, _MISSED * seconds_between(before, now))
        kept: list[Track] = []
        parted: list[Track] = []
        for track in tracks:
            gap, turn = _gap_to_check(track, min_gap_s, now), _reversal_to_check(track, now)
            if _became_other_kind(track, now):
                end = start = len(track.sightings) - _KIND_SIGHTINGS
            elif gap is not None and not self._can_be_one(track, gap):
                end, start = gap, gap
            elif turn is not None and not self._can_be_one(track, turn):
                end = _turning_point(track, turn)
                start = end + 1  # whose sighting is in between cannot be told
            else:
                kept.append(track)
                continue
            parted.append(replace(track, sightings=track.sightings[:end]))
            kept.append(_second_part(track, end, start))
        return kept, parted


def _became_other_kind(track: Track, now: datetime) -> bool:
    """Whether the last sightings show a motorcycle, and those before them another vehicle, or the other way round."""
    last, before = track.sightings[-_KIND_SIGHTINGS:], track.sightings[-2 * _KIND_SIGHTINGS : -_KIND_SIGHTINGS]
    if not before or track.last.captured_at != now:
        return False
    kinds = [{each.vehicle is VehicleClass.MOTORCYCLE for each in part} for part in (before, last)]
    if kinds not in ([{True}, {False}], [{False}, {True}]):
        return False
    (width, height), (new_width, new_height) = ((max(box.width, 1.0), max(box.height, 1.0)) for box in (before[-1].box, last[0].box))
    return max(abs(log(new_width / width)), abs(log(new_height / height))) > _MIN_RESIZED


def _second_part(track: Track, end: int, start: int) -> Track:
    """From `start` on, of a track whose first part ended before `end`."""
    first = replace(track, sightings=track.sightings[:end])
    return Track(
        id=TrackId(f"{track.sightings[start].sequence}-{track.id}"),
        sightings=track.sightings[start:],
        follows=_most_visible(first) if _agree_above(first.last.box, track.sightings[start].box) else None,
    )


def _most_visible(track: Track) -> Sighting:
    """The sighting that reaches lowest, of those where the vehicle was last: another vehicle that hides its lower edge comes and goes."""
    there = [each for each in (track.follows, *track.sightings) if each is not None and _agree_above(track.last.box, each.box)]
    return max(there, key=lambda each: (each.box.y2, each.captured_at))


def _gap_to_check(track: Track, min_gap_s: float, now: datetime) -> int | None:
    """Index of the first sighting after a recent time without detections, if enough sightings followed."""
    for index in range(len(track.sightings) - 1, 0, -1):
        one, two = track.sightings[index - 1].captured_at, track.sightings[index].captured_at
        if seconds_between(two, now) > _CHECKED_S:
            return None
        if seconds_between(one, two) >= min_gap_s:
            return index if len(track.sightings) - index >= _CHECKED_SIGHTINGS else None
    return None


def _reversal_to_check(track: Track, now: datetime) -> int | None:
    """Index of the sighting 0.8 s ago, if the box moved in the opposite direction before it: of two vehicles that meet, one hides
    the other, and its track may turn back with it."""
    sightings = track.sightings
    if track.last.captured_at != now:
        return None
    index = bisect_left(sightings, now - timedelta(seconds=_REVERSAL_S), key=lambda sighting: sighting.captured_at)
    if len(sightings) - index < _CHECKED_SIGHTINGS or index < _CHECKED_SIGHTINGS:
        return None
    earlier = sightings[max(0, 2 * index - len(sightings))]
    (x1, y1), (x2, y2) = (
        (two.box.centre.x - one.box.centre.x, two.box.centre.y - one.box.centre.y)
        for one, two in ((earlier, sightings[index - 1]), (sightings[index], track.last))
    )
    moved = _REVERSAL_SIZES * track.last.box.area**0.5
    return index if x1 * x2 + y1 * y2 < 0 and min(hypot(x1, y1), hypot(x2, y2)) > moved else None


def _turning_point(track: Track, index: int) -> int:
    """Index of the sighting around `index` that is farthest on the way on which the box came; neither the first nor the last."""
    sightings = track.sightings
    one, two = sightings[max(0, 2 * index - len(sightings))].box.centre, sightings[index - 1].box.centre
    near = range(max(1, index - _CHECKED_SIGHTINGS), len(sightings) - 1)
    return max(near, key=lambda i: sightings[i].box.centre.x * (two.x - one.x) + sightings[i].box.centre.y * (two.y - one.y))


def _split_lost(state: TrackerState, now: datetime, image_size: tuple[int, int] | None) -> tuple[list[Track], list[Track]]:
    """Tracks that stay open, and those that end."""
    if state.updated_at is None:
        return [], []
    if not 0 <= (now - state.updated_at).total_seconds() <= MAX_LOST_S:
        return [], list(state.tracks)
    confirmed = set(state.confirmed)
    max_lost_unconfirmed_s = max(_MAX_LOST_UNCONFIRMED_S, (now - state.updated_at).total_seconds())
    kept: list[Track] = []
    ended: list[Track] = []
    for track in state.tracks:
        max_lost_s = MAX_LOST_S if track.id in confirmed else max_lost_unconfirmed_s
        lost_s = (now - track.last.captured_at).total_seconds()
        left = image_size is not None and has_left(track, now, image_size)
        (ended if left or lost_s > max_lost_s else kept).append(track)
    return kept, ended


def _match(
    predicted: Sequence[PredictedBox], rows: Sequence[int], detections: Sequence[Detection], columns: Sequence[int], limit: float
) -> dict[int, int]:
    """Index of the detection by index of the track, for the tracks `rows` and the detections `columns`; costs up to `limit`."""
    if not rows or not columns:
        return {}
    scores = limit - matching_cost([predicted[i] for i in rows], [detections[j] for j in columns])
    return {rows[row]: columns[column] for row, column in linear_assignment(scores)}


def _without_ambiguous(
    matches: dict[int, int], lost: set[int], predicted: Sequence[PredictedBox], detections: Sequence[Detection], high: Sequence[int]
) -> dict[int, int]:
    """The matches without those of lost vehicles that could as well be another detection: a track must not continue with another vehicle.

    Detections of vehicles that were not lost do not count as others. One that another lost vehicle matches counts with what it costs that
    vehicle to give it up: of two cars that stand side by side and are both lost, each is found again in its own place.
    """
    seen = {column for row, column in matches.items() if row not in lost}
    rows, free = [row for row in matches if row in lost], [column for column in high if column not in seen]
    if not rows or len(free) < 2:
        return matches
    costs = matching_cost([predicted[row] for row in rows], [detections[column] for column in free])
    place = {column: index for index, column in enumerate(free)}
    owner = {matches[row]: index for index, row in enumerate(rows)}
    kept = dict(matches)
    for index, row in enumerate(rows):
        own = place[matches[row]]
        others = [
            costs[index, place[column]] + _cost_of_giving_up(costs, owner.get(column), place[column], own)
            for column in free
            if column != matches[row] and not _duplicates(detections[column], detections[matches[row]])
        ]
        if min(others, default=_MAX_COST + 1) <= min(_MAX_COST, costs[index, own] + _MIN_COST_MARGIN):
            del kept[row]
    return kept


def _match_visible_parts(
    predicted: Sequence[PredictedBox], rows: Sequence[int], detections: Sequence[Detection], high: Sequence[int], taken: set[int]
) -> dict[int, int]:
    """Finds lost vehicles again in detections whose lower part another vehicle hides, by upper edge, place and width.

    Neither may another lost vehicle be found there, nor this one elsewhere: a track must not continue with another vehicle.
    """
    free = [column for column in high if column not in taken]
    costs = {(row, column): _cost_of_visible_part(predicted[row], detections, column) for row in rows for column in free}
    matches = {}
    for (row, column), cost in costs.items():
        others = [other for (i, j), other in costs.items() if (i == row) != (j == column)]
        others += matching_cost([predicted[row]], [detections[j] for j in free if j != column])[0].tolist() if len(free) > 1 else []
        if cost <= _MAX_COST and cost + _MIN_COST_MARGIN <= min(others, default=_MAX_COST + _MIN_COST_MARGIN):
            matches[row] = column
    return matches


def _cost_of_visible_part(vehicle: PredictedBox, detections: Sequence[Detection], column: int) -> float:
    """Of a match with what a nearer vehicle leaves visible; more than the maximum if none hides the rest."""
    detection, whole = detections[column], vehicle.box
    seen = detection.box._replace(y2=detection.box.y1 + whole.height)
    hides = (
        other.box.y2 >= seen.y2 - _HIDDEN_SLACK * whole.height
        and other.box.y1 <= detection.box.y2 + _HIDDEN_SLACK * whole.height
        and min(other.box.x2, seen.x2) - max(other.box.x1, seen.x1) >= _HIDDEN_WIDTH * seen.width
        for index, other in enumerate(detections)
        if index != column
    )
    if detection.box.height >= whole.height or not any(hides):
        return _MAX_COST + 1
    return float(matching_cost([vehicle], [replace(detection, box=seen)])[0, 0])


def _cost_of_giving_up(costs: "NDArray[np.float64]", row: int | None, column: int, offered: int) -> float:
    """What it costs a lost vehicle to take the column `offered`, or none, instead of its own `column`; 0 without such a vehicle."""
    if row is None:
        return 0.0
    return max(0.0, min(float(costs[row, offered]), _MAX_COST) - float(costs[row, column]))


def _oldest_for_low_scores(before: datetime | None, now: datetime) -> datetime:
    """A track must have been detected at or after this time to be continued by a low score; at least in the previous frame."""
    oldest = now - timedelta(seconds=_MAX_LOST_LOW_S)
    return oldest if before is None else min(oldest, before)


def _new_vehicles(detections: Sequence[Detection], high: Sequence[int], taken: set[int]) -> list[int]:
    """Indices of detections that start a track: not those that duplicate the box of a vehicle."""
    vehicles = [detections[i] for i in sorted(taken)]
    new = []
    for i in sorted(set(high) - taken, key=lambda i: (-detections[i].score, i)):
        if not any(_duplicates(detections[i], vehicle) for vehicle in vehicles):
            vehicles.append(detections[i])
            new.append(i)
    return sorted(new)


def _duplicates(detection: Detection, vehicle: Detection) -> bool:
    """Whether both may be boxes of one vehicle: nearly equal, or one a large part of the other."""
    small, large = sorted((detection.box, vehicle.box), key=lambda box: box.area)
    inside = intersection_area(small, large) >= _DUPLICATE_CONTAINMENT * small.area and small.area >= large.area / 2
    return inside or iou(small, large) >= _DUPLICATE_IOU


def _start(index: int, sighting: Sighting, unseen: Sequence[Track]) -> Track:
    """`unseen`: the tracks that are not detected in this frame."""
    follows = next((_most_visible(track) for track in unseen if _agree_above(track.last.box, sighting.box)), None)
    return Track(id=TrackId(f"{sighting.sequence}-{index}"), sightings=(sighting,), follows=follows)


def _agree_above(one: Box, two: Box) -> bool:
    """Whether both may be boxes of one vehicle, but for their lower edges."""
    narrow, wide = sorted((one.width, two.width))
    overlap = min(one.x2, two.x2) - max(one.x1, two.x1)
    return abs(one.y1 - two.y1) <= _SAME_UPPER_EDGE * one.height and narrow >= _SAME_WIDTH * wide and overlap >= _SAME_WIDTH * narrow


def _min_sightings(before: datetime | None, now: datetime) -> int:
    """Number of sightings after which a track is confirmed."""
    slow = before is not None and (now - before).total_seconds() >= _SLOW_FRAME_GAP_S
    return _MIN_SIGHTINGS_SLOW if slow else _MIN_SIGHTINGS


def _sightings(sequence: int, captured_at: datetime, detections: Sequence[Detection], indices: Sequence[int]) -> dict[int, Sighting]:
    """By index of the detection. `indices`: of those that are vehicles, and not second boxes of one."""
    boxes = [detections[i].box for i in indices]
    return {
        i: Sighting(
            sequence=sequence,
            captured_at=captured_at,
            box=detections[i].box,
            vehicle=detections[i].vehicle,
            score=detections[i].score,
            foot_hidden=is_foot_hidden(detections[i].box, boxes),
        )
        for i in indices
    }


def _with(track: Track, sighting: Sighting) -> Track:
    return replace(track, sightings=(*thinned(track.sightings, sighting.captured_at), sighting))
