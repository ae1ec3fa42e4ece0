"""Remembers what was computed from each sighting of a track, so that it is not computed for every frame again."""

from collections.abc import Callable
from typing import Final, Generic, TypeVar

from etle.types import Sighting, Track, TrackId

_MAX_TRACKS: Final = 256

T = TypeVar("T")


class SightingMemory(Generic[T]):
    """One value for each sighting. The tracks asked for least recently are forgotten."""

    def __init__(self, compute: Callable[[Sighting], T]) -> None:
        self._compute = compute
        self._known: dict[TrackId, dict[int, tuple[Sighting, T]]] = {}

    def of(self, track: Track) -> list[T]:
        """The values of the track's sightings, oldest first."""
        earlier = self._known.pop(track.id, {})
        while len(self._known) >= _MAX_TRACKS:
            del self._known[next(iter(self._known))]
        kept: dict[int, tuple[Sighting, T]] = {}
        for sighting in track.sightings:
            known = earlier.get(sighting.sequence)
            kept[sighting.sequence] = known if known is not None and known[0] is sighting else (sighting, self._compute(sighting))
        self._known[track.id] = kept
        return [value for _, value in kept.values()]
