"""A motorcycle with the persons on it: what the rules about riders decide on."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import hypot
from statistics import median
from typing import Final

from etle.types import Box, Finding, PersonBox, Point, RiderHead, Track

_MIN_MOVED: Final = 0.5
"""Distance between the first and the last view, in heights of the motorcycle, over which who stands beside it stays behind."""
_MIN_GROWN: Final = 1.25
"""Or so much larger in one of them: it drives towards the camera, or away."""
_MIN_AHEAD: Final = 0.25
"""Distance between two heads along the direction of travel, in sizes of a head, from which it is clear who sits in front."""
_MIN_TRAVEL: Final = 0.15
"""The direction of travel is known once the motorcycle has moved by so much of its larger side."""

_ABREAST: Final = 2.0
"""So many widths of a head apart across the direction of travel are those who ride beside each other: handlebars are 0.7 m wide."""
_HEAD_PER_PERSON: Final = 0.5
"""Width of a head relative to that of the person's box."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RidersView:
    """One picture of the motorcycle in which its riders were searched."""

    sequence: int
    motorcycle: Box
    riders: tuple[PersonBox, ...]
    """Who certainly rides it, from left to right."""
    doubtful: tuple[PersonBox, ...]
    clear: bool
    """The whole motorcycle is in the picture, and no other vehicle is before it."""
    heads: tuple[RiderHead, ...] = ()
    """Of the riders, from left to right: detectors of persons draw one box around those who sit behind each other."""

    @property
    def count(self) -> int:
        """Number of persons who certainly ride it."""
        return max(len(self.riders), len(self.heads))

    @property
    def tops(self) -> tuple[Point, ...]:
        """Where the heads of those who are counted are."""
        if len(self.heads) == self.count:
            return tuple(head.box.centre for head in self.heads)
        return tuple(Point(person.box.centre.x, person.box.y1) for person in self.riders)

    @property
    def head_width(self) -> float:
        """Of those who are counted, in pixels."""
        if len(self.heads) == self.count:
            return median(head.box.width for head in self.heads)
        return _HEAD_PER_PERSON * median(person.box.width for person in self.riders)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedRiders:
    """A candidate with its riders. `passage`: the finding if the rule decides against them, without what they add."""

    passage: Finding
    track: Track
    views: tuple[RidersView, ...]
    """In order of time."""

    @property
    def clear_views(self) -> tuple[RidersView, ...]:
        return tuple(view for view in self.views if view.clear)


def rode_together(views: Sequence[RidersView]) -> bool:
    """Whether the motorcycle moved so far over these views that the persons in all of them ride it."""
    boxes = [view.motorcycle for view in views]
    if len(boxes) < 2:
        return False
    first, last = boxes[0], boxes[-1]
    moved = max(abs(first.centre.x - last.centre.x), abs(first.foot.y - last.foot.y))
    low, high = sorted((first.height, last.height))
    return moved >= _MIN_MOVED * high or high >= _MIN_GROWN * low


def rode_abreast(views: Sequence[RidersView]) -> bool:
    """Whether the persons in most of these views, each of which shows somebody, are beside each other: on two motorcycles in one box.

    Those who ride one motorcycle are behind each other, along the way on which their heads move.
    """
    middles = [_middle(view.tops) for view in views]
    ahead = _unit(middles[0], middles[-1], views[0].motorcycle) or _direction([view.motorcycle for view in views])
    if ahead is None:
        return False
    widths = [_across(view.tops, ahead) / view.head_width for view in views]
    return median(widths) > _ABREAST


def seats(views: Sequence[RidersView]) -> tuple[tuple[RiderHead, ...], ...]:
    """The heads by seat, the driver's first, each with one head per view in which all seats are told apart; empty if they never are.

    Views with another number of heads than most do not count, nor those with fewer heads than riders: it is not known who is missing.
    """
    whole = [view for view in views if view.heads and len(view.heads) >= len(view.riders)]
    if not whole:
        return ()
    counts = Counter(len(view.heads) for view in whole)
    usual = max(counts, key=lambda count: (counts[count], count))
    ahead = _direction([view.motorcycle for view in views])
    ordered = [heads for view in whole if len(view.heads) == usual and (heads := _front_to_back(view, ahead))]
    return tuple(zip(*ordered, strict=True))


def _direction(boxes: Sequence[Box]) -> Point | None:
    """Unit vector in the picture; None if the motorcycle hardly moved."""
    if len(boxes) < 2:
        return None
    return _unit(boxes[0].foot, boxes[-1].foot, boxes[0])


def _unit(start: Point, end: Point, motorcycle: Box) -> Point | None:
    """The direction from one to the other; None if they are too close for its size."""
    x, y = end.x - start.x, end.y - start.y
    length = hypot(x, y)
    return Point(x / length, y / length) if length >= _MIN_TRAVEL * max(motorcycle.width, motorcycle.height) else None


def _middle(points: Sequence[Point]) -> Point:
    return Point(sum(point.x for point in points) / len(points), sum(point.y for point in points) / len(points))


def _across(points: Sequence[Point], ahead: Point) -> float:
    """Distance between the outermost of the points across a direction."""
    offsets = [point.y * ahead.x - point.x * ahead.y for point in points]
    return max(offsets) - min(offsets)


def _front_to_back(view: RidersView, ahead: Point | None) -> tuple[RiderHead, ...]:
    """Empty if it is not clear who sits in front of whom."""
    if len(view.heads) == 1:
        return view.heads
    if ahead is None:
        return ()
    ordered = sorted(view.heads, key=lambda head: -_along(head, ahead))
    gaps = [_along(one, ahead) - _along(two, ahead) for one, two in pairwise(ordered)]
    return tuple(ordered) if min(gaps) >= _MIN_AHEAD * max(ordered[0].box.width, ordered[0].box.height) else ()


def _along(head: RiderHead, ahead: Point) -> float:
    return head.box.centre.x * ahead.x + head.box.centre.y * ahead.y
