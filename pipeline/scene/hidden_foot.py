"""Whether a nearer vehicle covers the lower edge of a box.

A hidden foot is drawn too far up the picture, and lies farther away on the road, perhaps in another lane.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import compress
from typing import Final

from etle.types import Box, Sighting, Track
from pipeline.scene.judgement import Judgement, Reason

_STRIP: Final = 0.15
"""Fraction of a box's height at its lower edge that no nearer vehicle may cover."""
_BELOW: Final = 0.05
"""A box that ends so shortly above a nearer vehicle may end there because the rest is hidden: detectors draw what they see."""
_BELOW_PX: Final = 3.0
"""The same in pixels: edges are uncertain by so much even where little is visible of a vehicle."""
_AT: Final = (0.1, 0.3, 0.5, 0.7, 0.9)


class OtherVehicles:
    """The boxes of the other vehicles in each frame."""

    def __init__(self, tracks: Sequence[Track], track: Track) -> None:
        """`tracks`: all that are known, that of the vehicle itself included."""
        first = track.first.sequence
        self._boxes: dict[int, list[Box]] = {}
        for other in tracks:
            if other.id == track.id:
                continue
            for sighting in reversed(other.sightings):
                if sighting.sequence < first:
                    break
                self._boxes.setdefault(sighting.sequence, []).append(sighting.box)

    def hide_foot_of(self, sighting: Sighting) -> bool:
        return _is_covered(sighting.box, self._boxes.get(sighting.sequence, ()))


def is_foot_hidden(track: Track, at: datetime, everyone: Sequence[Track]) -> bool:
    """Whether a nearer vehicle hides the foot in the first sighting from a moment on. `everyone`: all tracks."""
    sighting = _first_from(track, at) or track.last
    others = (_first_from(other, sighting.captured_at) for other in everyone if other.id != track.id)
    return _is_covered(sighting.box, [other.box for other in others if other is not None and other.sequence == sighting.sequence])


def _first_from(track: Track, at: datetime) -> Sighting | None:
    index = bisect_left(track.sightings, at, key=lambda sighting: sighting.captured_at)
    return track.sightings[index] if index < len(track.sightings) else None


def _is_covered(box: Box, others: Sequence[Box]) -> bool:
    """Whether a box that reaches nearer to the camera covers a part of the strip along the lower edge."""
    nearer = [each for each in others if each.y2 > box.y2 and each.x1 < box.x2 and each.x2 > box.x1]
    if not nearer:
        return False
    xs = [box.x1 + box.width * part for part in _AT]
    ys = (box.y2 - box.height * _STRIP, box.y2 + max(_BELOW_PX, box.height * _BELOW))
    return any(any(each.x1 <= x < each.x2 for x in xs) and any(each.y1 <= y < each.y2 for y in ys) for each in nearer)


def judged_by_visible_feet(
    judge: Callable[[Track], Judgement | None], tracks: Sequence[Track], everyone: Sequence[Track]
) -> Iterator[Judgement]:
    """What a rule decides on each track. Where no vehicle can have driven so: what it finds without the sightings whose foot is hidden."""
    for track in tracks:
        judged = judge(track)
        if judged is not None and judged.reason is Reason.NOT_ONE_VEHICLE:
            visible = visible_feet(track, everyone)
            if any(visible) and not all(visible):
                again = judge(replace(track, sightings=tuple(compress(track.sightings, visible))))
                if again is not None and again.finding is not None:
                    judged = of_whole_track(again, track)
        if judged is not None:
            yield judged


def of_whole_track(judged: Judgement, track: Track) -> Judgement:
    """What was decided on some of a track's sightings, as of the track: a finding names the first of all of them."""
    finding = judged.finding
    return judged if finding is None else replace(judged, outcome=replace(finding, first_sequence=track.first.sequence))


def visible_feet(track: Track, everyone: Sequence[Track]) -> list[bool]:
    """Of each sighting, whether its foot is not hidden by a nearer vehicle. `everyone`: all tracks."""
    others = OtherVehicles(everyone, track)
    return [not others.hide_foot_of(sighting) for sighting in track.sightings]
