"""Remembers what was computed from each sighting of a track, so that it is not computed for every frame again."""

from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

from etle.types import Sighting, Track, TrackId

_MAX_TRACKS: Final = 256

T = TypeVar("T")


class SightingMemory(Generic[T]):
    """One value for each sighting. The tracks asked for least recently are forgotten."""

    def __init__(self, compute: Callable[[Sighting], T]) -> None:
        self._compute = compute
        self._known: dict[TrackId, tuple[tuple[Sighting, ...], list[T]]] = {}

    def of(self, track: Track) -> Sequence[T]:
        """The values of the track's sightings, oldest first."""
        sightings, values = self._known.pop(track.id, ((), []))
        if track.sightings[: len(sightings)] == sightings:
            values.extend(map(self._compute, track.sightings[len(sightings) :]))
        else:
            values = self._picked(track, sightings, values)
        remember(self._known, track.id, (track.sightings, values))
        return values

    def _picked(self, track: Track, sightings: Sequence[Sighting], values: Sequence[T]) -> list[T]:
        """Some sightings have been thinned out since, or hidden ones left out."""
        known = {sighting.sequence: (sighting, value) for sighting, value in zip(sightings, values, strict=True)}
        made = []
        for sighting in track.sightings:
            before = known.get(sighting.sequence)
            made.append(before[1] if before is not None and before[0] is sighting else self._compute(sighting))
        return made


def remember(memory: dict[TrackId, T], track: TrackId, value: T) -> None:
    """The tracks that were remembered longest ago are forgotten."""
    while len(memory) >= _MAX_TRACKS:
        del memory[next(iter(memory))]
    memory[track] = value
