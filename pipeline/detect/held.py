"""Frames of an offence that lasts, kept from its beginning: the picture `before` of a parked car shows it when it had just come.

For each vehicle in whose judgement an offence is beginning, the current frame is held every half minute, for two and a half minutes. What
is held moves `CameraStage.needed_from` back, so that a stage that resumes has the same frames.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from etle.clock import seconds_between
from etle.types import Sighting, Track, TrackId
from pipeline.scene.judgement import Judgement

KEPT_S: Final = 150.0
EVERY_S: Final = 30.0
_SAME_BEGIN_S: Final = 2.5
"""The beginning of a stand moves by so much while it lasts: sightings are thinned out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldSighting:
    """A sighting whose frame is kept. `entry`: index of the entry under `rules` for which it is."""

    entry: int
    track: TrackId
    sighting: Sighting


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldSightings:
    """Of one camera; oldest first."""

    held: tuple[HeldSighting, ...] = field(default=())

    def with_judgements(self, judged: Iterable[tuple[int, Judgement]], tracks: Mapping[TrackId, Track], now: datetime) -> "HeldSightings":
        """Holds what the judgements of this frame need, and lets go of the rest."""
        kept: list[HeldSighting] = []
        for entry, judgement in judged:
            if judgement.began_at is None:
                continue
            own = [each for each in self._of(entry, judgement.track) if _is_of(each, judgement.began_at, now)]
            last = tracks[judgement.track].last
            if last.captured_at == now and (not own or seconds_between(own[-1].sighting.captured_at, now) >= EVERY_S):
                own.append(HeldSighting(entry=entry, track=judgement.track, sighting=last))
            kept += own
        return HeldSightings(held=tuple(sorted(kept, key=lambda each: each.sighting.captured_at)))

    def first(self, entry: int, track: TrackId) -> Sighting | None:
        """The oldest sighting of this vehicle that is held for this entry."""
        return next((each.sighting for each in self._of(entry, track)), None)

    @property
    def sequences(self) -> frozenset[int]:
        return frozenset(each.sighting.sequence for each in self.held)

    def _of(self, entry: int, track: TrackId) -> Sequence[HeldSighting]:
        return [each for each in self.held if (each.entry, each.track) == (entry, track)]


def _is_of(held: HeldSighting, began_at: datetime, now: datetime) -> bool:
    at = held.sighting.captured_at
    return seconds_between(began_at, at) >= -_SAME_BEGIN_S and seconds_between(at, now) <= KEPT_S
