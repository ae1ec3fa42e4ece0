"""From detections in single frames to vehicles over time.

As in ByteTrack, detections with a high score are matched first and may begin a track; those with a low score then keep tracks alive that
found none, which is what half-hidden vehicles need. Unlike it, all is reckoned in seconds from `captured_at`: cameras give 2 to 25
frames a second, and lose some. Two more differences: matching is by how probable a place and a size are, not by overlap alone (at 2
frames a second a motorcycle's boxes do not overlap), and a track remembers real detections only, because a predicted box is no evidence.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from etle.clock import seconds_between
from etle.geometry import intersection_area, iou
from etle.types import Detection, Sighting, Track, TrackId
from models.tracking.assignment import linear_assignment
from models.tracking.motion import PredictedBox, expected, has_left, matching_cost

PATIENCE_S = 2.0
"""A vehicle that was not seen for longer is given up: what comes out from behind a bus after that may be another one."""
_TRIAL_S = 0.5
"""The same for a track that is not yet confirmed, as it may be a flicker of the detector; the next frame it always gets."""
_CONFIRMING = 3
_CONFIRMING_SLOW = 2
_SLOW_S = 0.25
"""A track is a vehicle after three sightings; at two where frames are so far apart."""
_UNLIKELY = 10.0
"""Surprise from which a detection is not the vehicle: four standard errors if its motion is known. It also makes that one which was
hidden while it drove is looked for near its way only, and not at all after the patience."""
_UNLIKELY_LOW = 6.0
"""The same for detections with a low score, many of which are shadows and parts of vehicles."""
_FRESH_S = 0.6
"""A detection with a low score keeps only those alive that were seen just before: for one that was lost it is no sign of life."""
_SAME = 0.7
_PART = 0.9
"""A detection begins no track if it overlaps so much with a vehicle that was seen, or lies so far inside one of its kind of size."""
_DENSE_S = 30.0
_SPARSE_S = 1.0
"""Sightings older than 30 s are thinned to one a second: a vehicle that stands for minutes would fill the memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackerState:
    """All that the tracker knows. `tracks` are the open ones, oldest first, `confirmed` those of them that are vehicles."""

    tracks: tuple[Track, ...] = ()
    confirmed: tuple[TrackId, ...] = ()
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackerStep:
    """What one frame made of the tracks; both hold confirmed vehicles only."""

    tracks: tuple[Track, ...]
    """Seen in this frame, or missed for less than the patience."""
    ended: tuple[Track, ...]
    """Given up at this frame."""


class Tracker:
    """One camera's vehicles. The same frames give the same tracks, also when it goes on from a state that was put away."""

    def __init__(self, state: TrackerState | None = None, *, score: float = 0.25, picture: tuple[int, int] | None = None) -> None:
        """`score`: what a detection needs to begin a track; those below only keep one alive.

        `picture`: width and height; where they are known, a vehicle that drives out of the picture ends there.
        """
        self._picture = picture
        self._score = score
        self._state = state or TrackerState()

    @property
    def state(self) -> TrackerState:
        return self._state

    def update(self, sequence: int, captured_at: datetime, detections: Sequence[Detection]) -> TrackerStep:
        """A frame's detections, all of them, in the order of frames. A gap longer than the patience, or time going back, ends all."""
        before = self._state
        open_, given_up = _still_open(before, captured_at, self._picture)
        seen = [_sighting(sequence, captured_at, detection) for detection in detections]
        high = [i for i, detection in enumerate(detections) if detection.score >= self._score]
        low = [i for i, detection in enumerate(detections) if detection.score < self._score]
        places = [expected(track, captured_at) for track in open_]
        taken = _matched(places, range(len(open_)), detections, high, _UNLIKELY)
        fresh = _fresh(before.updated_at, captured_at)
        missing = [i for i, track in enumerate(open_) if i not in taken and track.last.captured_at >= fresh]
        taken |= _matched(places, missing, detections, low, _UNLIKELY_LOW)
        grown = [_with(track, seen[taken[i]]) if i in taken else track for i, track in enumerate(open_)]
        new = [_begun(i, seen[i]) for i in _newcomers(detections, high, set(taken.values()))]
        tracks = (*grown, *new)
        known = set(before.confirmed)
        enough = _enough(before.updated_at, captured_at)
        confirmed = tuple(track.id for track in tracks if track.id in known or len(track.sightings) >= enough)
        self._state = TrackerState(tracks=tracks, confirmed=confirmed, updated_at=captured_at)
        vehicles = set(confirmed)
        return TrackerStep(
            tracks=tuple(track for track in tracks if track.id in vehicles), ended=tuple(track for track in given_up if track.id in known)
        )


def _still_open(state: TrackerState, now: datetime, picture: tuple[int, int] | None) -> tuple[list[Track], list[Track]]:
    """Tracks that may be seen again, and those that are given up."""
    if state.updated_at is None:
        return [], []
    if not 0 <= (now - state.updated_at).total_seconds() <= PATIENCE_S:
        return [], list(state.tracks)
    confirmed = set(state.confirmed)
    trial = max(_TRIAL_S, (now - state.updated_at).total_seconds())
    kept: list[Track] = []
    given_up: list[Track] = []
    for track in state.tracks:
        patience = PATIENCE_S if track.id in confirmed else trial
        missed_s = (now - track.last.captured_at).total_seconds()
        left = picture is not None and has_left(track, now, picture)
        (given_up if left or missed_s > patience else kept).append(track)
    return kept, given_up


def _matched(
    places: Sequence[PredictedBox], rows: Sequence[int], detections: Sequence[Detection], columns: Sequence[int], limit: float
) -> dict[int, int]:
    """Detection of each track, by their places in `places` and `detections`, for the tracks and detections that are asked about."""
    if not rows or not columns:
        return {}
    gains = limit - matching_cost([places[i] for i in rows], [detections[j] for j in columns])
    return {rows[row]: columns[column] for row, column in linear_assignment(gains)}


def _fresh(before: datetime | None, now: datetime) -> datetime:
    """Since when a vehicle must have been seen for a weak detection to be it; at least since the frame before."""
    fresh = now - timedelta(seconds=_FRESH_S)
    return fresh if before is None else min(fresh, before)


def _newcomers(detections: Sequence[Detection], high: Sequence[int], taken: set[int]) -> list[int]:
    """Detections that begin a track: no second box of a vehicle that has one."""
    vehicles = [detections[i] for i in sorted(taken)]
    new = []
    for i in sorted(set(high) - taken, key=lambda i: (-detections[i].score, i)):
        if not any(_doubles(detections[i], vehicle) for vehicle in vehicles):
            vehicles.append(detections[i])
            new.append(i)
    return sorted(new)


def _doubles(detection: Detection, vehicle: Detection) -> bool:
    """Whether both may be boxes of one vehicle: nearly the same, or one a large part of the other."""
    small, large = sorted((detection.box, vehicle.box), key=lambda box: box.area)
    inside = intersection_area(small, large) >= _PART * small.area and small.area >= large.area / 2
    return inside or iou(small, large) >= _SAME


def _begun(index: int, sighting: Sighting) -> Track:
    return Track(id=TrackId(f"{sighting.sequence}-{index}"), sightings=(sighting,))


def _enough(before: datetime | None, now: datetime) -> int:
    """Sightings that make a vehicle."""
    slow = before is not None and (now - before).total_seconds() >= _SLOW_S
    return _CONFIRMING_SLOW if slow else _CONFIRMING


def _sighting(sequence: int, captured_at: datetime, detection: Detection) -> Sighting:
    return Sighting(sequence=sequence, captured_at=captured_at, box=detection.box, vehicle=detection.vehicle, score=detection.score)


def _with(track: Track, sighting: Sighting) -> Track:
    return replace(track, sightings=(*_thinned(track.sightings, sighting.captured_at), sighting))


def _thinned(sightings: tuple[Sighting, ...], now: datetime) -> tuple[Sighting, ...]:
    """At most one a second of the old ones, the first always. Only those that have just become old are looked at."""
    if (now - sightings[0].captured_at).total_seconds() <= _DENSE_S:
        return sightings
    old = bisect_left(sightings, now - timedelta(seconds=_DENSE_S), key=lambda sighting: sighting.captured_at)
    start = old - 1
    while start > 0 and seconds_between(sightings[start - 1].captured_at, sightings[start].captured_at) < _SPARSE_S:
        start -= 1
    kept = [*sightings[: start + 1]]
    for sighting in sightings[start + 1 : old]:
        if seconds_between(kept[-1].captured_at, sighting.captured_at) >= _SPARSE_S:
            kept.append(sighting)
    return (*kept, *sightings[old:])
