"""The signal over the time of the clip: a timeline of its lamps, and what it showed at the moment of the violation."""

from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Final

from etle.types import Box, EvidencePicture, EvidenceRole, Lamp, SignalReading, Violation
from review.i18n import Translator
from review.views.plate import CropView

TIMELINE_LENGTH: Final = 1000.0
"""Length of the timeline in units of its SVG."""
_HEAD_MARGIN: Final = 0.35
"""Margin around a located head in its crop, as a fraction of its longer side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalSegment:
    """A time during which the signal showed one lamp, in timeline units."""

    lamp: Lamp
    start: float
    width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineMark:
    """A moment on the timeline; `kind` is its CSS class."""

    at: float
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalView:
    lamp: Lamp
    """At the moment of the violation."""
    for_s: str
    """Seconds for which it had shown that lamp by then."""
    at_least: bool
    """Whether it showed that lamp when the readings began, so that `for_s` is a lower limit."""
    segments: tuple[SignalSegment, ...]
    heads: tuple[CropView, ...]
    """The signal heads where they were located in the picture of the moment; empty in cases from before heads were located."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Timeline:
    starts_at: datetime
    ends_at: datetime

    def place(self, moment: datetime) -> float:
        """Position of a moment in timeline units, limited to the timeline."""
        length_s = max((self.ends_at - self.starts_at).total_seconds(), 0.001)
        return min(TIMELINE_LENGTH, max(0.0, TIMELINE_LENGTH * (moment - self.starts_at).total_seconds() / length_s))


def lamp_at(violation: Violation, moment: datetime) -> Lamp | None:
    """Lamp of the last reading up to `moment`. None if the rule has no signal or there was no reading yet."""
    index = _reading_index(violation.signal, moment)
    return None if index is None else violation.signal[index].lamp


def signal_view(violation: Violation, t: Translator) -> SignalView | None:
    """None if the rule has no signal."""
    if not violation.signal:
        return None
    timeline = _timeline(violation)
    index = _reading_index(violation.signal, violation.occurred_at)
    current = violation.signal[index or 0]
    return SignalView(
        lamp=Lamp.UNKNOWN if index is None else current.lamp,
        for_s=t.seconds((violation.occurred_at - current.captured_at).total_seconds(), 2),
        at_least=not index,
        segments=_segments(violation, timeline),
        heads=tuple(
            _crop(picture, box, t) for picture in violation.pictures if picture.role is EvidenceRole.AT for _, box in picture.signal_heads
        ),
    )


def timeline_marks(violation: Violation) -> tuple[TimelineMark, ...]:
    """The moments of the violation and of its pictures, for every rule."""
    return _marks(violation, _timeline(violation))


def _crop(picture: EvidencePicture, head: Box, t: Translator) -> CropView:
    """A square around the head."""
    side = max(head.width, head.height) * (1 + 2 * _HEAD_MARGIN)
    x, y = head.centre
    window = Box(x - side / 2, y - side / 2, x + side / 2, y + side / 2)
    return CropView(label=t("signal.head"), digest=picture.sha256, width=picture.width, height=picture.height, window=window)


def _reading_index(readings: tuple[SignalReading, ...], moment: datetime) -> int | None:
    index = bisect_right(readings, moment, key=lambda reading: reading.captured_at) - 1
    return index if index >= 0 else None


def _segments(violation: Violation, timeline: _Timeline) -> tuple[SignalSegment, ...]:
    edges = [timeline.place(moment) for moment in (*(reading.captured_at for reading in violation.signal), timeline.ends_at)]
    return tuple(
        SignalSegment(lamp=reading.lamp, start=start, width=end - start)
        for reading, (start, end) in zip(violation.signal, pairwise(edges), strict=True)
        if end > start
    )


def _marks(violation: Violation, timeline: _Timeline) -> tuple[TimelineMark, ...]:
    pictures = [picture.captured_at for picture in violation.pictures if picture.role is not EvidenceRole.PLATE]
    return (
        TimelineMark(at=timeline.place(violation.occurred_at), kind="occurred"),
        *(TimelineMark(at=timeline.place(moment), kind="picture") for moment in pictures),
    )


def _timeline(violation: Violation) -> _Timeline:
    """Of the clip; without a clip, from the first to the last of the pictures, the readings and the violation."""
    if violation.clip is not None:
        return _Timeline(starts_at=violation.clip.starts_at, ends_at=violation.clip.ends_at)
    moments = [reading.captured_at for reading in violation.signal] + [picture.captured_at for picture in violation.pictures]
    return _Timeline(starts_at=min([*moments, violation.occurred_at]), ends_at=max([*moments, violation.occurred_at]))
