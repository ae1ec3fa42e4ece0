"""A motorcycle with the persons on it: what the rules about riders decide on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from etle.types import Box, Finding, PersonBox, Track

_MIN_MOVED: Final = 0.5
"""Distance between the first and the last view, in heights of the motorcycle, over which who stands beside it stays behind."""
_MIN_GROWN: Final = 1.25
"""Or so much larger in one of them: it drives towards the camera, or away."""


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
