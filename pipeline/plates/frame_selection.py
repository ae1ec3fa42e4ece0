"""Selects the frames of a track in which to search for the plate: reading plates costs more than all earlier steps together."""

from collections.abc import Iterator, Sequence

from etle.clock import seconds_between
from etle.geometry import iou
from etle.types import Box, Frame, Sighting, Track
from pipeline.frames.buffer import FrameBuffer

_BORDER_PX = 2.0
_BORDER_FACTOR = 0.25
"""Weight factor for boxes that touch the frame border: the plate is often cut off, too."""
_MIN_RELATIVE_WEIGHT = 0.3
"""Minimum weight relative to the largest box of the track: at half the width a plate has a quarter of the pixels and reads badly."""

_SAME_VIEW_IOU = 0.94
"""Minimum intersection over union of two boxes of one vehicle for it to count as not moved between them."""
_MAX_PER_VIEW = 2
"""Maximum number of selected frames of a vehicle that does not move: readers read the same in the same view."""


def select_frames(track: Track, max_frames: int, *, frame_width: int, frame_height: int) -> tuple[Sighting, ...]:
    """At most `max_frames` sightings, oldest first: large boxes, away from the frame border, spread in time and over different views.

    Consecutive frames share blur and glare, so reads of frames that are apart in time have more independent errors.
    """
    weights = {s.sequence: _weight(s.box, frame_width, frame_height) for s in track.sightings}
    largest = max(weights.values())
    ranked = sorted(track.sightings, key=lambda s: (-weights[s.sequence], s.sequence))
    candidates = [s for s in ranked if weights[s.sequence] >= _MIN_RELATIVE_WEIGHT * largest]
    selected: list[Sighting] = []
    for min_gap_s in (_min_gap_s(candidates, max_frames), 0.0):
        for sighting in candidates:
            gaps_s = [abs(seconds_between(sighting.captured_at, other.captured_at)) for other in selected]
            is_new = sighting not in selected and _is_another_view(sighting, selected)
            if len(selected) < max_frames and is_new and all(gap_s >= min_gap_s for gap_s in gaps_s):
                selected.append(sighting)
    return tuple(sorted(selected, key=lambda s: s.sequence))


def best_first(track: Track, frames: FrameBuffer, max_frames: int) -> Iterator[tuple[Sighting, Frame]]:
    """The selected of the frames that are still buffered, those with the largest vehicle first."""
    buffered = {sighting.sequence: frame for sighting in track.sightings if (frame := frames.get(sighting.sequence))}
    if not buffered:
        return
    seen = tuple(sighting for sighting in track.sightings if sighting.sequence in buffered)
    first = buffered[seen[0].sequence]
    selected = select_frames(Track(id=track.id, sightings=seen), max_frames, frame_width=first.width, frame_height=first.height)
    for sighting in sorted(selected, key=lambda sighting: (-sighting.box.area, sighting.sequence)):
        yield sighting, buffered[sighting.sequence]


def _is_another_view(sighting: Sighting, selected: Sequence[Sighting]) -> bool:
    return sum(same_view(sighting, other) for other in selected) < _MAX_PER_VIEW


def same_view(one: Sighting, other: Sighting) -> bool:
    """Whether the vehicle has not moved between two sightings."""
    return iou(one.box, other.box) >= _SAME_VIEW_IOU


def _weight(box: Box, width: int, height: int) -> float:
    touches_border = box.x1 <= _BORDER_PX or box.y1 <= _BORDER_PX or box.x2 >= width - _BORDER_PX or box.y2 >= height - _BORDER_PX
    return box.area * (_BORDER_FACTOR if touches_border else 1.0)


def _min_gap_s(candidates: list[Sighting], max_frames: int) -> float:
    """Half of the gap between `max_frames` evenly spread sightings."""
    times = [s.captured_at.timestamp() for s in candidates]
    return (max(times) - min(times)) / (2 * max(1, max_frames))
