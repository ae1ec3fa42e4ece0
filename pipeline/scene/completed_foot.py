"""Completes the feet that a nearer vehicle hides, from the upper edge of the box.

On a flat road, the upper edge of a vehicle's box, mapped to the road as if it lay on it, moves in proportion to the foot: H / (H - h) as
far, for a vehicle of height h under a camera at height H. Where the foot is below the upper edge is learned from the sightings of the same
track that show both, before the foot was hidden or after.

A completed foot tells which way a vehicle went while its foot was hidden, so that it can be followed. Where it was is judged by
two extremes: the foot is nearer to the camera than the lower edge of what is visible, and the vehicle may have become higher or lower by as
much as a rider who stands up.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import chain, compress, pairwise
from math import hypot, sqrt
from statistics import median
from typing import Final, NamedTuple

from etle.geometry import distance
from etle.types import Box, Point, Sighting, Track, TrackId, VehicleClass
from models.tracking.vehicle_class import vehicle_class_of
from pipeline.scene.box_motion import keeps_its_height
from pipeline.scene.calibration import HEIGHT_M, Calibration
from pipeline.scene.camera_position import CameraPosition, camera_position
from pipeline.scene.hidden_foot import of_whole_track, with_visible_feet
from pipeline.scene.judgement import Judgement, NotReported, Reason
from pipeline.scene.scene import LineOnRoad
from pipeline.scene.sighting_memory import SightingMemory, remember

GROWTH_M: Final = {VehicleClass.CAR: 0.15, VehicleClass.MOTORCYCLE: 0.4, VehicleClass.BUS: 0.15, VehicleClass.TRUCK: 0.3}
"""By how much a vehicle may become higher or lower, in metres: a rider stands up or sits down; a load is seen from another side."""
_COVERAGE: Final = 2.0
_MAX_OFF_M, _JITTER_COVERAGE = 1.5, 3.0
"""A foot that is farther from its place below the upper edge than this and its jitter is not the vehicle's."""
_MIN_SHOWN, _MAX_SHOWN = 4, 60
"""Sightings from which the place of the foot is learned: those nearest in time to the hidden ones."""
_MIN_SHARE: Final = 0.2
"""The upper edge of a vehicle that is nearly as high as the camera moves so much faster than its foot that it tells nothing."""
_HEADING: Final = 0.03
"""Standard uncertainty of the share, relative to itself, because a vehicle turns: its upper edge is then another one."""
_MAX_SHARE_U: Final = 0.12
"""Standard uncertainty of the way of the foot, relative to itself."""
_MAX_JITTER_M: Final = 0.5
"""Standard deviation of a completed foot from frame to frame; an upper edge near the horizon has more."""
_CORRELATED: Final = 4.0
"""Errors of a detector's edges resemble each other in neighbouring frames: so many sightings tell as much as one."""
_FOOT_NOT_FOLLOWED: Final = (Reason.NOT_ONE_VEHICLE, Reason.BOX_MOVED_ONLY, Reason.POSITION_UNCERTAIN)
_COMPLETED: Final = timedelta(seconds=15)
"""Only the feet of so long are completed: a crossing takes less, and a vehicle may wait hidden for minutes."""
_BORDER_PX: Final = 2.0
_EDGE_PX: Final = 1.5
"""Standard deviation of an edge of a box."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletedSighting(Sighting):
    """A sighting whose foot is hidden: `box` is completed, or what is visible. Its foot lies between those of two extremes."""

    farthest: Sighting
    """With the foot as far from the camera as the upper edge allows, and as what is visible allows. Where nothing is known of the foot, the
    last sighting that shows it, and in `nearest` the next one."""
    nearest: Sighting
    jitter: float
    """Standard deviation of the completed foot from frame to frame, in metres."""

    @classmethod
    def of(cls, hidden: Sighting, box: Box, extremes: tuple[Sighting, Sighting], *, jitter: float) -> "CompletedSighting":
        """`extremes`: `farthest` and `nearest`."""
        farthest, nearest = extremes
        return cls(
            sequence=hidden.sequence,
            captured_at=hidden.captured_at,
            vehicle=hidden.vehicle,
            score=hidden.score,
            foot_hidden=True,
            box=box,
            farthest=farthest,
            nearest=nearest,
            jitter=jitter,
        )

    @property
    def extremes(self) -> tuple[Sighting, Sighting]:
        return self.farthest, self.nearest


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletedTrack(Track):
    """A track some of whose sightings are completed."""


def possible_feet(sighting: Sighting) -> Sequence[Sighting]:
    """The extremes between which the foot of a completed sighting lies; the sighting itself where the foot is visible."""
    return sighting.extremes if isinstance(sighting, CompletedSighting) else (sighting,)


class _Edges(NamedTuple):
    """Foot and upper edge of one sighting, mapped to the road, and their standard deviations in metres."""

    foot: Point
    upper: Point
    of_foot: float
    of_upper: float
    is_whole: bool
    """Whether the picture cuts no part of the vehicle."""

    def jitter(self, share: float) -> float:
        """Standard deviation of the foot from its place below the upper edge. `share`: as in _FootModel."""
        return hypot(self.of_foot, share * self.of_upper)


class HiddenFootCompletion:
    """Completes the hidden feet of the vehicles that approach one line. The rules of a camera share it, and what it remembers."""

    def __init__(self, calibration: Calibration, line: LineOnRoad) -> None:
        self._calibration, self._line = calibration, line
        self._edges = SightingMemory(self._edges_of)
        self._latest: dict[TrackId, tuple[Track, datetime, list[Track]]] = {}
        """Of each vehicle the latest frame's tracks with other feet: several rules ask for them."""

    def judged(self, judge: Callable[[Track], Judgement | None], tracks: Sequence[Track], now: datetime) -> Iterator[Judgement]:
        """What a rule decides on each of these tracks.

        Where it cannot follow the foot, or found something on one that may seem to be beyond the line because it is hidden: what it finds
        without the sightings in which the foot is hidden, or with them completed. A vehicle that brakes before the line, and behind which
        the next one draws up, seems to pass it. What was found on one that was tracked all the while counts, too, if it holds whenever the
        vehicle passed between two visible feet.
        """
        for track in tracks:
            judged = judge(track)
            if judged is not None and not self._followed_the_foot(judged, track):
                others = self._with_other_feet(track, now)
                if judged.finding is not None:
                    others = chain(others, _between_visible_feet(track))
                again = (judge(each) for each in others)
                found = (of_whole_track(each, track) for each in again if each is not None and each.finding is not None)
                judged = next(found, _without_finding(judged))
            if judged is not None:
                yield judged

    def _followed_the_foot(self, judged: Judgement, track: Track) -> bool:
        """Whether the foot was visible where the rule saw the vehicle pass a line, and where it saw it last.

        Without a finding, while the foot is hidden nothing else can be found than when it was last seen.
        """
        if judged.finding is not None:
            passed = [_index_from(track, each.at) for each in (judged.crossed, judged.entered) if each is not None]
            return not any(self._may_seem_beyond(track, index) for index in (*passed, len(track.sightings) - 1))
        if judged.reason in _FOOT_NOT_FOLLOWED:
            return False
        return judged.crossed is None or track.last.foot_hidden or not track.sightings[_index_from(track, judged.crossed.at)].foot_hidden

    def _may_seem_beyond(self, track: Track, index: int) -> bool:
        """Whether the foot may be drawn beyond the line because a nearer vehicle hides it."""
        sighting = track.sightings[index]
        return sighting.foot_hidden and self._line.is_seen_from_behind(sighting) and not keeps_its_height(track, index, self._calibration)

    def completed(self, track: Track) -> CompletedTrack | None:
        """The latest sightings, without the hidden feet that cannot be completed; None if none was."""
        visible = [not sighting.foot_hidden for sighting in track.sightings]
        edges = self._edges.of(track)
        rough = _FootModel.of(track, [*compress(edges, visible)], self._calibration)
        if rough is None:
            return None
        oldest = bisect_left(track.sightings, track.last.captured_at - _COMPLETED, key=lambda sighting: sighting.captured_at)
        latest = [*zip(track.sightings, edges, visible, strict=True)][oldest:]
        reaching = [each for sighting, each, is_shown in latest if not is_shown and rough.reaches_road(sighting, each)]
        model = (_FootModel.of(track, [*compress(edges, visible), *reaching], self._calibration) if reaching else None) or rough
        completed = (sighting if is_shown else model.completed(sighting, each) for sighting, each, is_shown in latest)
        made = tuple(sighting for sighting in completed if sighting is not None)
        if not any(isinstance(each, CompletedSighting) for each in made):
            return None
        return CompletedTrack(id=track.id, sightings=made, follows=track.follows)

    def _with_other_feet(self, track: Track, now: datetime) -> Iterator[Track]:
        """Without the hidden feet, and with them completed."""
        known = self._latest.get(track.id)
        if known is not None and known[0] is track and known[1] == now:
            yield from known[2]
            return
        made: list[Track] = []
        visible = with_visible_feet(track)
        if visible is not None:
            made.append(visible)
            yield visible
            completed = self.completed(track)
            if completed is not None:
                made.append(completed)
                yield completed
        remember(self._latest, track.id, (track, now, made))

    def _edges_of(self, sighting: Sighting) -> _Edges | None:
        """None if the upper edge is cut by the picture's, or cannot be mapped to the road."""
        calibration, box = self._calibration, sighting.box
        upper = Point(box.foot.x, box.y1)
        if box.y1 < _BORDER_PX or calibration.is_horizon_between(box.foot, Point(upper.x, upper.y - _EDGE_PX)):
            return None
        foot, on_road = calibration.ground(box.foot), calibration.ground(upper)
        of_foot, of_upper = (
            distance(calibration.ground(Point(at.x, at.y - _EDGE_PX)), on) for at, on in ((box.foot, foot), (upper, on_road))
        )
        return _Edges(foot, on_road, of_foot, of_upper, not calibration.is_cut(box))


def _index_from(track: Track, at: datetime) -> int:
    """Index of the first sighting from a moment on; that of the last one after it."""
    return min(bisect_left(track.sightings, at, key=lambda sighting: sighting.captured_at), len(track.sightings) - 1)


def _between_visible_feet(track: Track) -> Iterator[CompletedTrack]:
    """With each hidden foot anywhere from the last visible one to the next; what comes before the first one and after the last is left out.
    Nothing if fewer than two are visible."""
    shown = [index for index, sighting in enumerate(track.sightings) if not sighting.foot_hidden]
    if len(shown) < 2:
        return
    made: list[Sighting] = [track.sightings[shown[0]]]
    for one, two in pairwise(shown):
        before, after = track.sightings[one], track.sightings[two]
        made += (_anywhere_between(before, after, sighting) for sighting in track.sightings[one + 1 : two])
        made.append(after)
    yield CompletedTrack(id=track.id, sightings=tuple(made), follows=track.follows)


def _anywhere_between(before: Sighting, after: Sighting, hidden: Sighting) -> CompletedSighting:
    return CompletedSighting.of(hidden, hidden.box, (before, after), jitter=0.0)


def _without_finding(judged: Judgement) -> Judgement:
    """What is found on hidden feet alone is not reported."""
    return judged if judged.finding is None else replace(judged, outcome=NotReported(reason=Reason.POSITION_UNCERTAIN))


class _HiddenPlace(NamedTuple):
    """Where a hidden foot is on the road, between the extremes, and its standard deviation from frame to frame, in metres."""

    foot: Point
    farthest: Point
    nearest: Point
    jitter: float


class _FootModel:
    """Foot = share * upper edge + a constant, on the road; share is 1 - height of the vehicle / height of the camera."""

    def __init__(
        self, edges: Sequence[_Edges], jitters: Sequence[float], vehicle: VehicleClass, camera: CameraPosition, calibration: Calibration
    ) -> None:
        self._calibration, self._camera, self._growth_m = calibration, camera, GROWTH_M[vehicle]
        high_m, u_m = HEIGHT_M[vehicle]
        expected, precision = 1 - high_m / camera.height, (camera.height / u_m) ** 2
        weights = [1 / (_CORRELATED * jitter**2) for jitter in jitters]
        self._upper, self._foot = _mean([each.upper for each in edges], weights), _mean([each.foot for each in edges], weights)
        upper, foot = self._upper, self._foot
        ways = [(each.upper.x - upper.x, each.upper.y - upper.y, each.foot.x - foot.x, each.foot.y - foot.y) for each in edges]
        spread = precision + sum(w * (x * x + y * y) for w, (x, y, _, _) in zip(weights, ways, strict=True))
        together = expected * precision + sum(w * (x * u + y * v) for w, (x, y, u, v) in zip(weights, ways, strict=True))
        self.share = together / spread
        misfit = sum(w * ((u - self.share * x) ** 2 + (v - self.share * y) ** 2) for w, (x, y, u, v) in zip(weights, ways, strict=True))
        scale = max(1.0, sqrt(_CORRELATED * misfit / len(edges)))
        self._constant_u, self.share_u = scale / sqrt(sum(weights)), hypot(scale / sqrt(spread), _HEADING * self.share)

    @classmethod
    def of(cls, track: Track, shown: Sequence[_Edges | None], calibration: Calibration) -> "_FootModel | None":
        """From the edges of the sightings that show the foot; None if they do not tell where it is below the upper edge."""
        camera, vehicle = camera_position(calibration), vehicle_class_of(track)
        if camera is None or (expected := 1 - HEIGHT_M[vehicle][0] / camera.height) < _MIN_SHARE:
            return None
        both = _agreeing([(each, each.jitter(expected)) for each in shown if each is not None and each.is_whole], expected)
        if len(both) < _MIN_SHOWN:
            return None
        edges, jitters = zip(*sorted(both, key=lambda each: each[1])[:_MAX_SHOWN], strict=True)
        model = cls(edges, jitters, vehicle, camera, calibration)
        return model if model.share > _MIN_SHARE and model.share_u < _MAX_SHARE_U * model.share else None

    def completed(self, sighting: Sighting, edges: _Edges | None) -> CompletedSighting | None:
        """None if the upper edge does not tell where the foot is."""
        place = self._place(sighting, edges)
        if place is None:
            return None
        farthest, nearest = (replace(sighting, box=self._down_to(sighting, foot)) for foot in (place.farthest, place.nearest))
        return CompletedSighting.of(sighting, self._down_to(sighting, place.foot), (farthest, nearest), jitter=place.jitter)

    def reaches_road(self, sighting: Sighting, edges: _Edges | None) -> bool:
        """Whether the visible part ends no higher than the foot is expected: then it shows the foot, though a nearer vehicle touches it."""
        place = self._place(sighting, edges)
        return place is not None and self._calibration.pixel(place.foot).y <= sighting.box.y2

    def _place(self, sighting: Sighting, edges: _Edges | None) -> "_HiddenPlace | None":
        if edges is None or (jitter := self.share * edges.of_upper) > _MAX_JITTER_M:
            return None
        way = Point(edges.upper.x - self._upper.x, edges.upper.y - self._upper.y)
        foot = Point(self._foot.x + self.share * way.x, self._foot.y + self.share * way.y)
        below, u = self._camera.below, hypot(self._constant_u, self.share_u * hypot(*way), jitter)
        off = self._growth_m / self._camera.height + _COVERAGE * u / distance(below, edges.upper)
        nearest, farthest = (Point(foot.x + by * (edges.upper.x - below.x), foot.y + by * (edges.upper.y - below.y)) for by in (-off, off))
        if self._calibration.is_horizon_between(sighting.box.foot, self._calibration.pixel(nearest)):
            return None
        return _HiddenPlace(foot, farthest, nearest, jitter)

    def _down_to(self, sighting: Sighting, foot: Point) -> Box:
        """The box down to a foot, which is no higher than what is visible."""
        return sighting.box._replace(y2=max(self._calibration.pixel(foot).y, sighting.box.y2))


def _agreeing(edges: Sequence[tuple[_Edges, float]], share: float) -> list[tuple[_Edges, float]]:
    """Without the outliers, such as feet that were taken for visible because the vehicle that hides them was not detected.

    Each with its jitter.
    """
    constants = [(each.foot.x - share * each.upper.x, each.foot.y - share * each.upper.y) for each, _ in edges]
    middle = Point(*(median(axis) for axis in zip(*constants, strict=True))) if edges else Point(0, 0)
    return [
        (each, jitter)
        for (each, jitter), constant in zip(edges, constants, strict=True)
        if distance(Point(*constant), middle) < _MAX_OFF_M + _JITTER_COVERAGE * jitter
    ]


def _mean(points: Sequence[Point], weights: Sequence[float]) -> Point:
    x, y = (sum(w * each for w, each in zip(weights, axis, strict=True)) / sum(weights) for axis in zip(*points, strict=True))
    return Point(x, y)
