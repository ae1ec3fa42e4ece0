"""What `etle init` sees of a source: a picture, the moment of the first one, and which side of the vehicles it shows."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING

from etle.clock import SystemClock
from etle.config.sources import SourceSettings
from etle.errors import SourceBroken
from etle.types import CameraId, Frame, View

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SETTLED_S = 1.0
"""The first pictures of many videos and cameras are black or grey."""
_STEP_S = (0.15, 0.4)
"""Pictures that are further apart show other vehicles, not the same ones further on."""
_WIDTH_PX = 320
_MOVES_PX = 1.0
_LEAST_SHARE = 0.0005
"""Of the pixels, on average: below that a leaf moved, or a lamp blinked."""
_CLEAR = 0.7


@dataclass(frozen=True, slots=True, kw_only=True)
class FootageSurvey:
    frame: Frame
    starts_at: datetime
    view: View | None
    """None if it cannot be told: hardly anything moved, or as much came as went."""


def look(source: SourceSettings, watch_s: float) -> FootageSurvey:
    """Watches the source for so many seconds of its own time. Raises SourceError."""
    from ingest.frame_loss import FrameLossCounter
    from ingest.sources.open import open_source

    watched: list[Frame] = []
    with suppress(SourceBroken):  # a video that breaks off later shows its beginning
        frames = open_source(CameraId("init"), source, SystemClock(), FrameLossCounter(), attempts=2).frames()
        watched.extend(_spread(frames, watch_s))
    if not watched:
        raise SourceBroken(f"{source.description}: not one picture could be read from it")
    begin = watched[0].captured_at
    settled = (frame for frame in watched if (frame.captured_at - begin).total_seconds() >= SETTLED_S)
    return FootageSurvey(frame=next(settled, watched[-1]), starts_at=begin, view=seen_side(watched))


def _spread(frames: Iterator[Frame], watch_s: float) -> Iterator[Frame]:
    """Those of the first seconds that lie a step apart."""
    first = last = None
    for frame in frames:
        if last is None or first is None or (frame.captured_at - last.captured_at).total_seconds() >= _STEP_S[0]:
            yield frame
            first, last = first or frame, frame
        if (frame.captured_at - first.captured_at).total_seconds() >= watch_s:
            return


def seen_side(frames: Sequence[Frame]) -> View | None:
    """The rear if what moves goes up the picture, away from the camera; the front if it comes down. None too without OpenCV."""
    try:
        import cv2  # noqa: F401 - only a camera box is without it
    except ImportError:
        return None
    pictures = [(frame.captured_at, _small(frame.jpeg)) for frame in frames]
    away = towards = pixels = 0
    for (before_at, before), (after_at, after) in pairwise(pictures):
        if (after_at - before_at).total_seconds() <= _STEP_S[1] and before.shape == after.shape:
            up, down = _moved(before, after)
            away, towards, pixels = away + up, towards + down, pixels + before.size
    if not pixels or away + towards < _LEAST_SHARE * pixels:
        return None
    share = away / (away + towards)
    return View.REAR if share >= _CLEAR else View.FRONT if share <= 1 - _CLEAR else None


def _small(jpeg: bytes) -> "NDArray[np.uint8]":
    import cv2
    import numpy as np

    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None:
        return np.zeros((1, 1), np.uint8)
    height = max(1, round(image.shape[0] * _WIDTH_PX / image.shape[1]))
    return np.asarray(cv2.resize(image, (_WIDTH_PX, height), interpolation=cv2.INTER_AREA), np.uint8)


def _moved(before: "NDArray[np.uint8]", after: "NDArray[np.uint8]") -> tuple[int, int]:
    """How many pixels went up the picture and how many down, below the horizon and against a camera that shakes."""
    import cv2
    import numpy as np

    flow = cv2.calcOpticalFlowFarneback(before, after, None, 0.5, 3, 15, 3, 5, 1.2, 0)[:, :, 1]
    down = flow[before.shape[0] // 4 :] - np.median(flow)
    return int((down < -_MOVES_PX).sum()), int((down > _MOVES_PX).sum())
