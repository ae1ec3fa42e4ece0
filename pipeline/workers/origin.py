"""Whether a frame may be what it says: not from the future, and in the partition of its camera."""

from collections.abc import Callable
from datetime import datetime

from etle.clock import seconds_between
from etle.errors import WireError
from etle.types import Frame
from pipeline.workers.session import MAX_AHEAD_S


def check_origin(frame: Frame, partition: int, now: datetime, partition_of: Callable[[bytes], int], *, known: bool) -> None:
    """Raises WireError for a frame from the future, and for a camera in a partition that is not its own.

    A signed frame that is published again, to another partition, would otherwise be processed there a second time. A camera that moved
    because partitions were added is `known` in its old one.
    """
    ahead_s = seconds_between(now, frame.captured_at)
    if ahead_s > MAX_AHEAD_S:
        raise WireError(f"frame {frame.sequence} of {frame.camera}: captured {ahead_s:.0f} s after now; is the device's clock right?")
    if not known and partition != (own := partition_of(frame.camera.encode())):
        raise WireError(f"frame {frame.sequence} of {frame.camera}: in partition {partition}, but the camera's is {own}")
