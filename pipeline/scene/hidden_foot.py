"""Whether a nearer vehicle covers the lower edge of a box.

A hidden foot is drawn too far up the picture, and lies farther away on the road, perhaps in another lane.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from etle.geometry import box_contains
from etle.types import Box, Point, Sighting, Track
from pipeline.scene.judgement import Judgement, Reason

_STRIP: Final = 0.15
"""Fraction of a box's height at its lower edge that no nearer vehicle may cover."""
_BELOW: Final = 0.05
"""A box that ends so shortly above a nearer vehicle may end there because the rest is hidden: detectors draw what they see."""
_FOOT_NOT_FOLLOWED: Final = (Reason.NOT_ONE_VEHICLE, Reason.BOX_MOVED_ONLY, Reason.POSITION_UNCERTAIN)
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
        box = sighting.box
        strip = [Point(box.x1 + box.width * part, y) for part in _AT for y in (box.y2 - box.height * _STRIP, box.y2 + box.height * _BELOW)]
        nearer = (each for each in self._boxes.get(sighting.sequence, ()) if each.y2 > box.y2)
        return any(box_contains(each, point) for each in nearer for point in strip)


def with_visible_feet(track: Track, everyone: Sequence[Track]) -> Track:
    """Without the sightings whose foot a nearer vehicle hides: it lies elsewhere on the road than the vehicle. `everyone`: all tracks."""
    others = OtherVehicles(everyone, track)
    return replace(track, sightings=tuple(sighting for sighting in track.sightings if not others.hide_foot_of(sighting)))


def judged_by_visible_feet(
    judge: Callable[[Track], Judgement | None], tracks: Sequence[Track], everyone: Sequence[Track]
) -> Iterator[Judgement]:
    """What a rule decides on each track; where it cannot follow the foot, what it finds without the sightings in which it is hidden."""
    for track in tracks:
        judged = judge(track)
        if judged is not None and judged.reason in _FOOT_NOT_FOLLOWED:
            shown = with_visible_feet(track, everyone)
            if 0 < len(shown.sightings) < len(track.sightings):
                again = judge(shown)
                judged = again if again is not None and again.finding is not None else judged
        if judged is not None:
            yield judged
