"""Limits the memory for vehicles that stand for minutes: their older sightings are thinned."""

from bisect import bisect_left
from datetime import datetime, timedelta
from typing import Final

from etle.clock import seconds_between
from etle.geometry import iou
from etle.types import Sighting

FULL_RATE_S: Final = 30.0
"""Sightings older than this are thinned."""
_THINNED_GAP_S: Final = 1.0
_SAME_PLACE: Final = 0.8
"""To one per second where the boxes overlap by so much (intersection over union). Where a vehicle moves, all that show it are kept: they
prove that it is one."""


def thinned(sightings: tuple[Sighting, ...], now: datetime) -> tuple[Sighting, ...]:
    """Keeps the first and, of one place, at most one per second of the old sightings. Only those that have just become old are checked."""
    if (now - sightings[0].captured_at).total_seconds() <= FULL_RATE_S:
        return sightings
    old = bisect_left(sightings, now - timedelta(seconds=FULL_RATE_S), key=lambda sighting: sighting.captured_at)
    start = old - 1
    while start > 0 and seconds_between(sightings[start - 1].captured_at, sightings[start].captured_at) < _THINNED_GAP_S:
        start -= 1
    kept = [*sightings[: start + 1]]
    for sighting in sightings[start + 1 : old]:
        if seconds_between(kept[-1].captured_at, sighting.captured_at) >= _THINNED_GAP_S or iou(kept[-1].box, sighting.box) < _SAME_PLACE:
            kept.append(sighting)
    return (*kept, *sightings[old:])
