"""What a site file needs to know about footage: a clear frame, the time of the first one, and the visible side of the vehicles."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from etle.errors import SourceBroken
from etle.types import Frame, View
from pipeline.site_setup.optical_flow import MIN_GAP_S, estimate_view

SETTLING_S = 1.0
"""The first pictures of many videos and cameras are black or grey, so the frame is one from after this time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FootageSurvey:
    frame: Frame
    starts_at: datetime
    view: View | None
    """None if the direction of travel is not clear."""


def survey_footage(frames: Iterator[Frame], duration_s: float) -> FootageSurvey | None:
    """Surveys the first `duration_s` seconds, by the times of the frames. None if not one frame can be read.

    A source that breaks off is surveyed up to there. Raises SourceUnavailable.
    """
    sampled: list[Frame] = []
    with suppress(SourceBroken):
        sampled.extend(_sample(frames, duration_s))
    if not sampled:
        return None
    starts_at = sampled[0].captured_at
    settled = (frame for frame in sampled if (frame.captured_at - starts_at).total_seconds() >= SETTLING_S)
    return FootageSurvey(frame=next(settled, sampled[-1]), starts_at=starts_at, view=estimate_view(sampled))


def _sample(frames: Iterator[Frame], duration_s: float) -> Iterator[Frame]:
    """Frames of the first seconds that are at least `MIN_GAP_S` apart."""
    first = last = None
    for frame in frames:
        if last is None or first is None or (frame.captured_at - last.captured_at).total_seconds() >= MIN_GAP_S:
            yield frame
            first, last = first or frame, frame
        if (frame.captured_at - first.captured_at).total_seconds() >= duration_s:
            return
