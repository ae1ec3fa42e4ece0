"""Which frames of a track are worth looking for a plate in: reading costs more than everything before it together."""

from collections.abc import Sequence

from etle.geometry import overlap
from etle.types import Box, Sighting, Track

_EDGE_PX = 2.0
_CUT = 0.25
"""A vehicle cut by the picture's edge may show its plate, but rarely a whole one."""
_LARGE_ENOUGH = 0.3
"""Of the largest box's area: at half of the width a plate has a quarter of the pixels and adds a guess, not a vote."""

_STANDS = 0.94
"""Intersection over union of two boxes of one vehicle from which it has not moved between them."""
_OF_ONE_VIEW = 2
"""Frames that are taken of a vehicle that stands: readers say of the same view the same."""


def frames_worth_reading(track: Track, limit: int, *, picture_width: int, picture_height: int) -> tuple[Sighting, ...]:
    """At most `limit` sightings, oldest first: large boxes, not cut by the picture's edge, apart in time, and not all of one view.

    Frames next to each other share their blur and glare; apart in time they err apart.
    """
    worth = {s.sequence: _worth(s.box, picture_width, picture_height) for s in track.sightings}
    best = max(worth.values())
    ranked = sorted(track.sightings, key=lambda s: (-worth[s.sequence], s.sequence))
    candidates = [s for s in ranked if worth[s.sequence] >= _LARGE_ENOUGH * best]
    chosen: list[Sighting] = []
    for apart_s in (_apart_s(candidates, limit), 0.0):
        for sighting in candidates:
            new = sighting not in chosen and _shows_more(sighting, chosen)
            if len(chosen) < limit and new and all(_seconds(sighting, other) >= apart_s for other in chosen):
                chosen.append(sighting)
    return tuple(sorted(chosen, key=lambda s: s.sequence))


def _shows_more(sighting: Sighting, chosen: Sequence[Sighting]) -> bool:
    return sum(same_view(sighting, other) for other in chosen) < _OF_ONE_VIEW


def same_view(one: Sighting, other: Sighting) -> bool:
    """Whether the vehicle has not moved between two sightings."""
    return overlap(one.box, other.box) >= _STANDS


def _worth(box: Box, width: int, height: int) -> float:
    cut = box.x1 <= _EDGE_PX or box.y1 <= _EDGE_PX or box.x2 >= width - _EDGE_PX or box.y2 >= height - _EDGE_PX
    return box.area * (_CUT if cut else 1.0)


def _apart_s(candidates: list[Sighting], limit: int) -> float:
    """Half of what would spread them evenly."""
    times = [s.captured_at.timestamp() for s in candidates]
    return (max(times) - min(times)) / (2 * max(1, limit))


def _seconds(one: Sighting, other: Sighting) -> float:
    return abs((one.captured_at - other.captured_at).total_seconds())
