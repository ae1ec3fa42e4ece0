"""Which persons ride a motorcycle: those whose boxes rise from it, and from no other motorcycle as well.

Detectors draw a motorcycle's box around the machine, with or without its riders. A rider covers the middle of it, reaches above it and
ends inside it, because feet rest above the ground.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from etle.geometry import iou
from etle.types import Box, PersonBox, RiderHead

CERTAIN_SCORE: Final = 0.4
"""Persons of a lower score may be a bag, a load, or a part of another person."""
_CONFIRMS: Final = 0.8
"""Score of a head that confirms such a person."""
_MIN_OVER: Final = 0.4
"""Fraction of the person's width that must be above the motorcycle: the last of three sits partly behind it."""
_MIN_OVER_LAST: Final = 0.25
"""The same of one who may be the last of several, next to a rider: detectors end the box at the rear light, and he sits behind it."""
_MIN_SIDE, _MAX_SIDE = 0.5, 2.4
"""Height of a rider relative to that of the motorcycle's box."""
_MIN_FOOT, _MAX_FOOT = 0.3, 1.1
"""Where the person's box ends, as a fraction of the motorcycle's height from its upper edge. Feet on the ground while it stands: 1."""
_MAX_TOP: Final = 0.15
"""Its upper edge must be above this fraction."""
_MIN_PEER: Final = (0.35, 0.5)
"""Width and height of a rider relative to the widest and the tallest of them: a smaller person stands farther away."""
_UPPER_END, _BESIDE = 0.3, 0.08
"""The middle of a rider's head is in this part of their box, and may be outside at the sides."""
_FURTHER: Final = 0.9
"""A further head in one rider's box needs this score: shoulders and bags look like heads, too."""
_BETWEEN: Final = 0.85
"""It needs this score between two others."""
_MAX_HEAD_RATIO: Final = 1.5
"""Of the heights of two riders' heads: a helmet beside a child's bare head."""
_LEVEL, _SAME_HEAD = 0.8, 0.45
_SEATED: Final = 0.9
"""A head above the motorcycle needs this score where the detector draws no person below it."""
_SEATED_HEIGHT: Final = (-0.12, 0.9)
"""Where the middle of such a head is, in heights of the motorcycle above its upper edge."""
_NEXT_LOWER: Final = 0.08
"""A head next to one that counts, at its height, may be lower by so much: a box that took in a part of what is behind ends above them."""
_SEATED_SIZE: Final = (0.08, 0.4)
"""Its height relative to that of the motorcycle's box."""
_BEHIND_SEAT: Final = 0.25
"""So far beside the motorcycle, in its widths, may be the middle of a head next to another one: the last of three sits over its end."""
_NEXT_SEAT: Final = 2.0
"""Distance across the picture to the next head, in widths of the larger one, up to which they may sit behind each other: half a metre."""
_MIN_GAP: Final = 0.35
"""A person fits one motorcycle only if it fits any other worse by so much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MotorcycleRiders:
    """The persons on a motorcycle in one picture."""

    certain: tuple[PersonBox, ...]
    """Along the picture from left to right."""
    doubtful: tuple[PersonBox, ...]
    """Of a low score, or those who may as well ride another motorcycle."""


def riders_on(motorcycle: Box, others: Sequence[Box], persons: Sequence[PersonBox], heads: Sequence[RiderHead] = ()) -> MotorcycleRiders:
    """`others`: boxes of the other motorcycles in the picture. Persons who certainly do not ride this one are left out.

    A person of a low score is certain if one of the `heads` is at the upper end of their box.
    """
    certain: list[PersonBox] = []
    doubtful: list[PersonBox] = []
    for person in persons:
        own = misfit(person.box, motorcycle)
        if own is None:
            continue
        elsewhere = [fit for fit in (misfit(person.box, other) for other in others) if fit is not None]
        if any(fit < own - _MIN_GAP for fit in elsewhere):
            continue
        seen = person.score >= CERTAIN_SCORE or any(head.found >= _CONFIRMS and _is_at_upper_end(head.box, person.box) for head in heads)
        clear = seen and all(fit > own + _MIN_GAP for fit in elsewhere)
        (certain if clear else doubtful).append(person)
    small = [person for person in certain if _is_small(person.box, [other.box for other in certain])]
    certain, doubtful = [person for person in certain if person not in small], doubtful + small
    return MotorcycleRiders(
        certain=tuple(sorted(certain, key=lambda person: person.box.centre.x)),
        doubtful=tuple(sorted(doubtful, key=lambda person: person.box.centre.x)),
    )


def heads_of(heads: Sequence[RiderHead], riders: Sequence[PersonBox]) -> tuple[RiderHead, ...]:
    """The heads at the upper ends of the riders' boxes, from left to right: the surest of each rider, and further ones beside them.

    Detectors draw one box around riders who sit behind each other.
    """
    own: list[RiderHead] = []
    for rider in riders:
        there = [head for head in heads if _is_at_upper_end(head.box, rider.box) and not any(_is_same(head.box, each.box) for each in own)]
        own += sorted(there, key=lambda head: -head.found)[:1]
    for head in sorted(heads, key=lambda head: -head.found):
        least = _BETWEEN if _is_between(head, own) else _FURTHER
        if head.found >= least and any(_is_at_upper_end(head.box, rider.box) for rider in riders) and _is_beside(head, own):
            own.append(head)
    return tuple(sorted(own, key=lambda head: head.box.centre.x))


def heads_on(
    motorcycle: Box, others: Sequence[Box], persons: Sequence[PersonBox], riders: Sequence[PersonBox], heads: Sequence[RiderHead]
) -> tuple[RiderHead, ...]:
    """The heads of those who ride the motorcycle, from left to right: the riders', and those above it where no person is detected.

    `others`: boxes of the other motorcycles in the picture. A head of a person who does not certainly ride this motorcycle is left out, and
    so is one that may as well belong to the rider of another.
    """
    own = [*heads_of(heads, riders)]
    strangers = [
        person.box
        for person in persons
        if person.score >= CERTAIN_SCORE and person not in riders and not _may_be_last(person.box, motorcycle, others)
    ]
    left = [
        head
        for head in sorted(heads, key=lambda head: -head.found)
        if head.found >= _SEATED
        and not any(_is_at_upper_end(head.box, box) for box in strangers)
        and not any(_is_seated(head.box, box) for box in others)
    ]
    while (head := next((each for each in left if _is_one_more(each, own, motorcycle)), None)) is not None:
        own.append(head)
        left.remove(head)
    return tuple(sorted(own, key=lambda head: head.box.centre.x))


def _is_one_more(head: RiderHead, own: Sequence[RiderHead], motorcycle: Box) -> bool:
    """Whether somebody else on the motorcycle has this head: it is above it, or next to a head that counts and little behind."""
    if not own:
        return _is_seated(head.box, motorcycle)
    return _is_seated(head.box, motorcycle, beside=_BEHIND_SEAT, lower=_NEXT_LOWER) and _is_next_to(head, own)


def _is_seated(head: Box, motorcycle: Box, *, beside: float = 0.0, lower: float = 0.0) -> bool:
    """Whether somebody on the motorcycle may have this head.

    `beside`: how far it may be beside the motorcycle, in its widths; `lower`: how much lower than usual, in its heights.
    """
    low, high = _SEATED_HEIGHT
    small, large = _SEATED_SIZE
    slack = beside * motorcycle.width
    above = (
        motorcycle.x1 - slack <= head.centre.x <= motorcycle.x2 + slack
        and low - lower <= (motorcycle.y1 - head.centre.y) / motorcycle.height <= high
    )
    return above and small <= head.height / motorcycle.height <= large


def _is_next_to(head: RiderHead, own: Sequence[RiderHead]) -> bool:
    gaps = (abs(head.box.centre.x - each.box.centre.x) / max(head.box.width, each.box.width) for each in own)
    return min(gaps) <= _NEXT_SEAT and _is_beside(head, own)


def _is_at_upper_end(head: Box, rider: Box) -> bool:
    slack = _BESIDE * rider.width
    inside = rider.x1 - slack <= head.centre.x <= rider.x2 + slack
    return inside and head.centre.y <= rider.y1 + _UPPER_END * rider.height and head.y2 > rider.y1


def _is_beside(head: RiderHead, own: Sequence[RiderHead]) -> bool:
    """Whether it is another head of about the same size at about the same height."""
    usual = median(each.box.height for each in own) if own else head.box.height
    level = any(abs(head.box.centre.y - each.box.centre.y) <= _LEVEL * usual for each in own)
    alike = usual / _MAX_HEAD_RATIO <= head.box.height <= usual * _MAX_HEAD_RATIO
    return level and alike and not any(_is_same(head.box, each.box) for each in own)


def _is_between(head: RiderHead, own: Sequence[RiderHead]) -> bool:
    x = [each.box.centre.x for each in own]
    return bool(x) and min(x) < head.box.centre.x < max(x)


def _is_same(one: Box, other: Box) -> bool:
    return iou(one, other) > _SAME_HEAD


def _may_be_last(person: Box, motorcycle: Box, others: Sequence[Box]) -> bool:
    """Whether the person, who is not one of its certain riders, may sit over its end, and rides no other."""
    over_end = misfit(person, motorcycle) is None and misfit(person, motorcycle, _MIN_OVER_LAST) is not None
    return over_end and all(misfit(person, other, _MIN_OVER_LAST) is None for other in others)


def misfit(person: Box, motorcycle: Box, min_over: float = _MIN_OVER) -> float | None:
    """How far the person is from the middle of the motorcycle, in its widths; None if they cannot ride it.

    `min_over`: fraction of the person's width that must be above the motorcycle.
    """
    shared = min(person.x2, motorcycle.x2) - max(person.x1, motorcycle.x1)
    if shared < min_over * min(person.width, motorcycle.width):
        return None
    if not _MIN_SIDE <= person.height / motorcycle.height <= _MAX_SIDE:
        return None
    foot, top = ((edge - motorcycle.y1) / motorcycle.height for edge in (person.y2, person.y1))
    if not _MIN_FOOT <= foot <= _MAX_FOOT or top > _MAX_TOP:
        return None
    return abs(person.centre.x - motorcycle.centre.x) / motorcycle.width


def _is_small(person: Box, riders: Sequence[Box]) -> bool:
    width, height = _MIN_PEER
    return person.width < width * max(box.width for box in riders) or person.height < height * max(box.height for box in riders)
