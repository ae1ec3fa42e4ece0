"""Estimates when a live camera captured its pictures.

Only the host's clock can be trusted and checked, but the camera's own presentation timestamps (PTS) give the intervals between pictures
more precisely than their arrival over the network. The PTS are therefore anchored to the host's clock at the quickest arrival seen so far:
network delays only make pictures late, never early. When the PTS jump (cameras restart them, for example after a keyframe problem), the
anchor is set again and the jump is counted, so that it never becomes evidence.
"""

import logging
import math
from datetime import UTC, datetime, timedelta

from etle.types import CameraId
from ingest.frame_loss import FrameLossCounter, LossReason

log = logging.getLogger(__name__)
_MIN_STEP = timedelta(milliseconds=1)
_MAX_CLOCK_SLEW_S = 1.0
"""The host's clock may go back by less than this without being counted as a jump."""
_MAX_DELAY_S = 10.0
"""A picture that is later than this after the quickest arrival is a jump of the PTS, not a network delay."""
_MAX_EARLY_S = 1.0
"""A picture that is earlier than this before the quickest arrival is a jump of the PTS."""
_MAX_DRIFT = 200e-6
"""Seconds per second by which a camera's quartz may be off; the anchor follows a slow one at this rate."""
_MIN_STEP_SHARE = 0.9
"""When a quicker arrival moves the anchor, the steps shrink to this share of the PTS until the times agree: a speed is then at most 11 %
too high, and not a hundred times."""
_MIN_CLOCK_S, _MAX_CLOCK_S = 946_684_800.0, 4_102_444_800.0
"""1 January 2000 and 2100, in seconds since 1970."""
_MAX_STEP_ERROR_S = 2.0
_PROVEN_STEPS = 5


def is_plausible_clock(time_s: float) -> bool:
    """Whether a camera's time, in seconds since 1970, can be the time of day. A lower one counts from its start."""
    return _MIN_CLOCK_S <= time_s < _MAX_CLOCK_S


class ReportedClock:
    """Decides which use the times that a camera reports with its pictures have.

    Some report always the same time, whole seconds, milliseconds, or no number at all. Such times are not used for intervals, which is
    logged once; the pictures are then dated by their arrival. A time that does not advance like the host's clock gives no clock error.
    """

    def __init__(self, camera: CameraId) -> None:
        self._camera = camera
        self._logged = False
        self.reset()

    def reset(self) -> None:
        """The camera was connected again."""
        self._usable = True
        self._steps = 0
        self._first: tuple[float, float] | None = None
        self._last: tuple[float, float] | None = None

    def interval_s(self, text: str | None, received_at: datetime) -> float | None:
        """The reported time in seconds, if the intervals between such times can be used; otherwise None."""
        if text is None or not self._usable:
            return None
        reported_s, now_s = _number(text), received_at.timestamp()
        problem = self._problem(reported_s, now_s)
        if problem:
            self._usable = False
            if not self._logged:
                log.warning("%s: the camera's X-Timestamp %s; the pictures are dated by their arrival", self._camera, problem)
            self._logged = True
            return None
        self._last = reported_s, now_s
        return reported_s

    def error_s(self, text: str | None, received_at: datetime) -> float | None:
        """The camera's clock minus the host's, in seconds; None if the reported time is not the time of day."""
        reported_s, now_s = _number(text or ""), received_at.timestamp()
        if not is_plausible_clock(reported_s):
            return None
        self._first = first_s, begin_s = self._first or (reported_s, now_s)
        elapsed_s = now_s - begin_s
        if elapsed_s > _MAX_STEP_ERROR_S and abs(reported_s - first_s - elapsed_s) > elapsed_s / 2:
            return None
        return reported_s - now_s + (0.5 if "." not in (text or "") else 0.0)

    def _problem(self, reported_s: float, now_s: float) -> str:
        """Empty if there is none. Once several steps were right, a wrong one is a jump of the clock and is counted elsewhere."""
        if not 0 <= reported_s < _MAX_CLOCK_S:
            return "is not a number of seconds"
        if self._steps >= _PROVEN_STEPS:
            return ""
        if reported_s.is_integer():
            return "has no fractions of a second"
        if self._last is not None:
            step_s, elapsed_s = reported_s - self._last[0], now_s - self._last[1]
            if step_s <= 0 or abs(step_s - elapsed_s) > _MAX_STEP_ERROR_S:
                return "does not advance like a clock"
            self._steps += 1
        return ""


def _number(text: str) -> float:
    """NaN if the text is not a number."""
    try:
        return float(text)
    except ValueError:
        return math.nan


class TimestampEstimator:
    """Capture times of one camera's pictures, in order. They always rise, unless the host's clock is set back."""

    def __init__(self, camera: CameraId, losses: FrameLossCounter) -> None:
        self._camera = camera
        self._losses = losses
        self._anchor_s: float | None = None
        """Host time minus PTS of the quickest arrival."""
        self._last_pts_s: float | None = None
        self._step_s: float | None = None
        """Last interval between two PTS."""
        self._last_received_at: datetime | None = None
        self._last: datetime | None = None
        self._last_anchored: datetime | None = None
        """Of the last picture that had a PTS."""

    def captured_at(self, received_at: datetime, pts_s: float | None) -> datetime:
        """`pts_s`: the picture's PTS in seconds from any origin, None if the camera sends none."""
        self._check_host_clock(received_at)
        if pts_s is not None and not math.isfinite(pts_s):
            pts_s = None
        moment = self._between(received_at) if pts_s is None else self._anchored(received_at, pts_s)
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
        self._anchor_s = self._last_pts_s = self._step_s = self._last_anchored = None

    def _between(self, received_at: datetime) -> datetime:
        """Of a picture without PTS: its arrival, or among pictures with PTS one more of their steps."""
        if self._step_s is None or self._last is None:
            return received_at
        return min(received_at, self._last + timedelta(seconds=self._step_s))

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
            self._anchor_s, self._step_s = offset_s, None
        else:
            self._step_s = None if self._last_pts_s is None else pts_s - self._last_pts_s
            self._anchor_s = min(self._anchor_s + _MAX_DRIFT * (self._step_s or 0.0), offset_s)
        self._last_pts_s = pts_s
        moment = datetime.fromtimestamp(self._anchor_s + pts_s, UTC)
        if self._step_s is not None and self._last_anchored is not None:
            moment = max(moment, min(self._last_anchored + timedelta(seconds=_MIN_STEP_SHARE * self._step_s), received_at))
        self._last_anchored = moment
        return moment

    def _jumped(self, anchor_s: float, offset_s: float, pts_s: float) -> bool:
        """The first PTS of a connection is never a jump, however late it arrives."""
        if self._last_pts_s is None:
            return False
        return pts_s <= self._last_pts_s or not -_MAX_EARLY_S < offset_s - anchor_s < _MAX_DELAY_S
