"""Which times the packets of a video have, judged by many of them, before one is believed.

AVI and ASF have no place for presentation times: of H.264 with B-frames they tell when a packet is decoded, which is another order. A raw
stream tells nothing, and FFmpeg assumes 25 pictures a second. Some recorders write all times of a burst within a millisecond.
"""

import heapq
from collections.abc import Sequence
from enum import StrEnum
from itertools import pairwise

_MIN_STEP_S = 0.004
_MAX_SHORT_STEPS = 0.2
"""Share of steps below `_MIN_STEP_S` at which the times are not believed."""
_MIN_PACKETS = 5
_MAX_WAITING = 17
"""H.264 and H.265 reorder at most 16 pictures; more waiting times belong to pictures that the decoder dropped."""


class TimesKind(StrEnum):
    PRESENTATION = "presentation"
    DECODING = "decoding"
    """When each packet is decoded: in order of presentation, the pictures have the same times sorted."""
    NONE = "none"


def kind_of(times: Sequence[tuple[int | None, int | None]], tick_s: float, reorders: bool) -> TimesKind:
    """`times`: presentation and decoding times of the first packets, in the file's order; `reorders`: the decoder reorders pictures."""
    known = [dts if pts is None else pts for pts, dts in times]
    if not times or any(time is None for time in known):
        return TimesKind.NONE if all(time is None for time in known) else TimesKind.PRESENTATION
    if _in_bursts([pts if dts is None else dts for pts, dts in times], tick_s):
        return TimesKind.NONE
    pts = [time for time, _ in times if time is not None]
    ascending = all(before < after for before, after in pairwise(pts))
    return TimesKind.DECODING if reorders and (len(pts) < len(times) or ascending) else TimesKind.PRESENTATION


def _in_bursts(times: Sequence[int | None], tick_s: float) -> bool:
    """`times` ascend; where they do not, another recording begins."""
    steps = [(after - before) * tick_s for before, after in pairwise(times) if before is not None and after is not None]
    return len(times) >= _MIN_PACKETS and sum(0 <= step < _MIN_STEP_S for step in steps) > _MAX_SHORT_STEPS * len(steps)


class PictureTimes:
    """Gives each decoded picture its time, in ticks of the stream."""

    def __init__(self, kind: TimesKind) -> None:
        self._kind = kind
        self._waiting: list[int] = []

    def packet(self, pts: int | None, dts: int | None) -> None:
        """A packet goes into the decoder."""
        time = pts if dts is None else dts
        if self._kind is TimesKind.DECODING and time is not None:
            heapq.heappush(self._waiting, time)
            if len(self._waiting) > _MAX_WAITING:
                heapq.heappop(self._waiting)

    def lost(self, pts: int | None, dts: int | None) -> None:
        """The packet that went in last gives no picture."""
        time = pts if dts is None else dts
        if time in self._waiting:
            self._waiting.remove(time)
            heapq.heapify(self._waiting)

    def picture(self, pts: int | None) -> int | None:
        """The time of the picture that comes out of the decoder, which gives them in order of presentation."""
        if self._kind is TimesKind.DECODING and self._waiting:
            return heapq.heappop(self._waiting)
        return None if self._kind is TimesKind.NONE else pts
