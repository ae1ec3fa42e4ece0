"""Combines what several heads of one approach show at one moment."""

from collections.abc import Sequence

from etle.types import Lamp


def vote(read: Sequence[tuple[Lamp, float]]) -> tuple[Lamp, float]:
    """The lamp of all heads that could be read, with the best score; (UNKNOWN, 0) if they contradict each other, or none could be read."""
    told = {lamp for lamp, _ in read} - {Lamp.UNKNOWN}
    if len(told) != 1:
        return Lamp.UNKNOWN, 0.0
    return told.pop(), max(score for lamp, score in read if lamp is not Lamp.UNKNOWN)
