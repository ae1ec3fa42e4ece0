"""What a camera lost, counted by reason. A road that looks empty because the pictures broke is worse than no camera."""

import logging
from collections import Counter
from enum import StrEnum
from threading import Lock

from etle.types import CameraId

log = logging.getLogger(__name__)


class LossReason(StrEnum):
    UNDECODABLE = "undecodable"
    """A picture arrived broken, or its video builds it on a broken one, and was set aside."""
    DROPPED = "dropped"
    """The reader was too slow for a live camera: the oldest waiting picture made room."""
    UNSENT = "unsent"
    """The broker was away and there was no room left on the box's disk, or it refused the picture."""
    TOO_LARGE = "too_large"
    """The picture is larger than a message may be."""
    GAP = "gap"
    """The camera went silent, or its connection was lost: some pictures never came, nobody knows how many."""
    DUPLICATE = "duplicate"
    """The camera gave the same picture again. Nothing was lost."""
    RECONNECT = "reconnect"
    """The camera was connected anew. What that cost is in `gap`."""
    CLOCK_JUMP = "clock_jump"
    """A clock (of the camera, the file or this box) went back, or leapt ahead."""


FRAMES_LOST = frozenset((LossReason.UNDECODABLE, LossReason.DROPPED, LossReason.UNSENT, LossReason.TOO_LARGE))
"""Those that count frames."""


class FrameLossCounter:
    """Counters of every camera, safe to use from several threads. The last detail of each reason is kept for whoever asks why."""

    def __init__(self) -> None:
        self._counts: dict[CameraId, Counter[LossReason]] = {}
        self._details: dict[CameraId, dict[LossReason, str]] = {}
        self._lock = Lock()

    def count(self, camera: CameraId, reason: LossReason, detail: str = "", times: int = 1) -> None:
        if times < 1:
            return
        with self._lock:
            self._counts.setdefault(camera, Counter())[reason] += times
            if detail:
                self._details.setdefault(camera, {})[reason] = detail
        if detail:
            log.warning("%s: %s: %s", camera, reason, detail)

    def snapshot(self) -> dict[CameraId, dict[LossReason, int]]:
        """A copy: by camera, every reason that occurred with its count."""
        with self._lock:
            return {camera: dict(counts) for camera, counts in self._counts.items()}

    def of(self, camera: CameraId) -> dict[LossReason, int]:
        return self.snapshot().get(camera, {})

    def last_detail(self, camera: CameraId, reason: LossReason) -> str | None:
        """What was said when this was last counted, such as the name of a broken file; None if nothing was."""
        with self._lock:
            return self._details.get(camera, {}).get(reason)
