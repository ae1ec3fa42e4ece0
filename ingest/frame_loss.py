"""Counts the frames that each camera lost, by reason: an empty road and a broken camera must be distinguishable."""

import logging
from collections import Counter
from enum import StrEnum
from threading import Lock

from etle.types import CameraId

log = logging.getLogger(__name__)


class LossReason(StrEnum):
    UNDECODABLE = "undecodable"
    """A picture was damaged, or depends on a damaged one in its video; it was discarded."""
    DROPPED = "dropped"
    """The consumer was too slow for a live camera; the oldest buffered frame was dropped."""
    UNSENT = "unsent"
    """The broker was unavailable and the spool was full, or the broker rejected the frame."""
    TOO_LARGE = "too_large"
    """The picture is larger than the maximum message size."""
    GAP = "gap"
    """The camera was silent or disconnected; the number of missing frames is unknown."""
    DUPLICATE = "duplicate"
    """The camera sent the same picture again. Nothing was lost."""
    RECONNECT = "reconnect"
    """The camera was connected again. Frames missed meanwhile are counted as `gap`."""
    CLOCK_JUMP = "clock_jump"
    """A clock (of the camera, the file or this host) went back or jumped ahead."""
    SIGNAL_MESSAGE = "signal_message"
    """A message of a signal's controller could not be used."""
    SIGNAL_SILENT = "signal_silent"
    """A signal's controller could not be reached."""


FRAMES_LOST = frozenset((LossReason.UNDECODABLE, LossReason.DROPPED, LossReason.UNSENT, LossReason.TOO_LARGE))
"""The reasons whose counts are numbers of frames."""


class FrameLossCounter:
    """Counters of all cameras, safe to use from several threads. Also keeps the last detail for each reason."""

    def __init__(self) -> None:
        self._counts: dict[CameraId, Counter[LossReason]] = {}
        self._details: dict[CameraId, dict[LossReason, str]] = {}
        self._lock = Lock()

    def count(self, camera: CameraId, reason: LossReason, detail: str = "", times: int = 1) -> None:
        """Does nothing if `times` is less than 1. A detail is also logged."""
        if times < 1:
            return
        with self._lock:
            self._counts.setdefault(camera, Counter())[reason] += times
            if detail:
                self._details.setdefault(camera, {})[reason] = detail
        if detail:
            log.warning("%s: %s: %s", camera, reason, detail)

    def snapshot(self) -> dict[CameraId, dict[LossReason, int]]:
        """A copy of all counts; reasons that did not occur are missing."""
        with self._lock:
            return {camera: dict(counts) for camera, counts in self._counts.items()}

    def of(self, camera: CameraId) -> dict[LossReason, int]:
        return self.snapshot().get(camera, {})

    def last_detail(self, camera: CameraId, reason: LossReason) -> str | None:
        """The last detail that was counted with this reason, such as the name of a damaged file; None if there was none."""
        with self._lock:
            return self._details.get(camera, {}).get(reason)
