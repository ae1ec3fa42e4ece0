"""Which frames of a track are worth looking for a plate in: reading costs more than everything before it together."""

from etle.types import Box, Sighting, Track

_EDGE_PX = 2.0
_CUT = 0.25
"""A vehicle cut by the picture's edge may show its plate, but rarely a whole one."""
_LARGE_ENOUGH = 0.3
"""Of the largest box's area: at half of the width a plate has a quarter of the pixels and adds a guess, not a vote."""


def frames_worth_reading(track: Track, limit: int, *, picture_width: int, picture_height: int) -> tuple[Sighting, ...]:
    """At most `limit` sightings, oldest first: large boxes, not cut by the picture's edge, and apart in time.

    Frames next to each other share their blur and glare; apart in time they err apart.
    """
    worth = {s.sequence: _worth(s.box, picture_width, picture_height) for s in track.sightings}
    best = max(worth.values())
    ranked = sorted(track.sightings, key=lambda s: (-worth[s.sequence], s.sequence))
    candidates = [s for s in ranked if worth[s.sequence] >= _LARGE_ENOUGH * best]
    chosen: list[Sighting] = []
    for apart_s in (_apart_s(candidates, limit), 0.0):
        for sighting in candidates:
            if len(chosen) < limit and sighting not in chosen and all(_seconds(sighting, other) >= apart_s for other in chosen):
                chosen.append(sighting)
    return tuple(sorted(chosen, key=lambda s: s.sequence))


def _worth(box: Box, width: int, height: int) -> float:
    cut = box.x1 <= _EDGE_PX or box.y1 <= _EDGE_PX or box.x2 >= width - _EDGE_PX or box.y2 >= height - _EDGE_PX
    return box.area * (_CUT if cut else 1.0)


def _apart_s(candidates: list[Sighting], limit: int) -> float:
    """Half of what would spread them evenly."""
    times = [s.captured_at.timestamp() for s in candidates]
    return (max(times) - min(times)) / (2 * max(1, limit))


def _seconds(one: Sighting, other: Sighting) -> float:
    return abs((one.captured_at - other.captured_at).total_seconds())
