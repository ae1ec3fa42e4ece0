"""When a live camera's picture was taken.

Only the box has a clock that can be trusted and checked; the camera's own pace tells better than the network how far its pictures
are apart. So the pace is kept and pinned to the box's clock at the quickest arrival seen: delays are late, never early. A pace
that jumps (cameras restart theirs at every keyframe problem) is pinned anew and counted, and never becomes evidence.
"""

from datetime import UTC, datetime, timedelta

from etle.types import CameraId
from ingest.frame_loss import FrameLossCounter, LossReason

_STEP = timedelta(milliseconds=1)
_CLOCK_BACK_S = 1.0
"""The box's clock may be slewed by less than that without a word."""
_LATE_S = 10.0
"""Later than that against the quickest arrival is no delay of a network."""
_EARLY_S = 1.0
_DRIFT = 200e-6
"""Seconds per second by which a camera's quartz may be off; the pin follows a slow one at that pace."""


class TimestampEstimator:
    """Moments for the pictures of one connection's camera, in order. They rise, unless the box's own clock is set back."""

    def __init__(self, camera: CameraId, losses: FrameLossCounter) -> None:
        self._camera = camera
        self._losses = losses
        self._pin_s: float | None = None
        self._last_pace_s: float | None = None
        self._last_received_at: datetime | None = None
        self._last: datetime | None = None

    def captured_at(self, received_at: datetime, pace_s: float | None) -> datetime:
        """`pace_s` is the camera's own time of the picture on any zero, None if it tells none."""
        self._check_box_clock(received_at)
        moment = received_at if pace_s is None else self._pinned(received_at, pace_s)
        if self._last is not None and moment <= self._last:
            moment = self._last + _STEP
        self._last, self._last_received_at = moment, received_at
        return moment

    def seen(self, received_at: datetime, pace_s: float) -> None:
        """A picture arrived that needs no moment, or gets it later: what it tells about delays is kept."""
        arrived_s = received_at.timestamp() - pace_s
        if self._pin_s is None:
            self._pin_s = arrived_s
        elif arrived_s - self._pin_s > -_EARLY_S:
            self._pin_s = min(self._pin_s, arrived_s)

    def unpin(self) -> None:
        """The camera was connected anew: its times may start anywhere."""
        self._pin_s = self._last_pace_s = None

    def _check_box_clock(self, received_at: datetime) -> None:
        before = self._last_received_at
        if before is not None and (before - received_at).total_seconds() > _CLOCK_BACK_S:
            self._losses.count(
                self._camera, LossReason.CLOCK_JUMP, f"this box's clock was set back from {before:%H:%M:%S} to {received_at:%H:%M:%S}"
            )
            self._last = None
            self.unpin()

    def _pinned(self, received_at: datetime, pace_s: float) -> datetime:
        arrived_s = received_at.timestamp() - pace_s
        if self._pin_s is None:
            self._pin_s = arrived_s
        elif self._jumped(self._pin_s, arrived_s, pace_s):
            self._losses.count(
                self._camera, LossReason.CLOCK_JUMP, f"the camera's time went from {self._last_pace_s:.3f} to {pace_s:.3f} s"
            )
            self._pin_s = arrived_s
        else:
            drift_s = 0.0 if self._last_pace_s is None else _DRIFT * (pace_s - self._last_pace_s)
            self._pin_s = min(self._pin_s + drift_s, arrived_s)
        self._last_pace_s = pace_s
        return datetime.fromtimestamp(self._pin_s + pace_s, UTC)

    def _jumped(self, pin_s: float, arrived_s: float, pace_s: float) -> bool:
        """The first pace of a connection is no jump, however late it comes."""
        if self._last_pace_s is None:
            return False
        return pace_s <= self._last_pace_s or not -_EARLY_S < arrived_s - pin_s < _LATE_S
