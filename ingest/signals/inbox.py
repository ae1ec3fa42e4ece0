"""Checks the messages of a signal's controller, counts bad ones, and keeps the good ones until the camera's next frame."""

from collections import deque
from datetime import datetime
from threading import Lock
from typing import Final

from etle.config.signal_feed import SignalFeed
from etle.controller import readings_from_json
from etle.errors import WireError
from etle.types import CameraId, ControllerReading, SignalId
from ingest.frame_loss import FrameLossCounter, LossReason

_MAX_KEPT: Final = 500
"""While the camera sends no frames the oldest states are dropped; the numbers of the others show the gap."""


class ReadingInbox:
    """Of one signal of one camera. Safe to use from two threads."""

    def __init__(self, camera: CameraId, signal: SignalId, feed: SignalFeed, losses: FrameLossCounter) -> None:
        self._camera = camera
        self._signal = signal
        self._name = feed.signal or signal
        self._feed = feed
        self._losses = losses
        self._kept: deque[ControllerReading] = deque(maxlen=_MAX_KEPT)
        self._lock = Lock()
        self._problem = ""
        self.accepted = 0
        """Number of messages that were good."""

    def put(self, document: bytes, earliest: datetime | None = None, latest: datetime | None = None) -> None:
        """Keep what it says about this signal. It was made between `earliest` and `latest` by this host's clock; None: not known."""
        try:
            readings = self._of_this_signal(readings_from_json(document))
            for reading in readings:
                self._check_clock(reading, earliest, latest)
        except WireError as error:
            self.report(LossReason.SIGNAL_MESSAGE, str(error))
            return
        for reading in readings:
            self._keep(reading)
        self._problem = ""
        self.accepted += 1

    def report(self, reason: LossReason, problem: str) -> None:
        """Count a fault of the feed; log it if it is another one than before."""
        described = f"feed of signal {self._signal} ({self._feed.description}): {problem}"
        self._losses.count(self._camera, reason, "" if problem == self._problem else described)
        self._problem = problem

    def take(self) -> tuple[ControllerReading, ...]:
        """What came since the last call, oldest first; of each state only the last message."""
        with self._lock:
            taken = tuple(self._kept)
            self._kept.clear()
            return taken

    def _of_this_signal(self, readings: tuple[ControllerReading, ...]) -> list[ControllerReading]:
        own = [_named(reading, self._signal) for reading in readings if reading.signal == self._name]
        if not own:
            found = ", ".join(sorted({reading.signal for reading in readings})[:10]) or "none"
            raise WireError(f"controller message: no signal {self._name!r} in it; there is: {found}")
        return sorted(own, key=lambda reading: reading.at)

    def _check_clock(self, reading: ControllerReading, earliest: datetime | None, latest: datetime | None) -> None:
        limit = self._feed.uncertainty
        if latest is not None and reading.at > latest + limit:
            raise WireError(f"controller message: {_too_far('ahead', reading.at, latest, self._feed)}")
        if earliest is not None and reading.at < earliest - limit:
            raise WireError(f"controller message: {_too_far('late', earliest, reading.at, self._feed)}")

    def _keep(self, reading: ControllerReading) -> None:
        with self._lock:
            if self._kept and _state_of(self._kept[-1]) == _state_of(reading):
                self._kept.pop()
            self._kept.append(reading)


def _named(reading: ControllerReading, signal: SignalId) -> ControllerReading:
    return ControllerReading(signal=signal, lamp=reading.lamp, since=reading.since, at=reading.at, sequence=reading.sequence)


def _state_of(reading: ControllerReading) -> tuple[object, ...]:
    return reading.sequence, reading.lamp, reading.since


def _too_far(how: str, later: datetime, earlier: datetime, feed: SignalFeed) -> str:
    off_ms = (later - earlier).total_seconds() * 1000
    return (
        f"`at` is {off_ms:.0f} ms {how} of this host's clock, more than uncertainty_ms ({feed.uncertainty_ms}): synchronise both clocks by"
        " NTP, or state a larger uncertainty"
    )
