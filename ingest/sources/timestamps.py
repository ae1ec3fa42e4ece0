"""Estimates when a live camera captured its pictures.

Only the host's clock can be trusted and checked, but the camera's own presentation timestamps (PTS) give the intervals between pictures
more precisely than their arrival over the network. The PTS are therefore anchored to the host's clock at the quickest arrival seen so far:
network delays only make pictures late, never early. When the PTS jump (cameras restart them, for example after a keyframe problem), the
anchor is set again and the jump is counted, so that it never becomes evidence.
"""

from datetime import UTC, datetime, timedelta

from etle.types import CameraId
from ingest.frame_loss import FrameLossCounter, LossReason

_MIN_STEP = timedelta(milliseconds=1)
_MAX_CLOCK_SLEW_S = 1.0
"""The host's clock may go back by less than this without being counted as a jump."""
_MAX_DELAY_S = 10.0
"""A picture that is later than this after the quickest arrival is a jump of the PTS, not a network delay."""
_MAX_EARLY_S = 1.0
"""A picture that is earlier than this before the quickest arrival is a jump of the PTS."""
_MAX_DRIFT = 200e-6
"""Seconds per second by which a camera's quartz may be off; the anchor follows a slow one at this rate."""


class TimestampEstimator:
    """Capture times of one camera's pictures, in order. They always rise, unless the host's clock is set back."""

    def __init__(self, camera: CameraId, losses: FrameLossCounter) -> None:
        self._camera = camera
        self._losses = losses
        self._anchor_s: float | None = None
        """Host time minus PTS of the quickest arrival."""
        self._last_pts_s: float | None = None
        self._last_received_at: datetime | None = None
        self._last: datetime | None = None

    def captured_at(self, received_at: datetime, pts_s: float | None) -> datetime:
        """`pts_s`: the picture's PTS in seconds from any origin, None if the camera sends none."""
        self._check_host_clock(received_at)
        moment = received_at if pts_s is None else self._anchored(received_at, pts_s)
        if self._last is not None and moment <= self._last:
            moment = self._last + _MIN_STEP
        self._last, self._last_received_at = moment, received_at
        return moment

    def observe(self, received_at: datetime, pts_s: float) -> None:
        """Use the arrival of a picture, whose capture time is not needed or is asked for later, to improve the anchor."""
        offset_s = received_at.timestamp() - pts_s
        if self._anchor_s is None:
            self._anchor_s = offset_s
        elif offset_s - self._anchor_s > -_MAX_EARLY_S:
            self._anchor_s = min(self._anchor_s, offset_s)

    def reset(self) -> None:
        """The camera was connected again: its PTS may start anywhere."""
        self._anchor_s = self._last_pts_s = None

    def _check_host_clock(self, received_at: datetime) -> None:
        before = self._last_received_at
        if before is not None and (before - received_at).total_seconds() > _MAX_CLOCK_SLEW_S:
            self._losses.count(
                self._camera, LossReason.CLOCK_JUMP, f"the host's clock was set back from {before:%H:%M:%S} to {received_at:%H:%M:%S}"
            )
            self._last = None
            self.reset()

    def _anchored(self, received_at: datetime, pts_s: float) -> datetime:
        offset_s = received_at.timestamp() - pts_s
        if self._anchor_s is None:
            self._anchor_s = offset_s
        elif self._jumped(self._anchor_s, offset_s, pts_s):
            self._losses.count(
                self._camera, LossReason.CLOCK_JUMP, f"the camera's timestamps jumped from {self._last_pts_s:.3f} to {pts_s:.3f} s"
            )
            self._anchor_s = offset_s
        else:
            drift_s = 0.0 if self._last_pts_s is None else _MAX_DRIFT * (pts_s - self._last_pts_s)
            self._anchor_s = min(self._anchor_s + drift_s, offset_s)
        self._last_pts_s = pts_s
        return datetime.fromtimestamp(self._anchor_s + pts_s, UTC)

    def _jumped(self, anchor_s: float, offset_s: float, pts_s: float) -> bool:
        """The first PTS of a connection is never a jump, however late it arrives."""
        if self._last_pts_s is None:
            return False
        return pts_s <= self._last_pts_s or not -_MAX_EARLY_S < offset_s - anchor_s < _MAX_DELAY_S
